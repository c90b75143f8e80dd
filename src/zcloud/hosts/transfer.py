"""One download over all its tries, also of processes that are gone: what came so far, and whether it may go on.

A file that is gone on with has a note beside it (``NAME.origin``): which URL it comes from and what the server called
that version (RFC 9110, 8.8: ETag or Last-Modified). Where the note does not fit, or the server has another version or
gives no parts, it begins again, and says so.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import http.client
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zcloud.base.clock import Clock
from zcloud.domain.errors import (
    DeadlineExceeded,
    DiskFull,
    DownloadFailed,
    OperationCancelled,
    PayloadTooLarge,
    StorageFailed,
)

_CHUNK = 256 << 10
_LOOK_EVERY = 64 << 20  # bytes after which the room on the disk is looked at again
_TRY_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_RANGE = re.compile(r"bytes (\d+)-\d+/(?:\d+|\*)")
_WHOLE = re.compile(r"bytes \*/(\d+)")


@dataclass(frozen=True, slots=True)
class DownloadPolicy:
    """What downloads may take and where they may go; bytes and seconds. ``allow_private`` is in CIDR form."""

    max_size: int = 512 << 30
    deadline_s: float = 3600
    stall_s: float = 30
    connect_s: float = 10
    tries: int = 5
    max_redirects: int = 5
    allow_private: tuple[str, ...] = ()
    keep_free: int = 0  # of the disk
    least_rate: int = 1024  # bytes a second, as a mean over stall_s: a drip holds a worker for ever


@dataclass(frozen=True, slots=True)
class Watch:
    """Who looks on: ``progress`` is told the bytes so far and the whole (None: unknown); ``cancelled`` is asked.

    ``told`` is given a sentence where the download had to begin again.
    """

    progress: Callable[[int, int | None], None] = lambda _received, _whole: None
    cancelled: Callable[[], bool] = lambda: False
    told: Callable[[str], None] = lambda _sentence: None


NOBODY = Watch()


class Broken(Exception):
    """The transfer broke in a way that another try may mend."""


@contextlib.contextmanager
def writing() -> Iterator[None]:
    """Tell trouble with our own disk from trouble with the line."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            raise DiskFull("There is no room for the download.") from error
        raise StorageFailed(f"The download cannot be written: {error.strerror}.") from error


class Origin:
    """The note beside a file: where it comes from. Without a path it is kept in memory only."""

    def __init__(self, url: str, path: Path | None) -> None:
        self._url, self._path = url, path
        self.validator = self._read()

    def note(self, validator: str) -> None:
        """Write down which version comes now, before its first byte does."""
        if validator == self.validator:
            return
        self.validator = validator
        if self._path is not None:
            fresh = self._path.with_suffix(".origin.new")
            with writing():
                fresh.write_text(json.dumps({"url": self._url, "validator": validator}))
                fresh.rename(self._path)

    def _read(self) -> str:
        try:
            record: Any = json.loads(self._path.read_text()) if self._path is not None else {}
        except (OSError, ValueError):
            return ""
        known = isinstance(record, dict) and record.get("url") == self._url
        return str(record.get("validator", "")) if known else ""


class Transfer:
    """One download over all its tries: what came so far, its digests, and when it has to end.

    What the file has already is gone on with where its origin is known, and counts for the digests.
    """

    def __init__(
        self, fd: int, origin: Origin, policy: DownloadPolicy, watch: Watch, algorithm: str, *, clock: Clock
    ) -> None:
        self._fd, self._origin, self._policy, self._clock, self._watch = fd, origin, policy, clock, watch
        self._ends = clock.monotonic() + policy.deadline_s
        self._algorithm = algorithm
        self._looked_at = 0
        self._digests = self._new_digests()
        self.received = self.best = 0
        if origin.validator:
            self._take_up()

    def _new_digests(self) -> dict[str, Any]:
        return {name: hashlib.new(name) for name in {"sha256", self._algorithm}}

    def _take_up(self) -> None:
        os.lseek(self._fd, 0, os.SEEK_SET)
        while piece := os.read(self._fd, 1 << 20):
            self.check()
            self._count(piece)

    def _restart(self) -> None:
        with writing():
            os.ftruncate(self._fd, 0)
            os.lseek(self._fd, 0, os.SEEK_SET)
        self.received = self._looked_at = 0
        self._digests = self._new_digests()

    def left(self) -> float:
        """Give the seconds until the deadline."""
        return self._ends - self._clock.monotonic()

    def check(self) -> None:
        """Raise OperationCancelled or DeadlineExceeded where it is time to."""
        if self._watch.cancelled():
            raise OperationCancelled("The download was cancelled.")
        if self.left() <= 0:
            raise DeadlineExceeded(f"The download took longer than {self._policy.deadline_s} s.")

    def digest(self) -> str:
        """Give the digest of the expected checksum's kind."""
        return str(self._digests[self._algorithm].hexdigest())

    def sha256(self) -> str:
        """Give the SHA-256 of what was received."""
        return str(self._digests["sha256"].hexdigest())

    def headers(self) -> dict[str, str]:
        """Give the request's headers: from where it broke, if it is still the same file (RFC 9110, 13.1.5)."""
        plain = {"Accept-Encoding": "identity", "User-Agent": "zcloud", "Connection": "close"}
        if self.received and self._origin.validator:
            return plain | {"Range": f"bytes={self.received}-", "If-Range": self._origin.validator}
        return plain

    def can_go_on(self) -> bool:
        """Say whether a later run can go on with what is there."""
        return bool(self.received and self._origin.validator)

    def take(self, url: str, answer: http.client.HTTPResponse) -> None:
        """Write the body of an answer; raises Broken where another try may help."""
        if answer.status == http.client.REQUESTED_RANGE_NOT_SATISFIABLE and self._is_whole(answer):
            return
        self._check_answer(url, answer)
        tag = answer.headers.get("ETag", "")
        validator = tag if tag and not tag.startswith("W/") else answer.headers.get("Last-Modified", "")
        if answer.status == http.client.OK:
            self._begin_again(validator)
        self._origin.note(validator)
        whole = None if answer.length is None else self.received + answer.length
        self._check_size(whole or 0)
        self._check_room((whole or 0) - self.received)
        pace = _Pace(self._clock, self._policy)
        while piece := answer.read1(_CHUNK):
            self.check()
            self._check_size(self.received + len(piece))
            self._write(piece)
            self._watch.progress(self.received, whole)
            pace.check(len(piece))
        self.check()
        if whole is not None and self.received != whole:
            raise Broken(f"it broke off after {self.received} of {whole} bytes")

    def _is_whole(self, answer: http.client.HTTPResponse) -> bool:
        """Say whether all had come already; where the server has less than that, begin again."""
        whole = _WHOLE.fullmatch(answer.headers.get("Content-Range", ""))
        if not self.received or whole is None:
            return False
        if int(whole[1]) == self.received:
            return True
        self._begin_again("")
        raise Broken(f"the server has only {whole[1]} bytes now")

    def _begin_again(self, validator: str) -> None:
        if self.received:
            known = self._origin.validator
            changed = bool(known) and validator != known
            why = "The server has another version of the file" if changed else "The server gives no parts of the file"
            self._watch.told(f"{why}: it begins again.")
        self._restart()
        self._origin.note("")

    def _check_answer(self, url: str, answer: http.client.HTTPResponse) -> None:
        if answer.status in _TRY_AGAIN:
            raise Broken(f"the server answers {answer.status}")
        resumed = answer.status == http.client.PARTIAL_CONTENT
        if resumed:
            place = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
            if not self.received or place is None or int(place[1]) != self.received:
                raise DownloadFailed(f"The server of {url} sends another part of the file than was asked for.")
        elif answer.status != http.client.OK:
            raise DownloadFailed(f"The server answers {answer.status} for {url}.", status=answer.status)
        if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise DownloadFailed(f"The server of {url} sends the file compressed though that was not asked for.")

    def _check_size(self, size: int) -> None:
        if size > self._policy.max_size:
            raise PayloadTooLarge(f"The file is larger than the allowed {self._policy.max_size} bytes.")

    def _check_room(self, more: int) -> None:
        free = shutil.disk_usage(f"/proc/self/fd/{self._fd}").free - self._policy.keep_free
        if more > free:
            raise DiskFull(f"The server has room for {max(0, free)} bytes more, not for {more}.")
        self._looked_at = self.received

    def _write(self, piece: bytes) -> None:
        if self.received - self._looked_at >= _LOOK_EVERY:
            self._check_room(_LOOK_EVERY)
        view = memoryview(piece)
        with writing():
            while view:
                view = view[os.write(self._fd, view) :]
        self._count(piece)

    def _count(self, piece: bytes) -> None:
        for digest in self._digests.values():
            digest.update(piece)
        self.received += len(piece)
        self.best = max(self.best, self.received)


class _Pace:
    """Watches that bytes come faster than a drip."""

    def __init__(self, clock: Clock, policy: DownloadPolicy) -> None:
        self._clock, self._policy = clock, policy
        self._since, self._bytes = clock.monotonic(), 0

    def check(self, more: int) -> None:
        """Count bytes; raises Broken where they come too slowly."""
        self._bytes += more
        passed = self._clock.monotonic() - self._since
        if passed < self._policy.stall_s:
            return
        if self._bytes < self._policy.least_rate * passed:
            raise Broken(f"only {self._bytes} bytes came within {passed:.0f} s")
        self._since, self._bytes = self._since + passed, 0
