"""What makes a guest use the room that its disk has gained: which commands, for which file systems. Pure.

A partition is grown by growpart (cloud-utils), then its file system: resize2fs (ext2 to ext4), xfs_growfs, btrfs. The
device's name is the guest's word and goes into nothing but commands of the same guest.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zcloud.drivers.guest.filesystems import MAX_FILESYSTEMS, KnownDisk, clean, is_on

_DEVICE = re.compile(r"(?P<disk>(?:vd|sd)[a-z]{1,3}|nvme\d{1,3}n\d{1,3})(?:p?(?P<part>\d{1,3}))?")


@dataclass(frozen=True, slots=True)
class Growable:
    """A mounted file system on a disk that has grown; without ``commands`` it cannot be grown, and ``why`` says so."""

    mountpoint: str
    commands: tuple[tuple[str, ...], ...] = ()
    why: str = ""


def plan_growing(answer: Any, disk: KnownDisk) -> tuple[Growable, ...]:
    """Read guest-get-fsinfo's answer: the file systems on the disk, and what makes each of them larger."""
    if not isinstance(answer, list) or len(answer) > MAX_FILESYSTEMS:
        return ()
    here = [each for each in answer if isinstance(each, Mapping) and is_on(each, disk)]
    return tuple({each.mountpoint: each for each in map(_plan, here)}.values())


def _plan(entry: Mapping[str, Any]) -> Growable:
    mountpoint, kind = clean(entry.get("mountpoint")), clean(entry.get("type"))
    found = _DEVICE.fullmatch(clean(entry.get("name")))
    if found is None:
        return Growable(mountpoint, why="it lies on a volume group or the like")
    device = f"/dev/{found[0]}"
    last = {
        **dict.fromkeys(("ext2", "ext3", "ext4"), ("resize2fs", device)),
        "xfs": ("xfs_growfs", mountpoint),
        "btrfs": ("btrfs", "filesystem", "resize", "max", mountpoint),
    }.get(kind)
    if last is None or not mountpoint.startswith("/"):
        return Growable(mountpoint, why=f"nobody knows how to grow {kind or 'it'}")
    first = (("growpart", f"/dev/{found['disk']}", found["part"]),) if found["part"] else ()
    return Growable(mountpoint, (*first, last))
