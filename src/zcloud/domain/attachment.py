"""How a volume is plugged into an instance: its place, its bus, and how much it may do a second. Pure.

Limits are those of QEMU's throttling (https://www.qemu.org/docs/master/system/qemu-block-drivers.html and
docs/throttle.txt in its source; https://libvirt.org/formatdomain.html#hard-drives-floppy-disks-cdroms, ``iotune``).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from string import ascii_lowercase
from typing import Any

from zcloud.domain.errors import InvalidInput, WrongState

SERIAL_LENGTH = 20
"""What a virtio or SATA disk's serial holds (VIRTIO_BLK_ID_BYTES)."""

SEED_SLOT = 25
"""The seed's place, out of the way of data disks: ``vdz``."""

DRIVERS_SLOT = 24
"""The place of a CD with drivers: ``sdy``."""

CD_SLOT = 23
"""The place of the CD that an owner puts in: ``sdx``."""

MAX_DISKS = 17
"""Disks of one instance, the root included."""

SATA_PLACES = 4
"""Disks on a guest's one SATA controller; its other two places are for CD-ROMs."""

CD_PLACES = (5, 4, 3)
"""The controller's places that a CD-ROM takes, the first that is free: the last of them is a fourth disk's, too."""

MAX_RATE, MAX_BURST_S = 1 << 50, 3600
_SERIAL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,19}")


class DiskBus(StrEnum):
    """How the guest sees a disk. SCSI disks share one controller, and so one place; SATA cannot be plugged live."""

    VIRTIO = "virtio"
    SCSI = "scsi"
    SATA = "sata"


class Drive(StrEnum):
    """An instance's CD drives: the one into which its owner puts what he wants, and the one with drivers."""

    CD = "cd"
    DRIVERS = "drivers"

    @property
    def target(self) -> str:
        """Give the drive's name in libvirt."""
        return disk_target(CD_SLOT if self is Drive.CD else DRIVERS_SLOT, DiskBus.SATA)

    @property
    def column(self) -> str:
        """Give the field of ``Instance`` that names what is in it."""
        return "cd_image_id" if self is Drive.CD else "driver_image_id"


class DiskCache(StrEnum):
    """Whether a disk goes through its host's page cache, and whether each write waits until it is on the medium."""

    AUTO = ""  # none where the file system has direct I/O, else writeback
    NONE = "none"
    WRITEBACK = "writeback"
    WRITETHROUGH = "writethrough"
    DIRECTSYNC = "directsync"


class DiskIo(StrEnum):
    """How QEMU reads and writes: by threads, or by the kernel's own queues (``native`` needs direct I/O)."""

    AUTO = ""
    THREADS = "threads"
    NATIVE = "native"
    IO_URING = "io_uring"


class Discard(StrEnum):
    """Whether blocks that the guest discards are given back to the pool."""

    AUTO = ""  # as UNMAP
    UNMAP = "unmap"
    IGNORE = "ignore"


DIRECT = frozenset({DiskCache.NONE, DiskCache.DIRECTSYNC})
"""The caches that take a file system with direct I/O."""


@dataclass(frozen=True, slots=True)
class IoLimits:
    """What a disk may do a second; 0 is no limit. A burst may last ``burst_s`` seconds (0: QEMU's own, one)."""

    total_bytes: int = 0
    read_bytes: int = 0
    write_bytes: int = 0
    total_iops: int = 0
    read_iops: int = 0
    write_iops: int = 0
    total_bytes_burst: int = 0
    read_bytes_burst: int = 0
    write_bytes_burst: int = 0
    total_iops_burst: int = 0
    read_iops_burst: int = 0
    write_iops_burst: int = 0
    burst_s: int = 0

    def rates(self) -> dict[str, tuple[int, int]]:
        """Give each rate with its burst, by name: ``total_bytes``, ``read_iops``, ..."""
        names = [each.name for each in fields(self) if not each.name.endswith(("_burst", "burst_s"))]
        return {name: (getattr(self, name), getattr(self, f"{name}_burst")) for name in names}

    def check(self) -> IoLimits:
        """Give the limits back; raises InvalidInput naming the field where QEMU would not take them."""
        for name, (rate, burst) in self.rates().items():
            if not (0 <= rate <= MAX_RATE and 0 <= burst <= MAX_RATE):
                raise InvalidInput(f"The limit {name} is out of bounds.", field=f"limits.{name}")
            if burst and not rate < burst:
                raise InvalidInput(f"The burst of {name} has to be above its limit.", field=f"limits.{name}_burst")
            if burst and not rate:
                raise InvalidInput(f"A burst of {name} needs a limit.", field=f"limits.{name}_burst")
        for unit in ("bytes", "iops"):
            if getattr(self, f"total_{unit}") and (getattr(self, f"read_{unit}") or getattr(self, f"write_{unit}")):
                raise InvalidInput(
                    f"Limit {unit} in total, or reads and writes apart, not both.", field=f"limits.total_{unit}"
                )
        if not 0 <= self.burst_s <= MAX_BURST_S:
            raise InvalidInput(f"A burst lasts at most {MAX_BURST_S} seconds.", field="limits.burst_s")
        if self.burst_s and not any(burst for _, burst in self.rates().values()):
            raise InvalidInput("There is no burst whose length could be set.", field="limits.burst_s")
        return self


NO_LIMITS = IoLimits()


@dataclass(frozen=True, slots=True)
class Attachment:
    """How a volume is, or is to be, plugged in; an empty serial is the beginning of the volume's id.

    ``filesystem`` and ``mount`` are what the guest was told, at its birth, to make of the disk. ``shared``: other
    instances may have the volume at the same time; all of them only read it.
    """

    bus: DiskBus = DiskBus.VIRTIO
    read_only: bool = False
    serial: str = ""
    limits: IoLimits = NO_LIMITS
    filesystem: str = ""
    mount: str = ""
    cache: DiskCache = DiskCache.AUTO
    io: DiskIo = DiskIo.AUTO
    discard: Discard = Discard.AUTO
    shared: bool = False

    def check(self) -> Attachment:
        """Give the attachment back; raises InvalidInput naming the field that is wrong."""
        if self.serial and not _SERIAL.fullmatch(self.serial):
            raise InvalidInput("A serial is at most 20 letters, digits, dots, dashes and underscores.", field="serial")
        if self.shared and not self.read_only:
            raise InvalidInput(
                "Several instances share a volume only if none of them writes to it.",
                hint="Attach it read-only.",
                field="shared",
            )
        if self.io is DiskIo.NATIVE and self.cache not in DIRECT:
            raise InvalidInput(
                "Native I/O takes a disk without its host's page cache.",
                hint="Choose the cache none or directsync with it, or the I/O threads or io_uring.",
                field="io",
            )
        self.limits.check()
        return self

    def check_direct(self, direct_io: bool) -> None:
        """Go on only where the pool's file system can do what the cache takes; raises InvalidInput."""
        if self.cache in DIRECT and not direct_io:
            raise InvalidInput(
                f"The cache {self.cache} takes direct I/O, which the pool's file system does not have.",
                hint="Choose writeback or writethrough, or a pool on a disk.",
                field="cache",
            )


PLAIN = Attachment()
"""A disk as most are: virtio, unlimited."""


def limits_of(values: Mapping[str, Any]) -> IoLimits:
    """Give the limits of plain JSON values, as an operation's arguments keep them."""
    return IoLimits(**values)


def free_slot(taken: Collection[int | None]) -> int:
    """Give the lowest place for a data disk that none has; raises WrongState where all are taken."""
    for slot in range(1, MAX_DISKS):
        if slot not in taken:
            return slot
    raise WrongState(f"An instance has at most {MAX_DISKS - 1} data disks.", hint="Detach one that is not needed.")


def check_place(slot: int, bus: DiskBus) -> None:
    """Go on only where a bus has the place of a slot; raises InvalidInput."""
    if bus is DiskBus.SATA and slot >= SATA_PLACES:
        raise InvalidInput(
            f"A guest has {SATA_PLACES} places for SATA disks, the root disk's included.",
            hint="Choose virtio or scsi for further disks.",
            field="disks",
        )


def disk_target(slot: int, bus: DiskBus = DiskBus.VIRTIO) -> str:
    """Give the name of the disk in a slot, as libvirt's events and statistics call it: 0 is ``vda`` or ``sda``."""
    name = ""
    slot += 1
    while slot:
        slot, letter = divmod(slot - 1, 26)
        name = ascii_lowercase[letter] + name
    return ("vd" if bus is DiskBus.VIRTIO else "sd") + name
