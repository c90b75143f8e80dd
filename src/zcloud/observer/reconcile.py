"""The look at a host of a restored server: nothing is changed there, and whatever is in use there is kept from reuse.

Numbers only ever move forward, so this is written at once; power states and orphans are told, and become true when an
admin ends the mode.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zcloud.domain.instance import Instance
from zcloud.domain.network import Network, Port
from zcloud.domain.reconcile import KEY, PENDING, Difference, DifferenceKind, report_key
from zcloud.drivers import registry
from zcloud.observer.boot import read_boot
from zcloud.observer.differences import (
    SeenAddress,
    SeenDomain,
    behind,
    compare_orphans,
    compare_power,
    parse_domain,
    unowned,
)
from zcloud.observer.orphans import OrphanWatch
from zcloud.ports import HostLink
from zcloud.store import Store, Tx


class ReconcileWatch:
    """Compares hosts with the records, host by host."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._orphans = OrphanWatch(store)

    def run(self, host_id: str, link: HostLink) -> list[Difference]:
        """Look at one host, move numbers past what it uses, and keep the differences for those who ask."""
        listing = {each.uuid: each for each in link.hypervisor.list_domains()}
        seen = {uuid: parse_domain(uuid, link.hypervisor.domain_xml(uuid) or "") for uuid in listing}
        with self._store.read() as tx:
            networks = [each for each in tx.networks.all() if each.host_id in (host_id, None)]
        addresses = _addresses(networks, link)
        orphans, boot_id = self._orphans.run(host_id, link), read_boot(link)

        def work(tx: Tx) -> list[Difference]:
            host = tx.hosts.update(host_id, boot_id=boot_id).name  # what ran before a boot does not come back by itself
            instances = tx.instances.on_host(host_id)
            found = _fence_runs(tx, host, instances, seen)
            for domain in seen.values():
                for mac in domain.macs:
                    tx.ports.reserve_mac(mac, "")
            found += _fence_addresses(tx, host_id, host, unowned(addresses, _ports(tx, networks)))
            found += compare_power(host, tx.instances.on_host(host_id), listing)
            found += compare_orphans(host, orphans, seen, listing)
            _keep(tx, host_id, found)
            return found

        return self._store.transact(work)


def _addresses(networks: Sequence[Network], link: HostLink) -> set[SeenAddress]:
    """Give the addresses that taps may use on the host: by its anti-spoofing table, and by what networks serve."""
    known = {network.id for network in networks}
    found = {
        SeenAddress(element.owner, element.key[1], element.key[0])
        for element in registry.guard(link).elements()
        if element.set == "addresses" and element.owner in known
    }
    for network in networks:
        for tap, address in registry.network(network, link).served().items():
            found.add(SeenAddress(network.id, address, tap))
    return found


def _ports(tx: Tx, networks: Sequence[Network]) -> list[Port]:
    return [port for network in networks for port in tx.ports.on_network(network.id)]


def _fence_runs(tx: Tx, host: str, instances: Sequence[Instance], seen: Mapping[str, SeenDomain]) -> list[Difference]:
    """Let records of instances that were started after the backup count on from there."""
    found = []
    for instance, domain in behind(instances, seen):
        tx.instances.raise_incarnation(instance.id, domain.incarnation)
        hardware: dict[str, Any] = {**instance.hardware, "definition": domain.digest}
        if domain.console_log:
            hardware["console_log"] = domain.console_log
        tx.instances.update(instance.id, machine=instance.machine or domain.machine, hardware=hardware)
        becomes = f"run {domain.incarnation}; the next start is run {domain.incarnation + 1}"
        found.append(
            Difference(
                DifferenceKind.FENCED, "instance", instance.id, instance.name, host,
                f"run {instance.incarnation}", f"run {domain.incarnation}", becomes,
            )
        )  # fmt: skip
    return found


def _fence_addresses(tx: Tx, host_id: str, host: str, addresses: Sequence[SeenAddress]) -> list[Difference]:
    """Keep addresses from being given out that something on the host uses."""
    found = []
    names = {each.id: each.name for each in tx.networks.many({each.network_id for each in addresses}).values()}
    for each in addresses:
        tx.ports.fence(each.network_id, each.address, each.tap, host_id)
        network = names.get(each.network_id, each.network_id)
        found.append(
            Difference(
                DifferenceKind.FENCED, "network", each.network_id, network, host,
                "free", f"{each.address} is used by {each.tap}", f"{each.address} is not given out again",
            )
        )  # fmt: skip
    return found


def _keep(tx: Tx, host_id: str, found: Sequence[Difference]) -> None:
    """Keep the report, with what was fenced at an earlier look; after the mode the look was the host's last of them."""
    if tx.settings.get(KEY) is None:
        pending: list[str] = tx.settings.get(PENDING, [])
        tx.settings.put(PENDING, [each for each in pending if each != host_id])
        return
    key = report_key(host_id)
    before = [Difference.from_json(each) for each in tx.settings.get(key, {"items": []})["items"]]
    fenced = [each for each in before if each.kind is DifferenceKind.FENCED]
    items = sorted({*found, *fenced})
    tx.settings.put(key, {"looked_at": tx.now.isoformat(), "items": [each.to_json() for each in items]})
