"""A host's file system in memory: files, directories with owners, and room that can run out."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from zcloud.drivers.qemu_img import ImageFacts

KEPT = 1 << 20  # of a larger file only the digest is kept
_BLOCK = 4096


class FakeError(Exception):
    """What a command would print to its standard error, and its exit code."""

    def __init__(self, text: str, code: int = 1) -> None:
        super().__init__(text)
        self.code = code


@dataclass(slots=True)
class FakeFile:
    """A file; ``image`` is set where qemu-img made it."""

    data: bytes = b""
    size: int = 0
    allocated: int = 0
    digest: str = ""
    mode: int = 0o600
    owner: str = ""
    image: ImageFacts | None = None
    snapshots: dict[str, ImageFacts] = field(default_factory=dict)  # by name, of a qcow2 image


@dataclass(slots=True)
class FakeDirectory:
    """A directory; ``owner`` is ``UID:GID``."""

    mode: int = 0o755
    owner: str = "0:0"
    names: set[str] = field(default_factory=set)


P = ParamSpec("P")
R = TypeVar("R")

EXPORTS: dict[str, FakeDisk] = {}
"""What file servers export, by ``SERVER:/PATH``; every fake host can mount it."""


def _routed(verb: Callable[Concatenate[FakeDisk, str, P], R]) -> Callable[Concatenate[FakeDisk, str, P], R]:
    """Have a verb done by the disk that is mounted where its path lies."""

    @wraps(verb)
    def routed(disk: FakeDisk, path: str, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return verb(disk.holding(path), path, *args, **kwargs)

    return routed


class FakeDisk:
    """The tree. ``total`` is the room in bytes; what is over it raises as a full disk does.

    ``mounts`` are the disks that are mounted, by their places.
    """

    def __init__(self, total: int = 1 << 40, kind: str = "ext2/ext3") -> None:
        self.total = total
        self.kind = kind
        self.used = 0
        self.files: dict[str, FakeFile] = {}
        self.mounts: dict[str, tuple[str, FakeDisk]] = {}
        self.directories: dict[str, FakeDirectory] = {"/": FakeDirectory()}
        self.make_directory("/var/lib/libvirt/images")

    @property
    def available(self) -> int:
        """Free bytes."""
        return max(0, self.total - self.used)

    def holding(self, path: str) -> FakeDisk:
        """Give the disk on which a path lies."""
        for place, (_, disk) in self.mounts.items():
            if path == place or path.startswith(f"{place}/"):
                return disk
        return self

    def mount(self, source: str, place: str) -> None:
        """Mount what a server exports; the same one everywhere."""
        self.directory(place)
        disk = EXPORTS.setdefault(source, FakeDisk(kind="nfs"))
        disk.make_directory(place)
        self.mounts[place] = source, disk

    def unmount(self, place: str) -> None:
        """Unmount what is there."""
        if self.mounts.pop(place, None) is None:
            raise FakeError(f"umount: {place}: not mounted.")

    @_routed
    def make_directory(self, path: str, mode: int = 0o755) -> None:
        """Make a directory with those above it; one that is there stays as it is."""
        if path in self.directories:
            return
        parent, name = posixpath.split(path)
        self.make_directory(parent)
        self.directories[path] = FakeDirectory(mode)
        self.directories[parent].names.add(name)

    @_routed
    def remove_directory(self, path: str) -> None:
        """Remove an empty directory."""
        directory = self.directory(path)
        if directory.names:
            raise FakeError(f"rmdir: failed to remove '{path}': Directory not empty")
        parent, name = posixpath.split(path)
        del self.directories[path]
        self.directories[parent].names.discard(name)

    @_routed
    def directory(self, path: str) -> FakeDirectory:
        """Give a directory."""
        if path not in self.directories:
            raise FakeError(f"'{path}': No such file or directory")
        return self.directories[path]

    @_routed
    def file(self, path: str) -> FakeFile:
        """Give a file."""
        if path not in self.files:
            raise FakeError(f"'{path}': No such file or directory")
        return self.files[path]

    @_routed
    def put(self, path: str, file: FakeFile) -> None:
        """Put a file in its place, over an older one."""
        parent, name = posixpath.split(path)
        directory = self.directory(parent)
        older = self.files.get(path)
        growth = file.allocated - (older.allocated if older else 0)
        if growth > self.available:
            raise FakeError(f"writing '{path}': No space left on device")
        self.used += growth
        self.files[path] = file
        directory.names.add(name)

    @_routed
    def write(self, path: str, data: bytes, mode: int, owner: str = "") -> None:
        """Write a file whole, making its directory."""
        self.make_directory(posixpath.dirname(path))
        digest = hashlib.sha256(data).hexdigest()
        room = -(-len(data) // _BLOCK) * _BLOCK
        self.put(path, FakeFile(data[:KEPT], len(data), room, digest, mode, owner))

    @_routed
    def remove(self, path: str) -> None:
        """Remove a file; absent is fine."""
        file = self.files.pop(path, None)
        if file is not None:
            self.used -= file.allocated
            parent, name = posixpath.split(path)
            self.directories[parent].names.discard(name)

    @_routed
    def copy(self, source: str, target: str) -> None:
        """Copy a file, over an older one."""
        self.put(target, replace(self.file(source)))

    @_routed
    def change_mode(self, path: str, mode: str) -> None:
        """Set a file's mode, given as octal digits."""
        self.file(path).mode = int(mode, 8)

    @_routed
    def rename(self, source: str, target: str) -> None:
        """Rename a file, over an older one."""
        file = self.file(source)
        self.remove(source)
        self.remove(target)
        self.put(target, file)

    @_routed
    def files_in(self, path: str) -> list[tuple[str, FakeFile]]:
        """Give the files directly in a directory with their paths."""
        names = self.directories[path].names if path in self.directories else ()
        paths = [posixpath.join(path, name) for name in sorted(names)]
        return [(each, self.files[each]) for each in paths if each in self.files]
