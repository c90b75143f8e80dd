"""Domains of a host that are nobody's instance: listed, counted, and left alone."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from zcloud.domain.foreign import ForeignDomain, foreign_id
from zcloud.domain.instance import Instance
from zcloud.ports import DomainOutline, HostLink
from zcloud.store import Store, Tx


class ForeignWatch:
    """Looks for them, host by host, in one bulk call."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def run(self, host_id: str, link: HostLink) -> None:
        """List a host's domains and keep those that no record knows; writes only where something has changed."""
        seen = link.hypervisor.outlines()
        with self._store.read() as tx:
            found = _strangers(tx, host_id, seen)
            before = {each.id: _outline(each) for each in tx.foreign.on_host(host_id).values()}
        if {each.id: _outline(each) for each in found} == before:
            return

        def work(tx: Tx) -> None:
            if tx.hosts.many([host_id]):
                tx.foreign.put(host_id, _strangers(tx, host_id, seen))  # anew: one may just have been adopted

        self._store.transact(work)


def keep_addresses(tx: Tx, instance: Instance, reported: Iterable[Mapping[str, Any]]) -> None:
    """Keep the addresses that an adopted guest reports on our networks from being given to others.

    One that an instance of ours has already is named among what is not mapped.
    """
    if not instance.adopted:
        return
    adopted = dict(instance.adopted)
    networks = {nic["mac"]: nic["network_id"] for nic in adopted.get("nics", ()) if nic["network_id"]}
    reserved, told = [list(each) for each in adopted.get("reserved", ())], list(adopted.get("unmapped", ()))
    for each in reported:
        network = tx.networks.many([networks.get(str(each["mac"]).lower(), "")])
        for id, record in network.items():
            if not _is_in(record.cidr, each["address"]) or [id, each["address"]] in reserved:
                continue
            if any(port.address == each["address"] for port in tx.ports.on_network(id)):
                words = f"It uses the address {each['address']} on {record.name}, which belongs to another instance."
                told += [words] if words not in told else []
            elif tx.ports.fence(id, each["address"], str(each["mac"]), instance.host_id):
                reserved.append([id, each["address"]])
    if (reserved, told) != (adopted.get("reserved", []), adopted.get("unmapped")):
        changed = {**adopted, "reserved": reserved, "unmapped": told}
        tx.instances.update(instance.id, hardware={**instance.hardware, "adopted": changed})


def _is_in(cidr: str, address: str) -> bool:
    """Say whether an address, which a guest may have made up, is one of a network's."""
    try:
        return ipaddress.ip_address(address) in ipaddress.ip_network(cidr)
    except ValueError:
        return False


def _strangers(tx: Tx, host_id: str, seen: list[DomainOutline]) -> list[ForeignDomain]:
    ours = {row.id for row in tx.instances.powers(host_id)}
    return [_foreign(host_id, each, tx.now) for each in seen if each.facts.uuid not in ours]


def _foreign(host_id: str, seen: DomainOutline, now: datetime) -> ForeignDomain:
    facts = seen.facts
    return ForeignDomain(
        id=foreign_id(host_id, facts.uuid),
        host_id=host_id,
        uuid=facts.uuid,
        name=facts.name[:255],
        state=facts.state.value,
        persistent=facts.persistent,
        vcpus=seen.vcpus,
        memory_mib=-(-seen.memory_kib // 1024),
        seen_at=now,
    )


def _outline(domain: ForeignDomain) -> tuple[str, str, bool, int, int]:
    return domain.name, domain.state, domain.persistent, domain.vcpus, domain.memory_mib
