"""Devices in a domain's XML: found by what zcloud gave them, and the places that are left for more. Pure.

A disk is known by its serial, a NIC by its MAC address: both are zcloud's own, the same in the running domain and in
its definition, and stay when libvirt gives addresses or somebody else adds devices beside them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from zcloud.domain.attachment import DiskBus, IoLimits
from zcloud.drivers.compute.patch import definition_digest
from zcloud.drivers.guest.filesystems import KnownDisk
from zcloud.libvirtxml.device import Controller
from zcloud.libvirtxml.disk import Address, Disk
from zcloud.libvirtxml.domain import Domain
from zcloud.libvirtxml.nic import Interface

Device = Disk | Interface | Controller


def find_disk(xml: str, serial: str) -> Disk | None:
    """Give the disk with a serial; raises InvalidXml."""
    return next((each for each in Domain.parse(xml).disks if each.serial == serial), None)


def find_nic(xml: str, mac: str) -> Interface | None:
    """Give the NIC with a MAC address; raises InvalidXml."""
    return next((each for each in Domain.parse(xml).interfaces if each.mac == mac), None)


def find_scsi(xml: str) -> Controller | None:
    """Give the first SCSI controller; raises InvalidXml."""
    controllers = Domain.parse(xml).controllers
    return next((each for each in controllers if each.type == "scsi" and not each.index), None)


def design_scsi() -> str:
    """Give the XML of the controller that all SCSI disks share."""
    controller = Controller.create()
    controller.type, controller.index, controller.model = "scsi", 0, "virtio-scsi"
    return controller.to_xml()


def free_places(xml: str) -> int:
    """Give how many PCI Express root ports have nothing behind them; raises InvalidXml."""
    domain = Domain.parse(xml)
    ports = {each.index for each in domain.controllers if each.model == "pcie-root-port"}
    return len(ports - {address.bus for address in _addresses(domain)})


def takes_place(bus: DiskBus, xml: str) -> bool:
    """Tell whether a disk on this bus takes a root port of the domain: a SCSI disk only for the first controller."""
    return bus is DiskBus.VIRTIO or (bus is DiskBus.SCSI and find_scsi(xml) is None)


def fit_place(device: Device, xml: str) -> str:
    """Give a device of the definition as it can be plugged into the running domain ``xml``.

    It has the same address there as after the next start, unless that is taken now; then libvirt chooses one.
    """
    wanted = _place(device.address)
    if wanted in {_place(address) for address in _addresses(Domain.parse(xml))}:
        del device.address
    return device.to_xml()


def tune_of(limits: IoLimits) -> dict[str, int]:
    """Give limits by libvirt's names; what is not limited is 0, which takes an older limit away."""
    tune: dict[str, int] = {}
    for name, (rate, burst) in limits.rates().items():
        tune[f"{name}_sec"], tune[f"{name}_sec_max"] = rate, burst
        if burst and limits.burst_s:
            tune[f"{name}_sec_max_length"] = limits.burst_s
    return tune


def known_disk(disk: Disk) -> KnownDisk:
    """Give what a disk of the running domain is recognised by in its guest."""
    at = disk.address
    if at.type == "pci":
        return KnownDisk(disk.serial or "", pci=(at.domain or 0, at.bus or 0, at.slot or 0, at.function or 0))
    return KnownDisk(disk.serial or "", scsi=(at.bus or 0, at.target or 0, at.unit or 0))


def definition_facts(xml: str) -> Mapping[str, Any]:
    """Give what is kept of a definition: by what it is recognised, and how many places it has left."""
    return {"definition": definition_digest(xml), "places": free_places(xml)}


def _addresses(domain: Domain) -> Iterator[Address]:
    """Give the PCI addresses of everything that may sit behind a root port."""
    lists = (
        domain.disks, domain.interfaces, domain.controllers, domain.filesystems, domain.videos, domain.inputs,
        domain.channels, domain.watchdogs, domain.rngs, domain.host_devices, domain.memory_modules,
    )  # fmt: skip
    devices = [each for devices in lists for each in devices]
    for address in (*(each.address for each in devices), domain.balloon.address, domain.vsock.address):
        if address.type == "pci":
            yield address


def _place(address: Address) -> tuple[int | None, ...]:
    return (address.domain, address.bus, address.slot, address.function) if address.type == "pci" else ()
