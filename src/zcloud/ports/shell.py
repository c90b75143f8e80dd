"""Commands and files on one host."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import BinaryIO, NamedTuple, Protocol


class Completed(NamedTuple):
    """How a command ended: exit code and what it printed."""

    code: int
    stdout: bytes
    stderr: bytes


class FileFacts(NamedTuple):
    """One file on a host: path, apparent size and bytes really allocated, both in bytes."""

    path: str
    size: int
    allocated: int


class Space(NamedTuple):
    """A file system on a host, in bytes."""

    total: int
    available: int


class Shell(Protocol):
    """Commands and files on one host. Paths are absolute; commands are argument vectors, never strings."""

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout_s: float = 30.0, check: bool = True) -> Completed:
        """Run a command of the closed list.

        Raises CommandForbidden (not in the list), CommandFailed (``check`` and a code other than 0),
        DeadlineExceeded, HostUnreachable.
        """
        ...

    def run_all(self, batch: Sequence[Sequence[str]], *, timeout_s: float = 30.0) -> None:
        """Run commands of the closed list in turn, by one round trip; the first that fails ends it.

        Raises CommandForbidden (before any is run), CommandFailed, DeadlineExceeded, HostUnreachable.
        """
        ...

    def read_file(self, path: str, *, limit: int = 1 << 20, tail: bool = False) -> bytes:
        """Give at most ``limit`` bytes of a file (its end with ``tail``); raises NotFound."""
        ...

    def write_file(self, path: str, data: bytes, *, mode: int = 0o600, owner: str = "") -> None:
        """Write a file whole or not at all (temporary name, fsync, rename), making its directory."""
        ...

    def upload(
        self, source: BinaryIO, path: str, *, mode: int = 0o600, progress: Callable[[int], None] | None = None
    ) -> None:
        """Copy a stream to a file whole or not at all; ``progress`` is told the bytes so far."""
        ...

    def remove(self, *paths: str) -> None:
        """Remove files if they are there."""
        ...

    def list_files(self, directory: str) -> list[FileFacts]:
        """Give the regular files directly in a directory; an absent directory has none."""
        ...

    def space(self, path: str) -> Space:
        """Give the size and the free bytes of the file system that holds ``path``; raises NotFound."""
        ...
