"""One look at one host: counters in one bulk call, pools, healing, and guests that can go on."""

from __future__ import annotations

import json
import logging
import zlib
from typing import Any

from zcloud.domain.errors import HostUnreachable, ZcloudError
from zcloud.domain.instance import Instance, InstanceStatus
from zcloud.domain.storage import PoolState
from zcloud.drivers import registry
from zcloud.ports import DomainStats, HostLink
from zcloud.scheduler.filters import POOL_RESERVE
from zcloud.store import Store, Tx

_log = logging.getLogger(__name__)


class Tick:
    """What is done for a host at every interval."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def run(self, host_id: str, link: HostLink) -> None:
        """Sample counters and pools, and let guests go on that had paused for want of space."""
        counters = link.hypervisor.stats()
        with self._store.read() as tx:
            pools = [each for each in tx.pools.all() if each.host_id == host_id and each.state is PoolState.READY]
        measured = [(pool, registry.storage(pool, link).capacity()) for pool in pools]
        volumes = {pool.id: registry.storage(pool, link).list_volumes() for pool in pools}

        def work(tx: Tx) -> None:
            tx.samples.add(host_id, tx.now, pack(counters))
            tx.hosts.update(host_id, seen_at=tx.now)
            for pool, space in measured:
                changed = tx.pools.update(pool.id, total=space.total, available=space.available, observed_at=tx.now)
                if space.total != pool.total:
                    tx.claims.set_capacity(changed.ref, changed.capacity)
            for pool_id, facts in volumes.items():
                tx.volumes.note_allocation(pool_id, {each.id: each.allocated for each in facts})

        self._store.transact(work)
        self._let_go_on(host_id, link, {pool.id: space.available for pool, space in measured})

    def heal(self, host_id: str, link: HostLink) -> None:
        """Put back what a host lost: anti-spoofing elements, and DHCP entries of running guests' ports."""
        with self._store.read() as tx:
            instances = {each.id: each for each in tx.instances.on_host(host_id)}
            networks = {each.id: each for each in tx.networks.all()}
            ports = [port for group in tx.ports.for_instances(list(instances)).values() for port in group]
        settled = [port for port in ports if _is_settled(instances[port.instance_id])]
        if not settled or len(settled) != len(ports):
            return  # an operation is adding or removing ports; the next look is soon enough
        guard = registry.guard(link)
        expected = [registry.guarded(networks[port.network_id], port) for port in settled]
        difference = guard.compare(expected)
        if difference:
            guard.reconcile(expected)
            _log.warning("host %s: anti-spoofing elements were not as they should be and were put right", host_id)
            self._store.transact(lambda tx: _tell_healed(tx, host_id))

    def _let_go_on(self, host_id: str, link: HostLink, available: dict[str, int]) -> None:
        with self._store.read() as tx:
            paused = [
                each
                for each in tx.instances.on_host(host_id)
                if each.status is InstanceStatus.PAUSED and each.observed.get("paused_for") == "space"
            ]
            volumes = tx.volumes.for_instances([each.id for each in paused])
        for instance in paused:
            if all(available.get(volume.pool_id, 0) > POOL_RESERVE for volume in volumes.get(instance.id, ())):
                try:
                    link.hypervisor.resume(instance.id)
                    _log.info("%s goes on: there is space again", instance.name)
                except HostUnreachable:
                    raise
                except ZcloudError:
                    _log.warning("%s could not go on", instance.name, exc_info=True)


def pack(counters: list[DomainStats]) -> bytes:
    """Give one tick's counters as a compressed blob."""
    rows = [
        {
            "id": each.uuid,
            "state": each.state.value,
            "cpu_ns": each.cpu_time_ns,
            "vcpus": each.vcpus,
            "memory_kib": each.memory_kib,
            "rss_kib": each.rss_kib,
            "disks": {name: dict(values) for name, values in each.disks.items()},
            "nics": {name: dict(values) for name, values in each.nics.items()},
        }
        for each in counters
    ]
    return zlib.compress(json.dumps(rows, separators=(",", ":")).encode(), 6)


def unpack(blob: bytes) -> list[dict[str, Any]]:
    """Give the rows of a tick's blob."""
    rows: list[dict[str, Any]] = json.loads(zlib.decompress(blob))
    return rows


def _is_settled(instance: Instance) -> bool:
    return instance.operation_id is None


def _tell_healed(tx: Tx, host_id: str) -> None:
    host = tx.hosts.get(host_id)
    tx.events.add(
        "host.healed",
        resource_kind="host",
        resource_id=host.id,
        resource_name=host.name,
        message=f"{host.name}: anti-spoofing elements were missing or foreign, and were put right.",
        data={},
    )
