"""The part of ``ports.Hypervisor`` that changes libvirt networks: on the jobs connection."""

from __future__ import annotations

import contextlib

import libvirt
from lxml import etree

from zcloud.domain.errors import HypervisorFailed, NotFound
from zcloud.hosts.libvirt.connection import Connection
from zcloud.hosts.libvirt.errors import NO_NETWORK, WRONG_STATE, code_of
from zcloud.libvirtxml.parser import parse_xml
from zcloud.ports import NetworkSection

_SECTIONS = {
    NetworkSection.DHCP_HOST: (libvirt.VIR_NETWORK_SECTION_IP_DHCP_HOST, "ip/dhcp/host"),
    NetworkSection.DNS_HOST: (libvirt.VIR_NETWORK_SECTION_DNS_HOST, "dns/host"),
}
_ADD = libvirt.VIR_NETWORK_UPDATE_COMMAND_ADD_LAST
_DELETE = libvirt.VIR_NETWORK_UPDATE_COMMAND_DELETE
_LIVE = libvirt.VIR_NETWORK_UPDATE_AFFECT_LIVE
_CONFIG = libvirt.VIR_NETWORK_UPDATE_AFFECT_CONFIG


class Networks:
    """Calls that change networks and their entries."""

    _jobs: Connection

    def ensure_network(self, xml: str) -> None:
        """Define, start and autostart a network; one that is there with the same uuid and active is left."""
        root = parse_xml(xml)
        name, uuid = root.findtext("name", ""), root.findtext("uuid", "")
        self._jobs.call(lambda raw: _ensure(raw, name, uuid, xml))

    def remove_network(self, name: str) -> None:
        """Stop and undefine a network; absent is fine."""
        self._jobs.call(lambda raw: _remove(raw, name))

    def ensure_network_entry(self, name: str, section: NetworkSection, xml: str) -> None:
        """Add or replace an entry (live and in the definition), recognised by its MAC or address."""
        entry = parse_xml(xml)

        def work(raw: libvirt.virConnect) -> None:
            network = _find(raw, name)
            if not _add(network, section, xml):
                _update(network, section, entry, wanted=True)

        self._jobs.call(work)

    def remove_network_entry(self, name: str, section: NetworkSection, xml: str) -> None:
        """Remove the entries with this one's MAC (else address), if there are any; no such network is fine."""
        entry = parse_xml(xml)

        def work(raw: libvirt.virConnect) -> None:
            with contextlib.suppress(NotFound):
                _update(_find(raw, name), section, entry, wanted=False)

        self._jobs.call(work)


def _find(raw: libvirt.virConnect, name: str) -> libvirt.virNetwork:
    try:
        return raw.networkLookupByName(name)
    except libvirt.libvirtError as error:
        if code_of(error) == NO_NETWORK:
            raise NotFound(f"libvirt has no network {name!r}.", name=name) from error
        raise


def _ensure(raw: libvirt.virConnect, name: str, uuid: str, xml: str) -> None:
    """Define a network that is not there; one that is there is only started, for it may hold entries by now."""
    try:
        network = _find(raw, name)
    except NotFound:
        network = raw.networkDefineXML(xml)
    if uuid and network.UUIDString() != uuid:
        raise HypervisorFailed(f"libvirt has another network of the name {name!r}.", uuid=network.UUIDString())
    if not network.isActive():
        network.create()
        network.setAutostart(1)


def _remove(raw: libvirt.virConnect, name: str) -> None:
    """Stop, then undefine; a transient network is gone once it is stopped."""
    with contextlib.suppress(NotFound):
        network = _find(raw, name)
        for work in (network.destroy, network.undefine):
            try:
                work()
            except libvirt.libvirtError as error:
                if code_of(error) not in (WRONG_STATE, NO_NETWORK):
                    raise


def _add(network: libvirt.virNetwork, section: NetworkSection, xml: str) -> bool:
    """Add an entry in one call, which works for a new one; gives False where libvirt refuses for whatever reason."""
    try:
        network.update(_ADD, _SECTIONS[section][0], -1, xml, _LIVE | _CONFIG)
    except libvirt.libvirtError:
        return False
    return True


def _update(network: libvirt.virNetwork, section: NetworkSection, entry: etree._Element, *, wanted: bool) -> None:
    """Bring an entry to what is wanted, in the running network and in the definition, each by what it has now."""
    for flag in (_LIVE, _CONFIG):
        if flag == _LIVE and not network.isActive():
            continue
        if flag == _CONFIG and not network.isPersistent():
            continue
        number, path = _SECTIONS[section]
        root = parse_xml(network.XMLDesc(libvirt.VIR_NETWORK_XML_INACTIVE if flag == _CONFIG else 0))
        there = [host for host in root.findall(path) if _is_same(host, entry, by_any=wanted)]
        if wanted and len(there) == 1 and _content(there[0]) == _content(entry):
            continue
        for host in there:
            network.update(_DELETE, number, -1, _text(host), flag)
        if wanted:
            network.update(_ADD, number, -1, _text(entry), flag)


def _is_same(one: etree._Element, other: etree._Element, *, by_any: bool) -> bool:
    """Compare MAC and address: with ``by_any`` one of them is enough, else the first that is given decides."""
    keys = [key for key in ("mac", "ip") if other.get(key)]
    equal = [(one.get(key) or "").lower() == (other.get(key) or "").lower() for key in keys]
    return any(equal if by_any else equal[:1])


def _content(host: etree._Element) -> tuple[object, ...]:
    attributes = sorted((str(key), str(value).lower()) for key, value in host.attrib.items())
    return (*attributes, *((child.tag, child.text, *sorted(child.attrib.items())) for child in host))


def _text(element: etree._Element) -> str:
    return etree.tostring(element, encoding="unicode", with_tail=False)
