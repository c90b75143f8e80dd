"""A Ceph pool in memory, behind the fake host's ``rbd`` and ``ceph``."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from zcloud.testing.fakedisk import FakeDisk, FakeError

_FLAGS = frozenset({"--no-progress"})


@dataclass(frozen=True)
class FakeImage:
    """An image; ``over`` names its parent."""

    size: int
    over: str = ""
    snapshots: Mapping[str, int] = field(default_factory=dict)  # the sizes then


class _Images:
    """The images of all pools, by ``pool/name``, and what ``rbd`` does to them."""

    def __init__(self) -> None:
        self.images: dict[str, FakeImage] = {}

    def _find(self, name: str) -> FakeImage:
        if name not in self.images:
            raise FakeError(f"rbd: error opening image {name}: (2) No such file or directory", 2)
        return self.images[name]

    def _in(self, pool: str) -> list[str]:
        return [name.partition("/")[2] for name in self.images if name.startswith(f"{pool}/")]

    def _new(self, name: str, image: FakeImage) -> None:
        if name in self.images:
            raise FakeError("rbd: create error: (17) File exists", 17)
        self.images[name] = image

    def _ls(self, pool: str) -> object:
        return self._in(pool)

    def _du(self, pool: str) -> object:
        return {"images": [{"name": name, "used_size": 0} for name in self._in(pool)]}

    def _info(self, name: str) -> object:
        image = self._find(name)
        parent = {"parent": {"image": image.over}} if image.over else {}
        return {"size": image.size, **parent}

    def _create(self, name: str, size: str) -> None:
        self._new(name, FakeImage(int(size[:-1])))

    def _resize(self, name: str, size: str) -> None:
        self.images[name] = replace(self._find(name), size=int(size[:-1]))

    def _clone(self, snapshot: str, name: str) -> None:
        parent, _, mark = snapshot.partition("@")
        sizes = self._find(parent).snapshots
        if mark not in sizes:
            raise FakeError("rbd: clone error: (2) No such file or directory", 2)
        self._new(name, FakeImage(sizes[mark], parent.partition("/")[2]))

    def _rename(self, name: str, new: str) -> None:
        self._new(new, self._find(name))
        del self.images[name]

    def _cp(self, origin: str, new: str) -> None:
        self._new(new, FakeImage(self._then(origin).size))

    def _deep_cp(self, origin: str, new: str) -> None:
        self._new(new, self._then(origin))

    def _then(self, origin: str) -> FakeImage:
        """Give an image as it is, or as a snapshot of it has it."""
        name, _, mark = origin.partition("@")
        image = self._find(name)
        if mark and mark not in image.snapshots:
            raise FakeError(f"rbd: error opening snapshot {origin}: (2) No such file or directory", 2)
        return replace(image, size=image.snapshots[mark]) if mark else image

    def _snap_create(self, snapshot: str) -> None:
        name, _, mark = snapshot.partition("@")
        image = self._find(name)
        if mark in image.snapshots:
            raise FakeError("rbd: failed to create snapshot: (17) File exists", 17)
        self.images[name] = replace(image, snapshots={**image.snapshots, mark: image.size})

    def _snap_rm(self, snapshot: str) -> None:
        name, _, mark = snapshot.partition("@")
        image = self._find(name)
        if mark not in image.snapshots:
            raise FakeError("rbd: failed to remove snapshot: (2) No such file or directory", 2)
        kept = {each: size for each, size in image.snapshots.items() if each != mark}
        self.images[name] = replace(image, snapshots=kept)

    def _snap_rollback(self, snapshot: str) -> None:
        name, _, mark = snapshot.partition("@")
        image = self._find(name)
        if mark not in image.snapshots:
            raise FakeError("rbd: rollback failed: (2) No such file or directory", 2)
        self.images[name] = replace(image, size=image.snapshots[mark])

    def _snap_purge(self, name: str) -> None:
        self.images[name] = replace(self._find(name), snapshots={})


class FakeRbd(_Images):
    """The commands of a cluster; ``trash`` has the names of what is there by id.

    ``unreckoned`` is how often the pool's room is asked for before the cluster knows it, ``checks`` what it warns of.
    """

    def __init__(self) -> None:
        super().__init__()
        self.trash: dict[str, str] = {}
        self.unreckoned = 0
        self.checks: dict[str, object] = {}
        self._ids = itertools.count(1)

    def handlers(
        self, disk: FakeDisk, convert: Callable[[Sequence[str], bytes], bytes]
    ) -> Mapping[str, Callable[[Sequence[str], bytes], bytes]]:
        """Give what carries out the commands."""
        return {"rbd": self._run, "ceph": self._ceph, "qemu-img convert": partial(self._convert, disk, convert)}

    def _run(self, argv: Sequence[str], _stdin: bytes) -> bytes:
        words, options = _split(argv[1:])
        if "--version" in argv:
            return b"ceph version 16.2\n"
        count = 2 if words[0] in ("snap", "trash", "deep") else 1
        verb: Callable[..., object] = getattr(self, "_" + "_".join(words[:count]))
        answer = verb(*words[count:], **options)
        return b"" if answer is None else json.dumps(answer).encode()

    def _ceph(self, argv: Sequence[str], _stdin: bytes) -> bytes:
        if argv[1] == "health":
            return json.dumps({"status": "HEALTH_WARN" if self.checks else "HEALTH_OK", "checks": self.checks}).encode()
        stats = {"stored": 0, "max_avail": 0 if self.unreckoned else 1 << 40}
        self.unreckoned = max(0, self.unreckoned - 1)
        return json.dumps({"pools": [{"name": "vms", "stats": stats}]}).encode()

    def _convert(
        self, disk: FakeDisk, files: Callable[[Sequence[str], bytes], bytes], argv: Sequence[str], stdin: bytes
    ) -> bytes:
        if not argv[-1].startswith("rbd:"):
            return files(argv, stdin)
        file = disk.file(argv[-2])
        self._create(argv[-1].split(":")[1], size=str(file.image.size if file.image else file.size) + "B")
        return b""

    def _trash_mv(self, name: str) -> None:
        self._find(name)
        del self.images[name]
        self.trash[f"{next(self._ids):x}"] = name

    def _trash_ls(self, pool: str) -> object:
        return [
            {"id": id, "name": name.partition("/")[2]} for id, name in self.trash.items() if name.startswith(f"{pool}/")
        ]

    def _trash_rm(self, place: str) -> None:
        self.trash.pop(place.partition("/")[2], None)


def _split(words: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Give the operands, and those options that matter here."""
    operands, options, rest = [], {}, iter(words)
    for word in rest:
        if word in ("--size", "--pool"):
            options[word[2:]] = next(rest)
        elif word.startswith("--") and word not in _FLAGS:
            next(rest, "")
        elif word not in _FLAGS:
            operands.append(word)
    return operands, options
