"""CD drives in a domain's XML: one that is found, filled or emptied, and one that is added for the next start. Pure."""

from __future__ import annotations

from zcloud.domain.attachment import CD_PLACES, SATA_PLACES, Drive
from zcloud.domain.errors import NoPlace
from zcloud.domain.hardware import Hardware
from zcloud.domain.plug import DiskKind, DiskSource
from zcloud.drivers.compute.hardware import set_boot
from zcloud.libvirtxml.disk import Disk
from zcloud.libvirtxml.domain import Domain


def find_drive(xml: str, drive: Drive) -> Disk | None:
    """Give a drive, with a CD in it or without; raises InvalidXml."""
    return _find(Domain.parse(xml), drive)


def find_disc(xml: str, drive: Drive) -> str:
    """Give where the CD in a drive is; empty: there is none, or no drive. Raises InvalidXml."""
    found = find_drive(xml, drive)
    return disc_of(found) if found is not None else ""


def disc_of(disk: Disk) -> str:
    """Give where the CD in a drive is; empty: there is none."""
    return disk.source.file or disk.source.dev or disk.source.name or ""


def set_disc(disk: Disk, disc: DiskSource | None) -> None:
    """Put a CD into a drive, or take it out."""
    del disk.source
    if disc is not None:
        fill_source(disk, disc)


def patch_disc(xml: str, drive: Drive, disc: DiskSource | None, hardware: Hardware) -> str:
    """Give the next run a CD in a drive, which is added where there is none, or an empty drive where there is one.

    Raises NoPlace, InvalidXml.
    """
    domain = Domain.parse(xml)
    found = _find(domain, drive)
    if found is None:
        if disc is None:
            return xml
        add_drive(domain, drive.target, disc)
        if "cdrom" in hardware.boot:
            set_boot(domain, hardware.boot)
        return domain.to_xml()
    if disc_of(found) == (disc.path if disc else ""):
        return xml
    set_disc(found, disc)
    return domain.to_xml()


def add_drive(domain: Domain, target: str, disc: DiskSource, places: tuple[int, ...] = CD_PLACES) -> None:
    """Add a drive by SATA, which a system sees before it has a driver for virtio; raises NoPlace."""
    taken = {each.address.unit if each.address.type else ord(str(each.target)[-1]) - ord("a")
             for each in domain.disks if each.bus == "sata"}  # fmt: skip
    free = [place for place in places if place not in taken]
    if not free:
        raise NoPlace(
            f"The machine has no place for a CD drive: its {SATA_PLACES + 2} places for SATA are taken.",
            hint="Detach a disk that is attached by SATA.",
        )
    disk = domain.disks.add()
    fill_source(disk, disc)
    disk.device, disk.snapshot = "cdrom", "no"
    disk.target, disk.bus = target, "sata"
    place = disk.address
    place.type, place.controller, place.target, place.unit = "drive", 0, 0, free[0]
    disk.read_only = True


def fill_source(disk: Disk, source: DiskSource) -> None:
    """Write where a disk's bytes are."""
    disk.type, disk.driver, disk.format = source.kind.value, "qemu", source.format.value
    disk.source.dev = source.path if source.kind is DiskKind.BLOCK else None
    disk.source.file = source.path if source.kind is DiskKind.FILE else None
    if source.network is None:
        return
    disk.source.protocol, disk.source.name = source.network.protocol, source.path
    for name, number in source.network.hosts:
        host = disk.source.hosts.add()
        host.name, host.port = name, number
    disk.source.initiator_iqn = source.network.initiator or None
    if source.network.size:
        disk.source.slice_type, disk.source.slice_offset, disk.source.slice_size = "storage", 0, source.network.size
    if source.network.secret:
        disk.source.auth_user = source.network.user
        disk.source.auth_secret_type, disk.source.auth_secret_uuid = source.network.secret_kind, source.network.secret


def _find(domain: Domain, drive: Drive) -> Disk | None:
    return next((each for each in domain.disks if (each.device, each.target) == ("cdrom", drive.target)), None)
