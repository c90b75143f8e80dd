"""Things on hosts that look like ours and that no record knows. They are shown and never removed by zcloud itself."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from zcloud.domain.errors import HostUnreachable, InvalidXml
from zcloud.domain.network import Network
from zcloud.domain.orphans import Orphan, OrphanKind, orphans_key
from zcloud.domain.storage import Pool, PoolState
from zcloud.drivers import registry
from zcloud.libvirtxml.domain import Domain
from zcloud.ports import HostLink
from zcloud.store import Store, Tx

_INSTANCE = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.")
_TAP = re.compile(r"zc[0-9a-f]{11}")
_TOLD = 20


@dataclass(frozen=True, slots=True)
class _Known:
    """The records that things on a host may belong to."""

    instances: frozenset[str]
    owners: frozenset[str]  # of artifacts: in a shared pool they are of instances of other hosts, too
    volumes: frozenset[str]
    taps: frozenset[str]


class OrphanWatch:
    """Looks for orphans, host by host."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._theirs: set[str] = set()  # domains without our mark: their definitions are read once, not at every look

    def run(self, host_id: str, link: HostLink) -> frozenset[Orphan]:
        """Find a host's orphans, keep them for those who ask, and tell of new ones by an event.

        Records outlive what they stand for on a host, so a thing that was there when no record knew it any more may
        just be on its way out; one that is there at a second look is an orphan.
        """
        found = self._find(host_id, link)
        if found:
            found &= self._find(host_id, link)
        self._store.transact(lambda tx: _keep(tx, host_id, found))
        return found

    def _find(self, host_id: str, link: HostLink) -> frozenset[Orphan]:
        with self._store.read() as tx:
            pools = _looked_at(tx, host_id)
            networks = [each for each in tx.networks.all() if each.host_id in (host_id, None)]
        present = _present(pools, networks, link)
        with self._store.read() as tx:  # after the listing: what was made by then has its record by now
            known = _known(tx, host_id, pools, present)
        strange = [orphan for orphan in present if not _is_known(orphan, known)]
        return frozenset(each for each in strange if each.kind is not OrphanKind.DOMAIN or self._is_ours(each, link))

    def _is_ours(self, orphan: Orphan, link: HostLink) -> bool:
        if orphan.name in self._theirs:
            return False
        ours = _is_ours(orphan, link)
        if not ours:
            self._theirs.add(orphan.name)
        return ours


def forget(store: Store, host_id: str) -> None:
    """Forget the orphans of a host that is not in the cloud any more."""
    store.transact(lambda tx: tx.settings.delete(orphans_key(host_id)))


def _present(pools: Iterable[Pool], networks: Iterable[Network], link: HostLink) -> list[Orphan]:
    """Give everything on the host that may be ours."""
    found = [Orphan(OrphanKind.DOMAIN, each.uuid) for each in link.hypervisor.list_domains()]
    for pool in pools:
        storage = registry.storage(pool, link)
        found += [Orphan(OrphanKind.VOLUME, each.id, pool.name) for each in storage.list_volumes()]
        found += [Orphan(OrphanKind.ARTIFACT, name, pool.name) for name in storage.list_artifacts()]
    for network in networks:
        found += [Orphan(OrphanKind.TAP, tap, network.name) for tap in registry.network(network, link).list_ports()]
    links = json.loads(link.shell.run(["ip", "-j", "link", "show"]).stdout or b"[]")
    found += [Orphan(OrphanKind.TAP, each["ifname"]) for each in links if _TAP.fullmatch(each.get("ifname", ""))]
    return found


def _looked_at(tx: Tx, host_id: str) -> list[Pool]:
    """Give the pools that are looked at by a host: its own, and shared ones that are measured by it."""
    found = []
    for pool in tx.pools.all():
        with contextlib.suppress(HostUnreachable):
            if pool.state is PoolState.READY and tx.pool_hosts.way_to(pool) == host_id:
                found.append(tx.secrets.opened(pool))
    return found


def _known(tx: Tx, host_id: str, pools: Iterable[Pool], present: Iterable[Orphan]) -> _Known:
    owners = {owner[1] for each in present if (owner := _INSTANCE.match(each.name))}
    return _Known(
        instances=frozenset(row.id for row in tx.instances.powers(host_id)),
        owners=frozenset(tx.instances.many(owners)),
        volumes=frozenset(volume.id for pool in pools for volume in tx.volumes.in_pool(pool.id)),
        taps=frozenset(port.tap for port in tx.ports.on_host(host_id)),
    )


def _is_known(orphan: Orphan, known: _Known) -> bool:
    if orphan.kind is OrphanKind.DOMAIN:
        return orphan.name in known.instances
    if orphan.kind is OrphanKind.VOLUME:
        return orphan.name in known.volumes
    if orphan.kind is OrphanKind.TAP:
        return orphan.name in known.taps
    owner = _INSTANCE.match(orphan.name)
    return owner is None or owner[1] in known.owners


def _is_ours(orphan: Orphan, link: HostLink) -> bool:
    """Tell by our mark in its metadata whether zcloud made a domain; other people's are not our business."""
    xml = link.hypervisor.domain_xml(orphan.name)
    try:
        return xml is not None and Domain.parse(xml).mark.name is not None
    except InvalidXml:
        return False


def _keep(tx: Tx, host_id: str, found: frozenset[Orphan]) -> None:
    key = orphans_key(host_id)
    before: dict[str, Any] = tx.settings.get(key, {"items": []})
    items = [orphan.to_json() for orphan in sorted(found)]
    tx.settings.put(key, {"looked_at": tx.now.isoformat(), "items": items})
    new = [each for each in items if each not in before["items"]]
    host = tx.hosts.many([host_id]).get(host_id)
    if not new or host is None:
        return
    names = ", ".join(f"{each['kind']} {each['name']}" for each in new[:3])
    more = f" and {len(new) - 3} more" if len(new) > 3 else ""
    tx.events.add(
        "host.orphans",
        resource_kind="host",
        resource_id=host.id,
        resource_name=host.name,
        message=f"{host.name} has things that look like zcloud's and that no record knows: {names}{more}. "
        "They were left alone.",
        data={"orphans": new[:_TOLD]},
    )
