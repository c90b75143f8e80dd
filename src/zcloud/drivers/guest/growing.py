"""What makes a guest use the room that its disk has gained: one fixed script, and for which file systems. Pure.

A partition is grown by growpart (cloud-utils), or by sfdisk and partx (util-linux) where the guest has none; then its
file system: resize2fs (ext2 to ext4), xfs_growfs, btrfs. What the guest says of itself are the script's arguments,
never its text, and it runs in the same guest.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zcloud.domain.storage import GIB, MIB
from zcloud.drivers.guest.agent import Result
from zcloud.drivers.guest.filesystems import MAX_FILESYSTEMS, KnownDisk, clean, is_on

MAX_GROWN = 16
_DEVICE = re.compile(r"(?P<disk>(?:vd|sd)[a-z]{1,3}|nvme\d{1,3}n\d{1,3})(?:p?(?P<part>\d{1,3}))?")
_KINDS = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs"})
_MAX_TOTAL = 1 << 62

SCRIPT = r"""
disk=$1 part=$2 device=$3 kind=$4 mountpoint=$5
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin
has() { command -v "$1" >/dev/null 2>&1; }
stop() { echo "$*" >&2; exit 1; }
case $kind in ext?) tool=resize2fs ;; xfs) tool=xfs_growfs ;; btrfs) tool=btrfs ;; esac
has $tool || stop "the guest has no $tool"
if [ -n "$part" ]; then
    if has growpart; then  # 1 and NOCHANGE: the partition has all there is
        told=$(growpart "$disk" "$part" 2>&1) || case $told in *NOCHANGE*) ;; *) stop "growpart: $told" ;; esac
    elif has sfdisk && has partx; then
        sfdisk --no-reread --relocate gpt-bak-std "$disk" >/dev/null 2>&1  # a GPT's second copy to the new end
        told=$(echo ', +' | sfdisk --no-reread --no-tell-kernel -N "$part" "$disk" 2>&1) || stop "sfdisk: $told"
        told=$(partx --update --nr "$part" "$disk" 2>&1) || stop "partx: $told"  # of a disk in use, part by part
    else
        stop "the guest has neither growpart (cloud-guest-utils) nor sfdisk (fdisk)"
    fi
fi
case $kind in
    ext?) told=$(resize2fs "$device" 2>&1) ;;
    xfs) told=$(xfs_growfs "$mountpoint" 2>&1) ;;
    btrfs) told=$(btrfs filesystem resize max "$mountpoint" 2>&1) ;;
esac || stop "$tool: $told"
"""
"""Run by the guest's own shell, whichever it is; its last line on the error output says why it ended with 1."""


@dataclass(frozen=True, slots=True)
class Growable:
    """A mounted file system on a disk that has grown; without a ``command`` it cannot be grown, and ``why`` says so.

    ``total`` is how many bytes it holds, 0 where the guest does not say.
    """

    mountpoint: str
    command: tuple[str, ...] = ()
    why: str = ""
    total: int = 0


def plan_growing(answer: Any, disk: KnownDisk) -> tuple[Growable, ...]:
    """Read guest-get-fsinfo's answer: the file systems on the disk, ``MAX_GROWN`` at most, and what grows each."""
    if not isinstance(answer, list) or len(answer) > MAX_FILESYSTEMS:
        return ()
    here = [each for each in answer if isinstance(each, Mapping) and is_on(each, disk)]
    return tuple({each.mountpoint: each for each in map(_plan, here)}.values())[:MAX_GROWN]


def tell_end(done: Result) -> str:
    """Give why the script ended as it did, in the guest's words; empty where it grew what it was to grow."""
    if done.code == 0:
        return ""
    last = (done.err or done.out).decode(errors="replace").strip().splitlines()[-1:]
    return clean(" ".join(last)) or f"code {done.code}"


def tell_growth(before: Growable, after: tuple[Growable, ...]) -> str:
    """Say how large a file system is after the script, as far as the guest tells."""
    now = next((each.total for each in after if each.mountpoint == before.mountpoint), 0)
    if now and now == before.total:
        return "is as large as before: nothing is free right behind it"
    if not now:
        return "was grown"
    return f"was grown to {now / GIB:.1f} GiB" if now >= GIB else f"was grown to {now // MIB} MiB"


def _plan(entry: Mapping[str, Any]) -> Growable:
    mountpoint, kind = clean(entry.get("mountpoint")), clean(entry.get("type"))
    if kind not in _KINDS or not mountpoint.startswith("/"):
        return Growable(mountpoint, why=f"nobody knows how to grow {kind or 'it'}")
    found = _DEVICE.fullmatch(clean(entry.get("name")))
    if found is None:
        return Growable(
            mountpoint, why="it lies on a volume group or the like: grow its partition, then pvresize and lvextend -r"
        )
    disk, device, part = f"/dev/{found['disk']}", f"/dev/{found[0]}", found["part"] or ""
    total = entry.get("total-bytes")
    command = ("/bin/sh", "-c", SCRIPT, "grow", disk, part, device, kind, mountpoint)
    known = isinstance(total, int) and not isinstance(total, bool) and 0 < total < _MAX_TOTAL
    return Growable(mountpoint, command, total=int(total or 0) if known else 0)
