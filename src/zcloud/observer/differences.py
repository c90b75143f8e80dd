"""How a host differs from the records of a restored server. Pure: records in, differences out."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from zcloud.domain.errors import InvalidXml
from zcloud.domain.instance import Instance
from zcloud.domain.network import Port
from zcloud.domain.orphans import Orphan, OrphanKind
from zcloud.domain.reconcile import Difference, DifferenceKind
from zcloud.drivers.compute.patch import definition_digest
from zcloud.libvirtxml.domain import Domain
from zcloud.observer.power import judge
from zcloud.ports import DomainFacts

_ORPHAN = "It is left alone, and runs on; zcloud never deletes it."


@dataclass(frozen=True, slots=True)
class SeenDomain:
    """What a domain's own definition says: our mark in it, its MACs, and what a record has to know of it."""

    uuid: str
    name: str = ""  # of the instance, by our mark; empty: not ours
    project: str = ""
    incarnation: int = 0
    macs: tuple[str, ...] = ()
    machine: str = ""
    console_log: str = ""
    digest: str = ""


@dataclass(frozen=True, slots=True)
class SeenAddress:
    """An address that a host lets a tap use on a network."""

    network_id: str
    address: str
    tap: str


def parse_domain(uuid: str, xml: str) -> SeenDomain:
    """Read a definition; what cannot be read has no mark and no MACs."""
    try:
        domain = Domain.parse(xml)
        return SeenDomain(
            uuid,
            domain.mark.name or "",
            domain.mark.project or "",
            domain.mark.incarnation or 0,
            tuple(each.mac.lower() for each in domain.interfaces if each.mac),
            domain.os.machine or "",
            next((each.log for each in domain.serials if each.log), ""),
            definition_digest(xml),
        )
    except InvalidXml:
        return SeenDomain(uuid)


def compare_power(host: str, instances: Collection[Instance], listing: Mapping[str, DomainFacts]) -> list[Difference]:
    """Give the instances whose state on the host is another one than recorded, and what the observer will write."""
    found = []
    for instance in instances:
        facts = listing.get(instance.id)
        verdict = judge(instance, facts)
        if verdict is None:
            continue
        kind = DifferenceKind.MISSING if facts is None else DifferenceKind.CHANGED
        seen = "not there" if facts is None else facts.state.value
        becomes = f"{verdict.status}. {verdict.message}"
        found.append(
            Difference(kind, "instance", instance.id, instance.name, host, instance.status.value, seen, becomes)
        )
    return found


def compare_orphans(
    host: str, orphans: Collection[Orphan], seen: Mapping[str, SeenDomain], listing: Mapping[str, DomainFacts]
) -> list[Difference]:
    """Give what is on the host and was not there when the backup was made."""
    found = []
    for orphan in orphans:
        name, state = orphan.name, "there"
        if orphan.kind is OrphanKind.DOMAIN:
            domain, facts = seen.get(orphan.name), listing.get(orphan.name)
            name = f"{domain.name} ({domain.project})" if domain and domain.name else orphan.name
            state = facts.state.value if facts else "there"
        where = f"in {orphan.place}" if orphan.place else "on the host"
        found.append(
            Difference(
                DifferenceKind.ORPHAN,
                orphan.kind.value,
                orphan.name,
                name,
                host,
                "nothing",
                f"{state}, {where}",
                _ORPHAN,
            )
        )
    return found


def behind(instances: Collection[Instance], seen: Mapping[str, SeenDomain]) -> Iterator[tuple[Instance, SeenDomain]]:
    """Give the instances whose domain was started, or made, after the backup: its record is behind."""
    for instance in instances:
        domain = seen.get(instance.id)
        if domain is None or not domain.name:
            continue
        if domain.incarnation > instance.incarnation or not instance.machine:
            yield instance, domain


def unowned(addresses: Collection[SeenAddress], ports: Sequence[Port]) -> list[SeenAddress]:
    """Give the addresses that a host lets taps use that no port has, or the port of another tap.

    The latter is free again when its instance is deleted, and still in use.
    """
    mine = {(port.network_id, port.address, port.tap) for port in ports}
    return sorted(
        (each for each in addresses if (each.network_id, each.address, each.tap) not in mine),
        key=lambda each: (each.network_id, each.address),
    )
