"""The device half of the fake libvirt: what is plugged into a running domain and its definition apart, as in libvirt.

A guest lets go of a device a moment after it was asked: the next look at the running domain finds it gone, and the
event ``device_removed`` comes then. ``clinging`` holds the uuids of guests that never let go.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Protocol

from lxml import etree

from zcloud.domain.errors import HypervisorFailed
from zcloud.libvirtxml.parser import parse_xml, write_xml
from zcloud.ports import DomainState, Layer

_KEYS = {"disk": ("target", "dev"), "interface": ("mac", "address"), "controller": (".", "type")}
OFF = (DomainState.SHUTOFF, DomainState.CRASHED)


@dataclass(slots=True)
class Plugged:
    """What a domain has as it runs; devices are named when first looked at: most fake domains run unseen."""

    xml: str = ""
    named: bool = False
    asked: set[str] = field(default_factory=set)  # aliases of what the guest was asked to let go of
    sizes: dict[str, int] = field(default_factory=dict)  # target -> bytes that the guest was told of


class Pluggable(Protocol):
    """As much of a fake domain as is needed here."""

    uuid: str
    xml: str
    state: DomainState
    plugged: Plugged


class FakeDevices:
    """``ports.DeviceControl`` over fake domains."""

    clinging: set[str]

    def __init__(self) -> None:
        self.clinging = set()
        self._numbers = count()

    def enter(self, verb: str) -> None:
        """Called with the verb before each: the place for faults."""

    def attach_device(self, uuid: str, xml: str, layer: Layer) -> None:
        """Add a device; raises HypervisorFailed where its name is taken, or no place is left for it."""
        self.enter("attach_device")
        domain, device = self._domain(uuid), parse_xml(xml)
        root = self._open(domain, layer)
        if any(_key(each) == _key(device) for each in root.findall(f"devices/{device.tag}")):
            raise HypervisorFailed(f"libvirt: Requested operation is not valid: {_key(device)} already exists.")
        _place(root, device)
        self._devices(root).append(device)
        alias = self._name(device) if layer is Layer.LIVE else ""
        self._keep(domain, layer, root)
        if alias:
            self._tell(domain, "device_added", alias, "")

    def detach_device(self, uuid: str, xml: str) -> None:
        """Take a device out of the definition."""
        self.enter("detach_device")
        domain = self._domain(uuid)
        root = self._open(domain, Layer.DEFINITION)
        self._devices(root).remove(_find(root, parse_xml(xml)))
        self._keep(domain, Layer.DEFINITION, root)

    def unplug_device(self, uuid: str, alias: str) -> None:
        """Ask the guest to let go of a device."""
        self.enter("unplug_device")
        domain = self._domain(uuid)
        if _aliased(self._open(domain, Layer.LIVE), alias) is not None:
            domain.plugged.asked.add(alias)

    def update_device(self, uuid: str, xml: str, layer: Layer) -> None:
        """Put a device in the place of the one that it names."""
        self.enter("update_device")
        domain, device = self._domain(uuid), parse_xml(xml)
        root = self._open(domain, layer)
        self._devices(root).replace(_find(root, device), device)
        self._keep(domain, layer, root)

    def resize_disk(self, uuid: str, target: str, size: int) -> None:
        """Note the size that the guest sees."""
        self.enter("resize_disk")
        domain = self._domain(uuid)
        _disk(self._open(domain, Layer.LIVE), target)
        domain.plugged.sizes[target] = size

    def limit_disk(self, uuid: str, target: str, limits: Mapping[str, int], layer: Layer) -> None:
        """Write the limits into the XML, as libvirt does."""
        self.enter("limit_disk")
        domain = self._domain(uuid)
        root = self._open(domain, layer)
        disk = _disk(root, target)
        for old in disk.findall("iotune"):
            disk.remove(old)
        given = {name: value for name, value in limits.items() if value}
        tune = etree.SubElement(disk, "iotune") if given else None
        for name, value in given.items():
            assert tune is not None
            etree.SubElement(tune, name).text = str(value)
        self._keep(domain, layer, root)

    def live_xml(self, domain: Pluggable) -> tuple[str, list[str]]:
        """Give what runs, and the aliases of what the guest has let go of since the last look."""
        root = self._open(domain, Layer.LIVE)
        gone = [] if domain.uuid in self.clinging else sorted(domain.plugged.asked)
        for alias in gone:
            device = _aliased(root, alias)
            if device is not None:
                self._devices(root).remove(device)
        if gone:
            domain.plugged.asked.clear()
            self._keep(domain, Layer.LIVE, root)
        return domain.plugged.xml, gone

    def _open(self, domain: Pluggable, layer: Layer) -> etree._Element:
        if layer is Layer.DEFINITION:
            return parse_xml(domain.xml)
        if domain.state in OFF:
            raise HypervisorFailed("libvirt: Requested operation is not valid: domain is not running.")
        if not domain.plugged.named:
            root = parse_xml(domain.plugged.xml or domain.xml)
            root.set("id", "1")
            for device in self._devices(root):
                if device.tag in _KEYS:
                    self._name(device)
            self._keep(domain, Layer.LIVE, root)
            domain.plugged.named = True
        return parse_xml(domain.plugged.xml)

    def _keep(self, domain: Pluggable, layer: Layer, root: etree._Element) -> None:
        if layer is Layer.LIVE:
            domain.plugged.xml = write_xml(root)
        else:
            domain.xml = write_xml(root)

    def _name(self, device: etree._Element) -> str:
        """Give a device of a running domain its alias, as libvirt does."""
        for old in device.findall("alias"):
            device.remove(old)
        alias = f"{device.tag}{next(self._numbers)}"
        etree.SubElement(device, "alias").set("name", alias)
        return alias

    def _devices(self, root: etree._Element) -> etree._Element:
        devices = root.find("devices")
        assert devices is not None
        return devices

    def _domain(self, uuid: str) -> Pluggable:
        raise NotImplementedError

    def _tell(self, domain: Any, kind: str, event: str, reason: str) -> None:
        raise NotImplementedError


def _key(device: etree._Element) -> str:
    path, attribute = _KEYS[str(device.tag)]
    found = device.find(path)
    return "" if found is None else found.get(attribute, "")


def _find(root: etree._Element, like: etree._Element) -> etree._Element:
    for each in root.findall(f"devices/{like.tag}"):
        if _key(each) == _key(like):
            return each
    raise HypervisorFailed(f"libvirt: device not found: no {like.tag} {_key(like)}.")


def _disk(root: etree._Element, target: str) -> etree._Element:
    for each in root.findall("devices/disk"):
        if _key(each) == target:
            return each
    raise HypervisorFailed(f"libvirt: invalid argument: no disk {target}.")


def _place(root: etree._Element, device: etree._Element) -> None:
    """Give a device a root port of its own, unless it has one or needs none."""
    target = device.find("target")
    if device.find("address") is not None or (target is not None and target.get("bus") not in (None, "virtio")):
        return
    ports = {each.get("index", "") for each in root.findall("devices/controller[@model='pcie-root-port']")}
    taken = {f"{int(each.get('bus', '0'), 16)}" for each in root.findall("devices/*/address[@type='pci']")}
    if not ports - taken:
        raise HypervisorFailed("libvirt: internal error: No more available PCI slots.")
    bus = min(int(each) for each in ports - taken)
    address = etree.SubElement(device, "address")
    address.attrib.update({"type": "pci", "domain": "0x0000", "bus": f"0x{bus:02x}", "slot": "0x00"})


def _aliased(root: etree._Element, alias: str) -> etree._Element | None:
    for each in root.findall("devices/*"):
        named = each.find("alias")
        if named is not None and named.get("name") == alias:
            return each
    return None
