"""The fake host's LVM: groups, and volumes that are files of the fake disk below /dev."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from zcloud.domain.plug import DiskFormat
from zcloud.drivers.qemu_img import ImageFacts
from zcloud.testing.fakedisk import FakeDisk, FakeError, FakeFile

_EXTENT = 4 << 20


@dataclass(slots=True)
class FakeLogical:
    """A volume; ``kind`` is plain, thin, pool or moment (a plain one's snapshot, of ``origin``)."""

    size: int
    kind: str = "plain"
    origin: str = ""
    read_only: bool = False
    tags: set[str] = field(default_factory=set)


@dataclass(slots=True)
class FakeGroup:
    """A volume group of ``size`` bytes."""

    size: int
    tags: set[str] = field(default_factory=set)
    volumes: dict[str, FakeLogical] = field(default_factory=dict)
    fullness: tuple[float, float] = (1.0, 1.0)  # of the thin pool's data and metadata, in percent

    @property
    def free(self) -> int:
        """Free bytes."""
        return self.size - sum(each.size for each in self.volumes.values() if each.kind != "thin")


class FakeLvm:
    """LVM on one host; ``vg0`` is there. A group is made of any disks, each of a gibibyte."""

    def __init__(self, disk: FakeDisk) -> None:
        self.disk = disk
        self.groups = {"vg0": FakeGroup(1 << 40)}
        disk.make_directory("/dev/vg0")

    def handlers(self) -> Mapping[str, Callable[[Sequence[str], bytes], bytes]]:
        """Give what carries out LVM's commands."""
        verbs = {
            "vgs": self._vgs, "lvs": self._lvs, "vgcreate": self._vgcreate, "vgchange": self._vgchange,
            "vgremove": self._vgremove, "pvremove": self._nothing, "thin_check": self._nothing,
            "lvcreate": self._lvcreate, "lvrename": self._lvrename, "lvremove": self._lvremove,
            "lvextend": self._lvextend, "lvreduce": self._lvreduce, "lvchange": self._lvchange,
            "blkdiscard": self._nothing,
        }  # fmt: skip
        return {name: partial(_answer, verb) for name, verb in verbs.items()}

    def _group(self, name: str) -> FakeGroup:
        if name not in self.groups:
            raise FakeError(f'Volume group "{name}" not found')
        return self.groups[name]

    def _find(self, word: str) -> tuple[str, FakeGroup, str, FakeLogical]:
        group, _, name = word.partition("/")
        found = self._group(group)
        if name not in found.volumes:
            raise FakeError(f'Failed to find logical volume "{word}"')
        return group, found, name, found.volumes[name]

    def _vgs(self, argv: Sequence[str]) -> bytes:
        group = self._group(argv[-1])
        row = {"vg_size": group.size, "vg_free": group.free, "vg_extent_size": _EXTENT, "vg_tags": _join(group.tags)}
        return _report("vg", [row])

    def _lvs(self, argv: Sequence[str]) -> bytes:
        group = self._group(argv[-1])
        return _report("lv", [_row(group, name, each) for name, each in group.volumes.items()])

    def _vgcreate(self, argv: Sequence[str]) -> bytes:
        at = argv.index("--")
        name, disks = argv[at + 1], argv[at + 2 :]
        self.groups[name] = FakeGroup(len(disks) << 30, {argv[at - 1]})
        self.disk.make_directory(f"/dev/{name}")
        return b""

    def _vgchange(self, argv: Sequence[str]) -> bytes:
        _tag(self._group(argv[-1]).tags, argv)
        return b""

    def _vgremove(self, argv: Sequence[str]) -> bytes:
        if self._group(argv[-1]).volumes:
            raise FakeError("Volume group still contains logical volumes")
        del self.groups[argv[-1]]
        return b""

    def _lvcreate(self, argv: Sequence[str]) -> bytes:
        options = dict(itertools.pairwise(argv))
        name, (group_name, _, origin) = options["-n"], argv[-1].partition("/")
        group = self._group(group_name)
        if name in group.volumes:
            raise FakeError(f'Logical Volume "{name}" already exists in volume group "{group_name}"')
        above = self._find(argv[-1])[3] if origin else None
        kind = {"thin": "thin", "thin-pool": "pool"}.get(options.get("--type", ""), "plain")
        if above is not None:
            kind = "thin" if above.kind == "thin" else "moment"
        size = above.size if above else int((options.get("-V") or options["-L"]).rstrip("b"))
        size = -(-size // _EXTENT) * _EXTENT
        if kind != "thin" and size > group.free:
            raise FakeError(f'Volume group "{group_name}" has insufficient free space')
        group.volumes[name] = FakeLogical(size, kind, origin if kind == "moment" else "")
        self._show(group_name, name, size)
        return b""

    def _lvrename(self, argv: Sequence[str]) -> bytes:
        group_name, name, new = argv[-3:]
        _, group, _, volume = self._find(f"{group_name}/{name}")
        if new in group.volumes:
            raise FakeError(f'Logical Volume "{new}" already exists in volume group "{group_name}"')
        del group.volumes[name]
        group.volumes[new] = volume
        self.disk.rename(f"/dev/{group_name}/{name}", f"/dev/{group_name}/{new}")
        return b""

    def _lvremove(self, argv: Sequence[str]) -> bytes:
        group_name, group, name, volume = self._find(argv[-1])
        below = [each for each, other in group.volumes.items() if other.origin == name]
        if volume.kind == "pool":
            below = [each for each, other in group.volumes.items() if other.kind == "thin"]
        for each in (*below, name):
            del group.volumes[each]
            self.disk.remove(f"/dev/{group_name}/{each}")
        return b""

    def _lvextend(self, argv: Sequence[str]) -> bytes:
        group_name, _, name, volume = self._find(argv[-1])
        size = int(argv[argv.index("-L") + 1].rstrip("b"))
        if size <= volume.size:
            raise FakeError("New size given is not larger than existing size")
        volume.size = size
        self._show(group_name, name, size)
        return b""

    def _lvreduce(self, argv: Sequence[str]) -> bytes:
        group_name, _, name, volume = self._find(argv[-1])
        size = int(argv[argv.index("-L") + 1].rstrip("b"))
        if size >= volume.size:
            raise FakeError("New size given is not less than existing size")
        volume.size = size
        self._show(group_name, name, size)
        return b""

    def _lvchange(self, argv: Sequence[str]) -> bytes:
        volume = self._find(argv[-1])[3]
        if "-p" in argv:
            read_only = argv[argv.index("-p") + 1] == "r"
            if read_only == volume.read_only:
                raise FakeError("Logical volume has that permission already")
            volume.read_only = read_only
        elif "--errorwhenfull" not in argv:
            _tag(volume.tags, argv)
        return b""

    def _show(self, group: str, name: str, size: int) -> None:
        self.disk.put(f"/dev/{group}/{name}", FakeFile(size=size, image=ImageFacts(DiskFormat.RAW, size)))

    @staticmethod
    def _nothing(argv: Sequence[str]) -> bytes:
        del argv
        return b""


def _answer(verb: Callable[[Sequence[str]], bytes], argv: Sequence[str], _stdin: bytes) -> bytes:
    return verb(argv)


def _row(group: FakeGroup, name: str, each: FakeLogical) -> dict[str, object]:
    pool = next((name for name, other in group.volumes.items() if other.kind == "pool"), "")
    data, metadata = group.fullness if each.kind == "pool" else (1.0, "")
    return {
        "lv_name": name,
        "lv_size": each.size,
        "lv_attr": f"-{'r' if each.read_only else 'w'}i-a-----",
        "lv_tags": _join(each.tags),
        "pool_lv": pool if each.kind == "thin" else "",
        "data_percent": data if each.kind in ("thin", "pool") else "",
        "metadata_percent": metadata,
        "lv_metadata_size": 1 << 30 if each.kind == "pool" else "",
    }


def _report(kind: str, rows: list[dict[str, object]]) -> bytes:
    texts = [{key: str(value) for key, value in row.items()} for row in rows]
    return json.dumps({"report": [{kind: texts}]}).encode()


def _tag(tags: set[str], argv: Sequence[str]) -> None:
    if "--addtag" in argv:
        tags.add(argv[argv.index("--addtag") + 1])
    else:
        tags.discard(argv[argv.index("--deltag") + 1])


def _join(tags: set[str]) -> str:
    return ",".join(sorted(tags))
