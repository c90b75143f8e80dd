"""A host's own disks: what is on one, who uses it, and how an empty one becomes a place for pools. Pure.

A disk is known by what it is (serial, WWN, model, size) and by what is on it, never by its name: that may be another
one after a boot.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from zcloud.domain.errors import (
    DiskInUse,
    DiskNotEmpty,
    InvalidInput,
    MountPointTaken,
    NotFound,
    NotWholeDisk,
    SystemDisk,
    WrongState,
)
from zcloud.domain.storage import Pool

PLACES = "/srv"
"""Where prepared disks are mounted, each below a name of its own."""

PLACE = r"/srv/[a-z0-9][a-z0-9._-]{0,62}"
MARK = "x-zcloud.disk"
"""The option of a line in fstab that says that it is ours (mount(8): ``x-`` options are comments)."""

MOUNT_OPTIONS = f"nosuid,nodev,noexec,nofail,x-systemd.device-timeout=30s,{MARK}"
LEAST = 512 << 20
"""Bytes that a disk must have."""

_SYSTEM = re.compile(r"/|/(boot|efi|usr|var|etc|opt|home|root|var/lib|var/lib/libvirt)(/efi)?")
_HOLDERS = {
    "LVM2_member": "LVM",
    "linux_raid_member": "RAID (md)",
    "zfs_member": "ZFS",
    "ceph_bluestore": "Ceph",
    "drbd": "DRBD",
    "bcache": "bcache",
    "stratis": "Stratis",
    "VMFS_volume_member": "VMFS",
}
"""What a signature says of a disk that is part of something larger, whether or not that runs just now."""


class FileSystem(StrEnum):
    """The kinds of file systems that zcloud makes."""

    EXT4 = "ext4"
    XFS = "xfs"


@dataclass(frozen=True, slots=True)
class Block:
    """A block device as the host tells it, with what is made of it: partitions, volumes, arrays. Sizes in bytes."""

    name: str
    path: str
    type: str  # disk, part, lvm, crypt, raid1, ...
    size: int
    read_only: bool = False
    model: str = ""
    serial: str = ""
    wwn: str = ""
    transport: str = ""  # sata, nvme, usb, ...
    rotational: bool = False
    filesystem: str = ""  # or another signature: LVM2_member, swap, ...
    label: str = ""
    uuid: str = ""
    table: str = ""  # gpt, dos
    table_id: str = ""
    partition_id: str = ""
    mounts: tuple[str, ...] = ()  # [SWAP] is a swap area in use
    parts: tuple[Block, ...] = ()
    noted: tuple[str, ...] = ()  # where fstab mounts it

    def walk(self) -> Iterator[Block]:
        """Give it and all that is made of it."""
        yield self
        for each in self.parts:
            yield from each.walk()

    @property
    def identity(self) -> str:
        """Give what the disk itself is, as far as it tells."""
        return "|".join((self.wwn, self.serial, self.model, str(self.size)))

    @property
    def digest(self) -> str:
        """Give what the disk and all that is on it are recognised by."""
        facts = [(each.size, each.filesystem, each.uuid, each.table_id, each.partition_id) for each in self.walk()]
        return hashlib.sha256(f"{self.identity}|{facts!r}".encode()).hexdigest()[:32]

    @property
    def content(self) -> tuple[str, ...]:
        """Say what is on it; nothing for an empty disk."""
        return tuple(said for each in self.walk() if (said := _content(each)))

    @property
    def uses(self) -> tuple[str, ...]:
        """Say who uses it."""
        found = [said for each in self.walk() for said in _uses(each)]
        return tuple(dict.fromkeys(found))

    @property
    def places(self) -> tuple[str, ...]:
        """Give where it, or what is made of it, is mounted."""
        return tuple(place for each in self.walk() for place in each.mounts if place.startswith("/"))

    @property
    def homes(self) -> tuple[str, ...]:
        """Give where it, or what is made of it, is mounted or would be by fstab."""
        noted = (place for each in self.walk() for place in each.noted if place.startswith("/"))
        return tuple(dict.fromkeys((*self.places, *noted)))

    @property
    def is_system(self) -> bool:
        """Whether the host's own system is on it."""
        return any(_SYSTEM.fullmatch(place) for place in self.places)


@dataclass(frozen=True, slots=True)
class FstabLine:
    """A line of /etc/fstab (fstab(5)), as far as it matters here."""

    source: str
    place: str
    options: frozenset[str]

    @property
    def is_ours(self) -> bool:
        """Whether zcloud wrote it."""
        return MARK in self.options

    @property
    def uuid(self) -> str:
        """Give the file system's UUID, empty where it is named in another way."""
        return self.source.removeprefix("UUID=") if self.source.startswith("UUID=") else ""

    def names(self, block: Block) -> bool:
        """Say whether it is a device's line (by-id and by-path are not looked at)."""
        tag, _, value = self.source.replace('"', "").partition("=")
        if not value:
            tag, _, value = self.source.removeprefix("/dev/disk/by-").partition("/")
        known = {"uuid": block.uuid, "label": block.label, "partuuid": block.partition_id}
        found = known.get(tag.lower(), "")
        return self.source == block.path or (bool(found) and found.lower() == value.lower())


@dataclass(frozen=True, slots=True)
class DiskPicture:
    """A host's disks at one moment, and what its fstab says (None: it has none)."""

    disks: tuple[Block, ...]
    fstab: tuple[FstabLine, ...] | None

    @classmethod
    def of(cls, disks: Iterable[Block], fstab: tuple[FstabLine, ...] | None) -> DiskPicture:
        """Make one, in which each device says what fstab says of it."""
        return cls(tuple(_with_notes(each, fstab or ()) for each in disks), fstab)

    def find(self, name: str) -> Block:
        """Give the disk of a name (or path); raises NotFound, NotWholeDisk."""
        wanted = name.removeprefix("/dev/")
        for disk in self.disks:
            if disk.name == wanted:
                return disk
            if any(each.name == wanted for each in disk.walk()):
                raise NotWholeDisk(f"{wanted} is a part of {disk.name}.", hint=f"Name a whole disk, like {disk.name}.")
        raise NotFound(f"The host has no disk {wanted[:80]!r}.", hint="See `zcloud host disk list HOST`.")

    def with_table(self, table_id: str) -> Block | None:
        """Give the disk that has the partition table of that id."""
        return next((each for each in self.disks if each.table_id == table_id), None)

    def ours(self, place: str) -> FstabLine | None:
        """Give our line of fstab for a place."""
        return next((each for each in self.fstab or () if each.place == place and each.is_ours), None)


@dataclass(frozen=True, slots=True)
class Wish:
    """How a disk is to be made a place for pools. ``erase``: what is on it may be lost."""

    mount: str
    filesystem: FileSystem = FileSystem.EXT4
    erase: bool = False


@dataclass(frozen=True, slots=True)
class Marks:
    """The ids that a prepared disk is recognised by, chosen before anything is done: UUIDs."""

    table: str
    partition: str
    filesystem: str


def check_wish(wish: Wish) -> None:
    """Look at what is wished for alone; raises InvalidInput."""
    if not re.fullmatch(PLACE, wish.mount):
        raise InvalidInput(
            f"A disk cannot be mounted at {wish.mount[:80]!r}.",
            hint=f"Name a place like {PLACES}/fast: small letters, digits, '.', '_' and '-'.",
            field="mount",
        )


def check_disk(disk: Block, wish: Wish, guests: Sequence[str] = ()) -> None:
    """Let a disk be prepared that nobody uses and whose content may go; ``guests`` are domains that have it.

    Raises SystemDisk, DiskInUse, WrongState (read-only, too small), DiskNotEmpty.
    """
    if disk.is_system:
        raise SystemDisk(f"The host's own system is on {disk.name}.", uses=list(disk.uses))
    uses = [*disk.uses, *(f"the disk of the guest {each}" for each in guests)]
    if uses:
        raise DiskInUse(f"The disk {disk.name} is in use: {', '.join(uses)[:300]}.", uses=uses[:50])
    if disk.read_only or disk.size < LEAST:
        raise WrongState(f"The disk {disk.name} {'is read-only' if disk.read_only else 'is too small'}.")
    if disk.content and not wish.erase:
        raise DiskNotEmpty(f"The disk {disk.name} is not empty: {', '.join(disk.content)[:300]}.")


def check_alone(picture: DiskPicture, disk: Block) -> None:
    """Let a disk be prepared that the host sees once.

    By a second path the kernel would not know that it is mounted by the first; raises DiskInUse.
    """
    others = [each.name for each in picture.disks if each.name != disk.name and each.identity == disk.identity]
    if disk.wwn and others:
        raise DiskInUse(
            f"The host sees the disk {disk.name} as {', '.join(others)[:200]}, too.",
            hint="Set up multipath for it (multipathd).",
            uses=others[:50],
        )


def check_signatures(disk: Block, wish: Wish, found: Mapping[str, Sequence[str]]) -> None:
    """Look at the signatures on a disk and its partitions, by name: what has two has no file system for lsblk.

    Raises DiskInUse, DiskNotEmpty.
    """
    held = [f"{_holder(kind)} on {name}" for name, kinds in found.items() for kind in kinds if _holder(kind)]
    if held:
        raise DiskInUse(f"The disk {disk.name} is in use: {', '.join(held)[:300]}.", uses=held[:50])
    kinds = ", ".join(found.get(disk.name, ()))[:300]
    if kinds and not wish.erase:
        raise DiskNotEmpty(f"The disk {disk.name} is not empty: {kinds}.")
    if kinds and not disk.content:
        raise DiskNotEmpty(
            f"The disk {disk.name} has signatures that lsblk does not tell: {kinds}.",
            hint=f"Look at it on the host: wipefs {disk.path}",
        )


def check_place(picture: DiskPicture, place: str, entries: Iterable[str]) -> None:
    """Let a disk be mounted at a place that is nobody's; ``entries`` are the names that are in it.

    Raises MountPointTaken, WrongState (no fstab).
    """
    if not picture.fstab:
        raise WrongState(
            "The host has no /etc/fstab, or an empty one, in which the mount could be written down.",
            hint="Begin it on the host: echo '# file systems' > /etc/fstab",
        )
    if any(each.place == place for each in picture.fstab):
        raise MountPointTaken(f"The host's /etc/fstab has a line for {place} already.")
    holder = next((disk.name for disk in picture.disks if place in disk.places), "")
    if holder:
        raise MountPointTaken(f"{holder} is mounted at {place} already.")
    names = sorted(entries)
    if names:
        raise MountPointTaken(f"The directory {place} is not empty: {', '.join(names)[:200]}.")


def pools_below(pools: Iterable[Pool], host_id: str, places: Iterable[str]) -> list[str]:
    """Give the names of a host's pools that are directories at or below some places."""
    found = set()
    for pool in pools:
        path = str(pool.options.get("path", ""))
        if pool.host_id == host_id and any(path == each or path.startswith(f"{each}/") for each in places):
            found.add(pool.name)
    return sorted(found)


def fstab_line(place: str, filesystem: str, uuid: str) -> str:
    """Give the line by which the host mounts a prepared disk at each boot; it goes on booting without it."""
    return f"UUID={uuid} {place} {filesystem} {MOUNT_OPTIONS} 0 2"


def label_of(uuid: str) -> str:
    """Give the label of the file system with a UUID: it is for people, and may be twelve bytes long."""
    return f"zc-{uuid[:8]}"


def _with_notes(block: Block, fstab: Sequence[FstabLine]) -> Block:
    noted = tuple(line.place for line in fstab if line.names(block))
    return replace(block, noted=noted, parts=tuple(_with_notes(each, fstab) for each in block.parts))


def _holder(kind: str) -> str:
    """Say what a signature makes a disk a part of, empty for one that does not."""
    return _HOLDERS.get(kind, kind if kind.endswith("_member") else "")


def _content(each: Block) -> str:
    if each.filesystem:
        label = f" {each.label[:40]!r}" if each.label else ""
        return f"{each.filesystem}{label} on {each.name}"
    if each.type != "part" and (each.table or each.parts):  # of a partition lsblk tells the table that it is in
        count, kind = len(each.parts), f"{each.table} " if each.table else ""
        return f"a {kind}partition table with {count} partition{'' if count == 1 else 's'} on {each.name}"
    return ""


def _uses(each: Block) -> Iterator[str]:
    for place in each.mounts:
        yield "swap" if place == "[SWAP]" else f"mounted at {place}"
    if not each.mounts:
        yield from (f"/etc/fstab has it {f'for {at}' if at.startswith('/') else 'as swap'}" for at in each.noted)
    if holder := _holder(each.filesystem):
        yield f"{holder} on {each.name}"
    for part in each.parts:
        if part.type != "part":
            yield f"{part.type} {part.name}"
