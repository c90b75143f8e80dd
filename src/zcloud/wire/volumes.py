"""Volumes, and disks: volumes as their instance has them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from zcloud.wire.base import Bytes, Flag, Name, OptionalRef, Ref, Request

Rate = Annotated[int, Field(strict=True, ge=0, le=1 << 50)]
OptionalName = Annotated[str, StringConstraints(max_length=63, pattern=r"^[a-z0-9-]*$")]
Cache = Literal["", "none", "writeback", "writethrough", "directsync"]
Io = Literal["", "threads", "native", "io_uring"]
Serial = Annotated[str, StringConstraints(max_length=20, pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]*)?$")]


class VolumeCreate(Request):
    """A volume that no instance has yet; an empty ``pool`` is the default one, where there is only one."""

    name: Name
    size: Bytes
    pool: OptionalRef = ""
    project: OptionalRef = ""


class VolumeChange(Request):
    """What is to be changed of a volume."""

    name: Name


class VolumeResize(Request):
    """How large a volume is to be; it can only grow.

    With ``filesystems`` a guest that runs with it grows what lies on it, too, where its agent lets it.
    """

    size: Bytes
    filesystems: Flag = True


class VolumeClone(Request):
    """A copy of a volume, by itself and free; ``size`` 0 and an empty ``pool`` are the original's."""

    name: Name
    size: Bytes = 0
    pool: OptionalRef = ""


class MoveRequest(Request):
    """To which pool of its host it is moved; the kinds may differ."""

    pool: Ref


class Limits(Request):
    """What a disk may do a second; 0 is no limit. A burst, above its limit, may last ``burst_s`` seconds (0: one).

    In total, or reads and writes apart; not both.
    """

    total_bytes: Rate = 0
    read_bytes: Rate = 0
    write_bytes: Rate = 0
    total_iops: Rate = 0
    read_iops: Rate = 0
    write_iops: Rate = 0
    total_bytes_burst: Rate = 0
    read_bytes_burst: Rate = 0
    write_bytes_burst: Rate = 0
    total_iops_burst: Rate = 0
    read_iops_burst: Rate = 0
    write_iops_burst: Rate = 0
    burst_s: Annotated[int, Field(strict=True, ge=0, le=3600)] = 0


class DiskAttach(Request):
    """A disk: a ``volume`` that is there, or a new one of ``size`` bytes.

    SCSI disks share one place in the guest; SATA cannot be plugged into a guest that runs. An empty ``serial`` is the
    beginning of the volume's id, an empty ``pool`` the root disk's. An empty ``cache``, ``io`` and ``discard`` are what
    suits the pool: no page cache where it has direct I/O, threads, and blocks given back. ``shared``, together with
    ``read_only``: other instances may have the volume too, and none of them writes to it.
    """

    volume: OptionalRef = ""
    size: Bytes = 0
    pool: OptionalRef = ""
    name: OptionalName = ""
    bus: Literal["virtio", "scsi", "sata"] = "virtio"
    read_only: Flag = False
    serial: Serial = ""
    cache: Cache = ""
    io: Io = ""
    discard: Literal["", "unmap", "ignore"] = ""
    shared: Flag = False
    limits: Limits = Limits()


class DiskChange(Request):
    """All limits of a disk, anew."""

    limits: Limits


@dataclass(frozen=True, slots=True)
class DiskLimits:
    """What a disk may do a second; 0 is no limit."""

    total_bytes: int
    read_bytes: int
    write_bytes: int
    total_iops: int
    read_iops: int
    write_iops: int
    total_bytes_burst: int
    read_bytes_burst: int
    write_bytes_burst: int
    total_iops_burst: int
    read_iops_burst: int
    write_iops_burst: int
    burst_s: int


@dataclass(frozen=True, slots=True)
class Disk:
    """A volume as its instance has it; ``target`` is its name in libvirt, the guest knows it by ``serial``.

    ``filesystem`` and ``mount`` are what the guest was told to make of it at its first boot. An empty ``cache``, ``io``
    and ``discard``: nobody chose.
    """

    id: str
    slot: int | None
    name: str
    role: str
    pool_id: str
    size: int
    allocated: int
    state: str
    bus: str
    target: str
    serial: str
    read_only: bool
    limits: DiskLimits
    filesystem: str
    mount: str
    cache: str
    io: str
    discard: str
    shared: bool


@dataclass(frozen=True, slots=True)
class Volume:
    """A volume; ``size`` is what the guest sees, ``allocated`` what it takes.

    ``parent_id``: the template's volume that it lies over, of which it has only what differs. ``readers``: the
    instances that share it, each of which only reads it; then no instance has it by itself.
    """

    id: str
    name: str
    project_id: str
    pool_id: str
    role: str
    size: int
    allocated: int
    image_id: str | None
    parent_id: str | None
    instance_id: str | None
    slot: int | None
    readers: tuple[str, ...]
    state: str
    operation_id: str | None
    created_at: datetime
    revision: int
