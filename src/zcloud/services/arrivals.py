"""The files of uploads while they arrive: appended to, hashed as they come, and never held in memory.

An upload's offset is its file's length, and nothing else: a file that is only appended to has, after whatever crash,
a length up to which its bytes are there (file systems write data before they write the length). The digest so far is
kept in this process's memory; where it is not known (another process, a restart) the import finds it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zcloud.domain.errors import Busy, DiskFull, PayloadTooLarge, WrongState

TAIL = 1 << 20
"""So many of the last bytes tell whether somebody goes on with the same file."""

_SUMS = 256  # digests of unfinished uploads that are kept
_PART = ".part"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_Sum = tuple[int, int, Any]  # inode, how many bytes, hashlib's object


@dataclass(frozen=True, slots=True)
class ArrivalLimits:
    """How large a file may be, how much one request brings, and what stays free on the disk; bytes."""

    max_size: int
    max_piece: int = 64 << 20
    keep_free: int = 0


@dataclass(frozen=True, slots=True)
class Arrived:
    """How much of an upload is there, and when the last of it came (seconds since 1970; 0: nothing came)."""

    offset: int
    touched_at: float


class Arrivals:
    """The directory of uploads; each is a file named by its image's id."""

    def __init__(self, directory: Path, limits: ArrivalLimits) -> None:
        self.limits = limits
        self._directory = directory
        self._sums: OrderedDict[str, _Sum] = OrderedDict()
        self._lock = threading.Lock()

    def arrived(self, image_id: str) -> Arrived:
        """Say how much of an upload is there."""
        try:
            facts = self._part(image_id).stat(follow_symlinks=False)
        except FileNotFoundError:
            return Arrived(0, 0.0)
        return Arrived(facts.st_size, facts.st_mtime)

    def tail_sha256(self, image_id: str, offset: int) -> str:
        """Give the SHA-256 of the last ``TAIL`` bytes before an offset, empty where there are none."""
        with contextlib.suppress(FileNotFoundError), self._part(image_id).open("rb") as file:
            file.seek(max(0, offset - TAIL))
            data = file.read(min(TAIL, offset))
            return hashlib.sha256(data).hexdigest() if data else ""
        return ""

    def check_room(self, more: int) -> None:
        """Go on only where so many bytes more leave the disk what it needs; raises PayloadTooLarge, DiskFull."""
        if more > self.limits.max_size:
            raise PayloadTooLarge(f"An image has at most {self.limits.max_size} bytes.", limit=self.limits.max_size)
        free = max(0, shutil.disk_usage(self._directory).free - self.limits.keep_free)
        if more > free:
            raise DiskFull(f"The server has room for {free} bytes more, not for {more}.", room=free)

    @contextlib.contextmanager
    def open(self, image_id: str) -> Iterator[Arriving]:
        """Give the file to append to, locked against everybody else. Raises Busy."""
        path = self._part(image_id)
        fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640)
        try:
            _lock(fd)
            arriving = Arriving(path, fd, self._sum(image_id, fd), self)
            if not arriving.is_current():  # who had it before has just removed or renamed it
                raise _in_use()
        except BaseException:
            os.close(fd)
            raise
        try:
            yield arriving
        finally:
            self._remember(image_id, arriving.close())

    def forget(self, image_id: str) -> None:
        """Remove what arrived of an upload."""
        self._part(image_id).unlink(missing_ok=True)
        with self._lock:
            self._sums.pop(image_id, None)

    def ids(self) -> dict[str, float]:
        """Give the ids of which there are files, with the time of each one's last change."""
        found: dict[str, float] = {}
        for path in self._directory.iterdir():
            with contextlib.suppress(FileNotFoundError):
                name = path.name.partition(".")[0]
                found[name] = max(found.get(name, 0.0), path.stat(follow_symlinks=False).st_mtime)
        return found

    def remove_all(self, image_id: str) -> None:
        """Remove every file of an image that no record knows."""
        for path in self._directory.glob(f"{image_id}*"):
            if path.name.partition(".")[0] == image_id and not path.is_dir():
                path.unlink(missing_ok=True)

    def _part(self, image_id: str) -> Path:
        if not image_id or not all(each in "0123456789abcdefghijklmnopqrstuvwxyz-" for each in image_id):
            raise WrongState("That is not the id of an image.")  # ids are ours: this is the second look
        return self._directory / f"{image_id}{_PART}"

    def _sum(self, image_id: str, fd: int) -> Any:
        """Give the digest of what is in the file, None where it is not known."""
        facts = os.fstat(fd)
        if facts.st_size == 0:
            return hashlib.sha256()
        with self._lock:
            known = self._sums.get(image_id)
        return known[2] if known is not None and known[:2] == (facts.st_ino, facts.st_size) else None

    def _remember(self, image_id: str, known: _Sum | None) -> None:
        with self._lock:
            self._sums.pop(image_id, None)
            if known is not None:
                self._sums[image_id] = known
            while len(self._sums) > _SUMS:
                self._sums.popitem(last=False)


class Arriving:
    """One upload's open and locked file. ``offset`` is how much of it is there."""

    def __init__(self, path: Path, fd: int, digest: Any, arrivals: Arrivals) -> None:
        self._path, self._fd, self._digest, self._arrivals = path, fd, digest, arrivals
        self._lock = threading.Lock()  # a thread may still write when the request that began it is gone
        self._closed = False
        self.offset = os.fstat(fd).st_size

    @property
    def sha256(self) -> str:
        """Give the digest of all that is there, empty where it is not known."""
        return self._digest.hexdigest() if self._digest is not None else ""

    def mark(self) -> tuple[int, Any]:
        """Give a place to come ``back`` to."""
        return self.offset, self._digest.copy() if self._digest is not None else None

    def back(self, mark: tuple[int, Any]) -> None:
        """Forget what came since a mark."""
        with self._lock:
            if not self._closed:
                self.offset, self._digest = mark
                os.ftruncate(self._fd, self.offset)

    def append(self, chunks: Sequence[bytes]) -> None:
        """Write chunks to the end, and hash them. Raises DiskFull; what was there before stays."""
        with self._lock:
            if self._closed:
                return
            size = sum(map(len, chunks))
            self._arrivals.check_room(size)
            try:
                _write(self._fd, chunks)
            except OSError as error:
                os.ftruncate(self._fd, self.offset)
                if error.errno in _FULL:
                    raise DiskFull("The server has no room left for the upload.", left=_KEPT) from error
                raise
            self.offset += size
            if self._digest is not None:
                for chunk in chunks:
                    self._digest.update(chunk)

    def close(self) -> _Sum | None:
        """End; an empty file is removed. Gives what is known of the digest."""
        with self._lock:
            self._closed = True
            inode = os.fstat(self._fd).st_ino
            if self.offset == 0 and self.is_current():
                self._path.unlink()
            os.close(self._fd)
        return (inode, self.offset, self._digest) if self.offset and self._digest is not None else None

    def is_current(self) -> bool:
        """Say whether the file still has its name: it loses it when the image is deleted or imported."""
        try:
            return self._path.stat(follow_symlinks=False).st_ino == os.fstat(self._fd).st_ino
        except FileNotFoundError:
            return False


_KEPT = "What had arrived is kept; go on when there is room."


def _lock(fd: int) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise _in_use() from None


def _in_use() -> Busy:
    return Busy("Somebody else sends bytes of this upload now.", hint="Wait, and ask for its offset.")


def _write(fd: int, chunks: Sequence[bytes]) -> None:
    views = [memoryview(chunk) for chunk in chunks if chunk]
    while views:
        written = os.writev(fd, views[:_IOV])
        while views and written >= len(views[0]):
            written -= len(views.pop(0))
        if written:
            views[0] = views[0][written:]


_IOV = 512  # of the 1024 that Linux takes
