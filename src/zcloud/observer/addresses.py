"""Which addresses guests have: one command and some small files for a host, and a few agents at each look."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from zcloud.domain.addresses import AGENT, Sight, merge, parse_leases, parse_neighbours
from zcloud.domain.errors import GuestSilent, HypervisorFailed, NotFound
from zcloud.domain.instance import Instance, InstanceStatus, Ready
from zcloud.domain.network import Network
from zcloud.drivers import registry
from zcloud.ports import HostLink, Hypervisor
from zcloud.store import Store, Tx

_AGENTS = 5  # asked at one look of one host
_ASK_AGAIN = timedelta(minutes=5)
_BATCH = 50  # records in one transaction


class AddressWatch:
    """Records where guests are seen, host by host."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._asked: dict[str, datetime] = {}

    def run(self, host_id: str, link: HostLink) -> None:
        """Look at a host's neighbours and leases, ask a few agents, and record what is new."""
        with self._store.read() as tx:
            now = tx.now
            rows = [row.id for row in tx.instances.powers(host_id) if row.status is InstanceStatus.RUNNING]
            running = tx.instances.many(rows)
            owners = {port.mac: port.instance_id for port in tx.ports.on_host(host_id)}
            networks = [each for each in tx.networks.all() if each.host_id == host_id]
        if not running:
            return
        seen = parse_neighbours(link.shell.run(["ip", "-j", "-s", "neigh", "show"], check=False).stdout, now)
        for network in networks:
            seen += _leases(network, link, now)
        sights: defaultdict[str, list[Sight]] = defaultdict(list)
        for each in seen:
            if (owner := owners.get(each.mac)) in running:
                sights[str(owner)].append(each)
        for instance in self._due(list(running.values()), now):
            sights[instance.id] += _ask(instance, link.hypervisor, now)
        changed = [uuid for uuid, found in sights.items() if _is_new(running[uuid], found, now)]
        for start in range(0, len(changed), _BATCH):
            part = changed[start : start + _BATCH]
            self._store.transact(lambda tx, part=part: _record(tx, part, sights))  # type: ignore[misc]

    def _due(self, running: Sequence[Instance], now: datetime) -> list[Instance]:
        """Give the few whose agents are to be asked: that have answered once, those first who wait longest."""
        last = {each.id: self._asked.get(each.id) for each in running}
        able = [
            each for each in running if each.ready is Ready.READY and "os" in each.observed and not each.operation_id
        ]
        due = [each for each in able if (asked := last[each.id]) is None or now - asked >= _ASK_AGAIN]
        due.sort(key=lambda each: (last[each.id] is not None, last[each.id] or now))
        kept = {uuid: at for uuid, at in last.items() if at is not None}
        self._asked = {uuid: at for uuid, at in self._asked.items() if now - at < _ASK_AGAIN} | kept
        self._asked |= {each.id: now for each in due[:_AGENTS]}
        return due[:_AGENTS]


def addresses_by_agent(instance: Instance, hypervisor: Hypervisor, now: datetime) -> list[Sight]:
    """Give what the agent tells of the guest's addresses; raises GuestSilent, HypervisorFailed."""
    return [
        Sight(each.mac.lower()[:17], each.address[:45], AGENT, now, each.interface[:15], each.prefix)
        for each in hypervisor.guest_addresses(instance.id)
        if each.interface != "lo"
    ]


def _ask(instance: Instance, hypervisor: Hypervisor, now: datetime) -> list[Sight]:
    try:
        return addresses_by_agent(instance, hypervisor, now)
    except (GuestSilent, HypervisorFailed, NotFound):
        return []  # it is asked again in its turn; the host's own tables are looked at meanwhile


def _leases(network: Network, link: HostLink, now: datetime) -> list[Sight]:
    path = registry.network(network, link).lease_file
    try:
        return parse_leases(link.shell.read_file(path), now) if path else []
    except NotFound:
        return []


def _is_new(instance: Instance, sights: Sequence[Sight], now: datetime) -> bool:
    before: list[dict[str, Any]] = instance.observed.get("addresses", [])
    return merge(before, sights, now) != before


def _record(tx: Tx, part: Sequence[str], sights: defaultdict[str, list[Sight]]) -> None:
    for instance in tx.instances.many(part).values():
        addresses = merge(instance.observed.get("addresses", []), sights[instance.id], tx.now)
        tx.instances.update(instance.id, observed={**instance.observed, "addresses": addresses})
