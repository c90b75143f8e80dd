"""Which disks a guest's boot waits for, as its fstab tells (fstab(5), systemd.mount(5)). Pure; its word is hostile."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from zcloud.drivers.guest.filesystems import clean

PATH, MAX_BYTES = "/etc/fstab", 64 << 10
_MAX_LINES = 500
_GOES_ON = frozenset({"nofail", "noauto"})


@dataclass(frozen=True, slots=True)
class Mount:
    """A line of fstab: what is mounted, where, and whether the boot waits for it."""

    what: str
    where: str
    waits: bool


def parse_fstab(text: bytes) -> tuple[Mount, ...]:
    """Read an fstab; lines that are none are left out."""
    found = []
    for line in text[:MAX_BYTES].decode(errors="replace").splitlines()[:_MAX_LINES]:
        words = line.split()
        if len(words) >= 3 and not words[0].startswith("#"):
            options = set(words[3].split(",")) if len(words) > 3 else set()
            found.append(Mount(words[0], words[1], not options & _GOES_ON))
    return tuple(found)


def waits_for(fstab: Collection[Mount], serial: str, mounted: Collection[str]) -> tuple[str, ...]:
    """Give where the boot waits for a disk, known by its serial or by where it is mounted now."""
    named = re.compile(rf"/dev/disk/by-id/\S*[-_]{re.escape(serial)}(?:-part\d+)?")
    lines = [each for each in fstab if each.waits and (named.fullmatch(each.what) or each.where in mounted)]
    return tuple(clean(each.where) for each in lines)
