"""Admission: may this be, where, and what does it take. One transaction; nothing here asks a host."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from zcloud.domain.claims import (
    BYTES,
    MEMORY_MIB,
    VCPUS,
    Claim,
    ProviderKind,
    ProviderRef,
    ProviderView,
    running_claims,
)
from zcloud.domain.errors import NoRoom, PoolFull, QuotaExceeded
from zcloud.domain.foreign import Others
from zcloud.domain.hardware import settle
from zcloud.domain.host import Host, HostState
from zcloud.domain.instance import Firmware, Instance
from zcloud.domain.network import Network, NetworkScope, NetworkState
from zcloud.domain.people import Project, Quota, Usage
from zcloud.domain.size import Size, run_size
from zcloud.domain.storage import JoinState, Pool, PoolHost, PoolState
from zcloud.scheduler import Demand, HostView, Placement, place
from zcloud.scheduler.filters import POOL_RESERVE
from zcloud.scheduler.model import PoolView
from zcloud.store import Tx

_STATE_REASON = {
    HostState.ADDING: "The host is still being added.",
    HostState.DEGRADED: "libvirt on the host does not answer",
    HostState.LOST: "The host does not answer",
    HostState.REMOVING: "The host is being removed.",
}


CLOSED = "takes no new volumes: it is being drained."


@dataclass(frozen=True, slots=True)
class Cloud:
    """A snapshot of everything that placement looks at, with the generations that guard it."""

    hosts: Mapping[str, Host]
    pools: Mapping[str, Pool]
    networks: Mapping[str, Network]
    providers: Mapping[ProviderRef, ProviderView]
    others: Mapping[str, Others] = field(default_factory=dict)  # what domains that are not ours take, by host
    joins: Mapping[tuple[str, str], PoolHost] = field(default_factory=dict)  # of shared pools, by pool and host

    def views(self, project_id: str) -> list[HostView]:
        """Give each host as placement sees it for a project."""
        return [self._view(host, project_id) for host in self.hosts.values()]

    def only(self, host_id: str) -> Cloud:
        """Give the snapshot of one host, so that the reasons of the others are not told."""
        return replace(self, hosts={host_id: self.hosts[host_id]})

    def _view(self, host: Host, project_id: str) -> HostView:
        ref = ProviderRef(ProviderKind.HOST, host.id)
        provider = self.providers.get(ref) or ProviderView(ref, 0, {}, {})
        others = self.others.get(host.id, Others())
        reason = _STATE_REASON.get(host.state, "")
        if host.state in (HostState.DEGRADED, HostState.LOST) and host.state_reason:
            reason = f"{reason}: {host.state_reason}"
        return HostView(
            id=host.id,
            name=host.name,
            usable=host.state is HostState.UP,
            unusable_reason=reason,
            accel=host.accel.value,
            vcpus=provider.capacity.get(VCPUS, 0),
            vcpus_used=provider.used.get(VCPUS, 0) + others.vcpus,
            memory_mib=provider.capacity.get(MEMORY_MIB, 0),
            memory_used_mib=provider.used.get(MEMORY_MIB, 0) + others.memory_mib,
            firmwares=frozenset(host.inventory.get("firmwares", ("bios",))),
            pools=self._pools_of(host),
            networks=self._networks_of(host, project_id),
            inventory=host.inventory,
        )

    def _pools_of(self, host: Host) -> dict[str, PoolView]:
        found: dict[str, PoolView] = {}
        for pool in self.pools.values():
            if pool.state is not PoolState.READY or not pool.belongs_to(host.id):
                continue
            ref = ProviderRef(ProviderKind.POOL, pool.id)
            provider = self.providers.get(ref) or ProviderView(ref, 0, {}, {})
            view = PoolView(
                pool.id,
                pool.name,
                provider.free(BYTES),
                pool.available,
                why_unusable(pool, self.joins.get((pool.id, host.id))),
                CLOSED if pool.draining else "",
            )
            found[pool.name] = found[pool.id] = view
            if pool.is_default:
                found[""] = view
        return found

    def _networks_of(self, host: Host, project_id: str) -> dict[str, str]:
        found: dict[str, str] = {}
        for network in self.networks.values():
            here = network.scope is NetworkScope.SHARED or network.host_id == host.id
            mine = network.project_id in (None, project_id)
            if network.state is not NetworkState.READY or not here or not mine:
                continue
            found[network.name] = found[network.id] = network.id
            if network.is_default:
                found[""] = network.id
        return found


def snapshot(tx: Tx) -> Cloud:
    """Read what placement looks at, in a handful of queries however many hosts there are."""
    views = [view for kind in ProviderKind for view in tx.claims.views(kind)]
    return Cloud(
        hosts={each.id: each for each in tx.hosts.all()},
        pools={each.id: each for each in tx.pools.all()},
        networks={each.id: each for each in tx.networks.all()},
        providers={each.ref: each for each in views},
        others=tx.foreign.others(),
        joins=tx.pool_hosts.all(),
    )


def why_unusable(pool: Pool, join: PoolHost | None) -> str:
    """Give why what is in a pool cannot be used on a host, where it is joined like that; empty where it can."""
    if not pool.shared:
        return ""
    if join is None:
        return "it is just being joined there."
    return "" if join.state is JoinState.READY else join.reason


def choose(cloud: Cloud, project_id: str, demand: Demand) -> Placement:
    """Place a demand; raises NoRoom with every host's reason and the nearest change that would fit."""
    placement = place(cloud.views(project_id), demand)
    if placement.candidates:
        return placement
    refusals = [
        {"host": each.host, "filter": each.filter, "reason": each.reason, "nearest": each.nearest}
        for each in placement.refusals
    ]
    nearest = next((each.nearest for each in placement.refusals if each.nearest), "Add a host.")
    told = "; ".join(f"{each.host}: {each.reason}" for each in placement.refusals[:5]) or "There is no host."
    raise NoRoom(f"No host can take it. {told}", hint=nearest, refusals=refusals)


def take(tx: Tx, cloud: Cloud, claims: Sequence[Claim]) -> None:
    """Claim, if no generation moved since the snapshot (else the store repeats the whole transaction)."""
    touched = {claim.provider for claim in claims}
    tx.claims.claim({ref: cloud.providers[ref].generation for ref in touched}, claims)


def grow(tx: Tx, instance: Instance, size: Size) -> None:
    """Claim what an instance needs more than it holds to be of that size on its own host; raises NoRoom."""
    held = {each.resource: each.amount for each in tx.claims.held_by(instance.id)}
    vcpus, memory_mib = max(size.vcpus, held.get(VCPUS, 0)), max(size.memory_mib, held.get(MEMORY_MIB, 0))
    more = _demand(instance, vcpus - held.get(VCPUS, 0), memory_mib - held.get(MEMORY_MIB, 0))
    if not more.vcpus and not more.memory_mib:
        return
    cloud = snapshot(tx)
    choose(cloud.only(instance.host_id), instance.project_id, more)
    take(tx, cloud, running_claims(instance.host_id, instance.id, vcpus, memory_mib))


def admit_run(tx: Tx, instance: Instance) -> Cloud:
    """Let an instance run on its host, if there is room; gives the snapshot for ``take_run``. Raises NoRoom."""
    cloud, size = snapshot(tx), run_size(instance)
    stores = {each.pool_id for each in (*tx.volumes.of_instance(instance.id), *tx.readers.of_instance(instance.id))}
    demand = replace(_demand(instance, size.vcpus, size.memory_mib), stores=tuple(sorted(stores)))
    choose(cloud.only(instance.host_id), instance.project_id, demand)
    return cloud


def _demand(instance: Instance, vcpus: int, memory_mib: int) -> Demand:
    """Give what an instance needs of its own host; one that was adopted brings its firmware and hardware with it."""
    firmware = Firmware.BIOS if instance.adopted else instance.firmware
    options = {} if instance.adopted else instance.options
    return Demand(
        vcpus=vcpus,
        memory_mib=memory_mib,
        firmware=firmware.value,
        disks={},
        networks=(),
        host=instance.host_id,
        hardware=settle(options),
    )


def take_run(tx: Tx, cloud: Cloud, instance: Instance) -> None:
    """Claim what an instance that was admitted by ``admit_run`` holds while it runs."""
    size = run_size(instance)
    take(tx, cloud, running_claims(instance.host_id, instance.id, size.vcpus, size.memory_mib))


def volume_claim(pool_id: str, volume_id: str, size: int) -> Claim:
    """Give what a volume holds of its pool from creation to deletion."""
    return Claim(ProviderRef(ProviderKind.POOL, pool_id), volume_id, BYTES, size)


def claim_volume(tx: Tx, pool: Pool, volume_id: str, size: int) -> None:
    """Claim a pool's bytes for a volume, in place of what it holds; raises PoolFull with what would fit."""
    provider = next((each for each in tx.claims.views(ProviderKind.POOL) if each.ref == pool.ref), None)
    held = sum(claim.amount for claim in tx.claims.held_by(volume_id) if claim.provider == pool.ref)
    room = held + (provider.free(BYTES) if provider else 0)
    if provider is None or size > room:
        raise PoolFull(
            f"The pool {pool.name} can promise {max(room, 0)} bytes to the volume; {size} are needed.",
            hint="Ask for less, delete volumes that nobody needs, or raise the pool's overcommit.",
            pool=pool.name,
            room=max(room, 0),
        )
    if size > held and pool.available < POOL_RESERVE:
        raise PoolFull(f"The pool {pool.name} is full.", hint="Free space in the pool, or add another.", pool=pool.name)
    tx.claims.claim({provider.ref: provider.generation}, [volume_claim(pool.id, volume_id, size)])


def check_quota(tx: Tx, project: Project, more: Usage) -> None:
    """Refuse what would take the project over its quota; raises QuotaExceeded naming each limit."""
    used = tx.claims.totals_by_project(project.id)
    over = list(_over(project.quota, used, more))
    if over:
        told = "; ".join(f"{name}: {have} used, {want} more, limit {limit}" for name, have, want, limit in over)
        raise QuotaExceeded(
            f"The quota of the project {project.name} does not allow it: {told}.",
            hint="Delete what is not needed, or ask an admin for a larger quota.",
            limits=[dict(zip(("name", "used", "more", "limit"), each, strict=True)) for each in over],
        )


def _over(quota: Quota, used: Usage, more: Usage) -> Iterable[tuple[str, int, int, int]]:
    for name in ("instances", "vcpus", "memory_mib", "volume_bytes"):
        limit, have, want = getattr(quota, name), getattr(used, name), getattr(more, name)
        if limit is not None and want and have + want > limit:
            yield name, have, want, limit
