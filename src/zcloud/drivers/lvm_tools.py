"""LVM's command lines and its answers; pure, for every storage driver whose volumes are logical volumes.

Sources: lvs(8), lvcreate(8), lvmthin(7), lvmreport(7), blkdiscard(8). Everything of ours is named ``zcloud-...``; whose
volume group it is says a tag.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from zcloud.domain.errors import StorageFailed

PREFIX = "zcloud-"
POOL_TAG, MADE_TAG, GROWN_TAG = "zcloud.pool", "zcloud.made", "zcloud.grown"
UNIT = 4 << 20
"""What volumes have whole multiples of, in bytes: LVM's own choice of an extent; a smaller one divides it."""

GROUP = r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,29}"
"""A volume group's name; device-mapper's own limit leaves it thirty bytes."""

DISK = r"/dev/(disk/by-(id|path|partuuid)/[A-Za-z0-9:._@+-]{1,200}|mapper/[A-Za-z0-9._+-]{1,100}|[a-z0-9]{2,20})"

_GROUP_FIELDS = "vg_size,vg_free,vg_extent_size,vg_tags"
_VOLUME_FIELDS = "lv_name,lv_size,lv_attr,lv_tags,pool_lv,data_percent,metadata_percent,lv_metadata_size"
_REPORT = ("--reportformat", "json", "--units", "b", "--nosuffix", "-o")


@dataclass(frozen=True, slots=True)
class Group:
    """A volume group; sizes in bytes."""

    size: int
    free: int
    extent: int
    tags: frozenset[str]

    def tagged(self, tag: str) -> str:
        """Give what a tag of ours says, empty where it is not there."""
        return _tagged(self.tags, tag)

    def whole(self, size: int) -> int:
        """Give a size as LVM makes it: whole extents."""
        return -(-size // self.extent) * self.extent


@dataclass(frozen=True, slots=True)
class Logical:
    """A logical volume; ``pool`` is the thin pool that it lies in, the percents are of a thin volume or pool.

    ``metadata_size`` is a thin pool's, in bytes.
    """

    name: str
    size: int  # bytes
    pool: str
    read_only: bool
    active: bool
    data: float  # percent
    metadata: float  # percent
    metadata_size: int
    tags: frozenset[str]

    def tagged(self, tag: str) -> str:
        """Give what a tag of ours says, empty where it is not there."""
        return _tagged(self.tags, tag)


def group_argv(group: str) -> list[str]:
    """Give the command that looks at a volume group."""
    return ["vgs", *_REPORT, _GROUP_FIELDS, "--", group]


def parse_group(answer: bytes) -> Group:
    """Read the answer of ``group_argv``; raises StorageFailed when it is not one."""
    with _reading():
        row = _rows(answer, "vg")[0]
        return Group(int(row["vg_size"]), int(row["vg_free"]), int(row["vg_extent_size"]), _tags(row["vg_tags"]))


def volumes_argv(group: str) -> list[str]:
    """Give the command that lists a group's volumes, ours and others."""
    return ["lvs", *_REPORT, _VOLUME_FIELDS, "--", group]


def parse_volumes(answer: bytes) -> dict[str, Logical]:
    """Read the answer of ``volumes_argv``, by name; raises StorageFailed when it is not one."""
    with _reading():
        return {row["lv_name"]: _logical(row) for row in _rows(answer, "lv")}


def make_group_argv(group: str, pool_id: str, disks: Sequence[str]) -> list[str]:
    """Give the command that makes a group of empty disks: without ``-y`` LVM refuses one on which anything is found."""
    return ["vgcreate", "-q", "--addtag", f"{MADE_TAG}={pool_id}", "--", group, *disks]


def tag_group_argv(group: str, verb: str, tag: str, value: str) -> list[str]:
    """Give the command that puts a tag on a group (``--addtag``) or takes it off (``--deltag``)."""
    return ["vgchange", "-q", verb, f"{tag}={value}", "--", group]


def make_argv(group: str, name: str, size: int) -> list[str]:
    """Give the command that makes a plain volume."""
    return ["lvcreate", "-q", "-y", "-L", f"{size}b", "-n", name, "--", group]


def make_thin_argv(group: str, pool: str, name: str, size: int) -> list[str]:
    """Give the command that makes a thin volume."""
    return ["lvcreate", "-q", "-y", "--type", "thin", "-V", f"{size}b", "--thinpool", pool, "-n", name, "--", group]


def make_pool_argvs(group: str, name: str, size: int, metadata: int) -> list[list[str]]:
    """Give the commands that make a thin pool: its blocks are zeroed before use, and a full one fails at once."""
    sizes = ("-L", f"{size}b", "--poolmetadatasize", f"{metadata}b")
    made = ["lvcreate", "-q", "-y", "--type", "thin-pool", *sizes, "-Z", "y", "--discards", "passdown", "-n", name]
    return [[*made, "--", group], ["lvchange", "-q", "--errorwhenfull", "y", "--", f"{group}/{name}"]]


def thin_snapshot_argv(group: str, origin: str, name: str) -> list[str]:
    """Give the command that makes a thin volume over another one's blocks, to be used like any."""
    return ["lvcreate", "-q", "-y", "-s", "-k", "n", "-n", name, "--", f"{group}/{origin}"]


def plain_snapshot_argv(group: str, origin: str, name: str) -> list[str]:
    """Give the command that keeps what a plain volume has now; it can never overflow."""
    return ["lvcreate", "-q", "-y", "-s", "-l", "100%ORIGIN", "-n", name, "--", f"{group}/{origin}"]


def rename_argv(group: str, name: str, new: str) -> list[str]:
    """Give the command that renames a volume."""
    return ["lvrename", "-q", "--", group, name, new]


def remove_argv(group: str, name: str) -> list[str]:
    """Give the command that removes a volume; LVM refuses one that anybody has open."""
    return ["lvremove", "-q", "-f", "--", f"{group}/{name}"]


def extend_argv(group: str, name: str, size: int) -> list[str]:
    """Give the command that makes a volume larger, in use or not."""
    return ["lvextend", "-q", "-L", f"{size}b", "--", f"{group}/{name}"]


def reduce_argv(group: str, name: str, size: int) -> list[str]:
    """Give the command that takes from a volume what it grew by before anybody saw it."""
    return ["lvreduce", "-q", "-y", "-f", "-L", f"{size}b", "--", f"{group}/{name}"]


def extend_pool_argv(group: str, name: str, size: int, metadata: int) -> list[str]:
    """Give the command that makes a thin pool larger, and its metadata where ``metadata`` bytes are given."""
    more = ["--poolmetadatasize", f"{metadata}b"] if metadata else []
    return ["lvextend", "-q", "-L", f"{size}b", *more, "--", f"{group}/{name}"]


def permit_argv(group: str, name: str, *, write: bool) -> list[str]:
    """Give the command that lets a volume be written to, or not."""
    return ["lvchange", "-q", "-p", "rw" if write else "r", "--", f"{group}/{name}"]


def tag_argv(group: str, name: str, verb: str, value: int) -> list[str]:
    """Give the command that notes from where on a volume that was grown is yet to be zeroed, or forgets it."""
    return ["lvchange", "-q", verb, f"{GROWN_TAG}={value}", "--", f"{group}/{name}"]


def zero_argv(group: str, name: str, start: int, size: int) -> list[str]:
    """Give the command that zeroes a part of a plain volume, by the disk itself where it can."""
    return ["blkdiscard", "-z", "-o", str(start), "-l", str(size), "--", device(group, name)]


def fill_argv(source: str, format: str, target: str) -> list[str]:
    """Give the command that copies an image into a volume that reads zeros."""
    return [
        *("qemu-img", "convert", "-q", "-n", "--target-is-zero", "-T", "none", "-t", "none"),
        *("-f", format, "-O", "raw", "--", source, target),
    ]


def device(group: str, name: str) -> str:
    """Give a volume's device."""
    return f"/dev/{group}/{name}"


@contextlib.contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise StorageFailed("LVM's answer cannot be read.") from error


def _rows(answer: bytes, kind: str) -> list[dict[str, str]]:
    return [{str(key): str(value) for key, value in row.items()} for row in json.loads(answer)["report"][0][kind]]


def _logical(row: dict[str, str]) -> Logical:
    attributes: Any = row["lv_attr"]
    return Logical(
        name=row["lv_name"],
        size=int(row["lv_size"]),
        pool=row["pool_lv"],
        read_only=attributes[1] in "rR",
        active=attributes[4] == "a",
        data=float(row["data_percent"] or 0),
        metadata=float(row["metadata_percent"] or 0),
        metadata_size=int(row["lv_metadata_size"] or 0),
        tags=_tags(row["lv_tags"]),
    )


def _tags(text: str) -> frozenset[str]:
    return frozenset(text.split(",")) - {""}


def _tagged(tags: frozenset[str], tag: str) -> str:
    return next((each.partition("=")[2] for each in sorted(tags) if each.startswith(f"{tag}=")), "")
