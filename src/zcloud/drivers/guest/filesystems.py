"""Which file systems of a guest lie on a disk, as its agent tells. Pure, and trusted no further than about the guest.

``guest-get-fsinfo``: https://www.qemu.org/docs/master/interop/qemu-ga-ref.html. A disk is recognised by its serial
(which the agent knows where udev runs) or by its address; libvirt numbers PCI buses as the guest's firmware does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

MAX_FILESYSTEMS, MAX_DISKS, MAX_TOLD = 2000, 64, 5
_MAX_TEXT = 80
_UNTOLD = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]+")

Place = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class KnownDisk:
    """A disk as the host knows it: its serial, and its PCI address or its bus, target and unit on a SCSI controller."""

    serial: str
    pci: Place = ()
    scsi: Place = ()


def mounts_of(answer: Any, disk: KnownDisk) -> tuple[str, ...] | None:
    """Give where the disk is mounted, at most ``MAX_TOLD`` places; None where the answer does not tell.

    A file system whose disks the guest does not tell (a loop device, a network share) lies on another one anyway.
    """
    if not isinstance(answer, list) or len(answer) > MAX_FILESYSTEMS:
        return None
    found: list[str] = []
    for entry in answer:
        if not isinstance(entry, Mapping):
            return None
        verdicts = [_is_same(each, disk) for each in _disks(entry)]
        if True in verdicts:
            found.append(clean(entry.get("mountpoint")) or "an unnamed place")
        elif None in verdicts:
            return None
    return tuple(sorted(found)[:MAX_TOLD])


def is_on(entry: Mapping[str, Any], disk: KnownDisk) -> bool:
    """Say whether a file system of the guest lies on the disk, as far as the guest tells."""
    return any(_is_same(each, disk) for each in _disks(entry))


def is_serial(told: str, serial: str) -> bool:
    """Say whether the guest means that serial; udev puts a SCSI disk's model before it."""
    return told == serial or told.endswith(f"_{serial}")


def _disks(entry: Mapping[str, Any]) -> Iterator[Any]:
    disks = entry.get("disk")
    yield from disks[:MAX_DISKS] if isinstance(disks, list) else ()


def _is_same(told: Any, disk: KnownDisk) -> bool | None:
    """Tell whether the guest means this disk; None where it gives nothing to recognise it by."""
    if not isinstance(told, Mapping):
        return None
    serial = told.get("serial")
    if isinstance(serial, str) and serial:
        return is_serial(serial, disk.serial)
    controller = told.get("pci-controller")
    if told.get("bus-type") == "scsi":
        unit = _numbers(told, "bus", "target", "unit")
        return None if unit is None else unit == disk.scsi
    pci = _numbers(controller, "domain", "bus", "slot", "function") if isinstance(controller, Mapping) else None
    return None if pci is None else pci == disk.pci


def _numbers(values: Mapping[str, Any], *names: str) -> Place | None:
    found = tuple(values.get(name) for name in names)
    known = all(isinstance(each, int) and not isinstance(each, bool) and each >= 0 for each in found)
    return tuple(int(each) for each in found if each is not None) if known else None


def clean(value: Any) -> str:
    """Give a guest's word as a short line that cannot steer a terminal, empty where it is none."""
    return _UNTOLD.sub("?", value[:_MAX_TEXT]) if isinstance(value, str) else ""
