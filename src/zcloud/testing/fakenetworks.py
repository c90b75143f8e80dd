"""The network half of a libvirt in memory."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field

from lxml import etree

from zcloud.domain.errors import HypervisorFailed, NotFound
from zcloud.libvirtxml.parser import parse_xml, write_xml
from zcloud.ports import NetworkSection

_HOLDER = {NetworkSection.DHCP_HOST: ("ip", "dhcp"), NetworkSection.DNS_HOST: ("dns",)}


class Entries:
    """The entries of one section, found by each of their fields, of which no two may be equal."""

    def __init__(self) -> None:
        self._by_field: dict[str, etree._Element] = {}

    def __iter__(self) -> Iterator[etree._Element]:
        return iter({id(entry): entry for entry in self._by_field.values()}.values())

    def find(self, field: str) -> etree._Element | None:
        """Give the entry with a field such as ``mac=52:54:00:00:00:01``."""
        return self._by_field.get(field)

    def add(self, entry: etree._Element) -> None:
        """Add an entry; raises HypervisorFailed with libvirt's words where a field is taken."""
        if any(name in self._by_field for name in _fields(entry)):
            raise HypervisorFailed("there is already at least one HOST record with a matching field")
        self._by_field.update(dict.fromkeys(_fields(entry), entry))

    def forget_like(self, entry: etree._Element) -> None:
        """Remove the entries with this one's MAC or address."""
        for name in _fields(entry):
            found = None if name.startswith("name=") else self._by_field.get(name)
            for each in _fields(found) if found is not None else ():
                self._by_field.pop(each, None)

    def forget_key(self, entry: etree._Element) -> None:
        """Remove the entry with this one's MAC, else its address."""
        found = self._by_field.get(_fields(entry)[0])
        for each in _fields(found) if found is not None else ():
            self._by_field.pop(each, None)


def _fields(entry: etree._Element) -> list[str]:
    fields = [f"{key}={entry.get(key)}" for key in ("mac", "ip") if entry.get(key)]
    return fields + [f"name={name.text}" for name in entry.findall("hostname")]


@dataclass(slots=True)
class FakeNetwork:
    """A network: its XML without entries, and the entries of each section."""

    uuid: str
    root: etree._Element
    active: bool = True
    entries: dict[NetworkSection, Entries] = field(
        default_factory=lambda: {section: Entries() for section in NetworkSection}
    )


class FakeNetworks:
    """Networks and their entries; refuses what libvirt refuses (two entries with one address or name)."""

    def __init__(self) -> None:
        self.networks: dict[str, FakeNetwork] = {}

    def enter(self, verb: str) -> None:
        """Called with the verb before each: the place for faults."""

    def list_networks(self) -> dict[str, bool]:
        """Give the networks and whether each is active."""
        self.enter("list_networks")
        return {name: network.active for name, network in self.networks.items()}

    def network_xml(self, name: str) -> str | None:
        """Give a network's XML with its entries."""
        self.enter("network_xml")
        network = self.networks.get(name)
        if network is None:
            return None
        root = copy.deepcopy(network.root)
        for section, entries in network.entries.items():
            copies = [copy.deepcopy(entry) for entry in entries]
            home = root
            for tag in _HOLDER[section] if copies else ():
                found = home.find(tag)
                home = etree.SubElement(home, tag) if found is None else found
            home.extend(copies)
        return write_xml(root)

    def ensure_network(self, xml: str) -> None:
        """Define and start a network; one with the same uuid keeps what it has."""
        self.enter("ensure_network")
        root = parse_xml(xml)
        name, uuid = root.findtext("name", ""), root.findtext("uuid", "")
        known = self.networks.get(name)
        if known is None:
            self.networks[name] = FakeNetwork(uuid, root)
        elif known.uuid != uuid:
            raise HypervisorFailed(f"libvirt has another network of the name {name!r}.", uuid=known.uuid)
        else:
            known.active = True

    def remove_network(self, name: str) -> None:
        """Remove a network; absent is fine."""
        self.enter("remove_network")
        self.networks.pop(name, None)

    def ensure_network_entry(self, name: str, section: NetworkSection, xml: str) -> None:
        """Add or replace an entry."""
        self.enter("ensure_network_entry")
        if name not in self.networks:
            raise NotFound(f"libvirt has no network {name!r}.", name=name)
        entry = parse_xml(xml)
        entries = self.networks[name].entries[section]
        entries.forget_like(entry)
        entries.add(entry)

    def remove_network_entry(self, name: str, section: NetworkSection, xml: str) -> None:
        """Remove an entry; absent, like its network, is fine."""
        self.enter("remove_network_entry")
        if name in self.networks:
            self.networks[name].entries[section].forget_key(parse_xml(xml))

    def addresses_of(self, mac: str) -> list[str]:
        """Give the addresses that a MAC gets by DHCP."""
        hosts = [network.entries[NetworkSection.DHCP_HOST].find(f"mac={mac}") for network in self.networks.values()]
        return [str(host.get("ip")) for host in hosts if host is not None]
