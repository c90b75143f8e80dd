"""An initial RAM file system: a cpio archive of the "newc" form, built in memory.

Source: Linux ``Documentation/driver-api/early-userspace/buffer-format.rst``.
"""

from __future__ import annotations

import gzip
import stat
from pathlib import PurePosixPath

_TRAILER = "TRAILER!!!"


class Archive:
    """Collects files, directories and links, and gives them as a cpio archive.

    All entries belong to root and carry no time, so the same content always gives the same bytes.
    Paths are absolute; missing parent directories are added with mode 0755.
    """

    def __init__(self) -> None:
        self._entries: dict[str, tuple[int, bytes]] = {}

    def add_file(self, path: str, content: bytes, mode: int = 0o644) -> None:
        """Add a regular file."""
        self._add(path, stat.S_IFREG | mode, content)

    def add_directory(self, path: str, mode: int = 0o755) -> None:
        """Add a directory; adding it again sets its mode."""
        self._add(path, stat.S_IFDIR | mode, b"")

    def add_symlink(self, path: str, target: str) -> None:
        """Add a symbolic link to ``target``."""
        self._add(path, stat.S_IFLNK | 0o777, target.encode())

    def build(self) -> bytes:
        """Give the archive, uncompressed."""
        parts = [
            _entry(name, mode, content, inode)
            for inode, (name, (mode, content)) in enumerate(self._entries.items(), start=1)
        ]
        return b"".join([*parts, _entry(_TRAILER, 0, b"", 0)])

    def build_gzip(self) -> bytes:
        """Give the archive as the kernel takes it: compressed, without a time stamp."""
        return gzip.compress(self.build(), compresslevel=6, mtime=0)

    def _add(self, path: str, mode: int, content: bytes) -> None:
        pure = PurePosixPath(path)
        if not pure.is_absolute() or ".." in pure.parts:
            raise ValueError(f"not an absolute path: {path}")
        for parent in reversed(pure.parents[:-1]):
            self._entries.setdefault(str(parent)[1:], (stat.S_IFDIR | 0o755, b""))
        self._entries[str(pure)[1:]] = (mode, content)


def _entry(name: str, mode: int, content: bytes, inode: int) -> bytes:
    encoded = name.encode() + b"\0"
    links = 2 if stat.S_ISDIR(mode) else 1
    # ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check
    numbers = (inode, mode, 0, 0, links, 0, len(content), 0, 0, 0, 0, len(encoded), 0)
    header = b"070701" + b"".join(b"%08X" % number for number in numbers)
    return _padded(header + encoded) + _padded(content)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
