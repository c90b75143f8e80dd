"""Sending a file in pieces: found again after whatever broke it off, hashed while it is sent."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, BinaryIO

from zcloud.client.errors import ApiError, Record
from zcloud.client.http import Http, route

_CHUNK = 1 << 20
_TAIL = 1 << 20  # of which the server tells the digest
_PAUSES_S = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0)  # between tries that brought nothing
_AGAIN = frozenset({"busy", "throttled", "upload_offset", "server_unreachable", "http_502", "http_503", "http_504"})

Progress = Callable[[int], None]


def find_upload(http: Http, name: str, file: BinaryIO, **query: Any) -> Record | None:
    """Give the unfinished upload of this very file, or None: it has its name, its size, and ends as the file does."""
    size = os.fstat(file.fileno()).st_size
    for each in http.get("/v1/uploads", **query)["items"]:
        if (each["name"], each["size"]) == (name, size):
            found: Record = http.get(route("images", each["id"], "upload"))
            if _goes_on(found, file):
                return found
    return None


def send_file(http: Http, image_id: str, file: BinaryIO, progress: Progress = lambda _: None) -> Record:
    """Send what is missing of a file and finish the upload; gives the answer, which has the import's operation.

    ``progress`` gets the bytes that are there. A lost connection or server is waited for, for about a minute. Raises
    ApiError; what came is kept, and ``find_upload`` finds it.
    """
    return _Sending(http, image_id, file, progress).run()


def _goes_on(upload: Record, file: BinaryIO) -> bool:
    offset = int(upload["offset"])
    file.seek(max(0, offset - _TAIL))
    tail = file.read(min(_TAIL, offset))
    return not offset or hashlib.sha256(tail).hexdigest() == upload["tail_sha256"]


class _Sending:
    """One file on its way."""

    def __init__(self, http: Http, image_id: str, file: BinaryIO, progress: Progress) -> None:
        self._http, self._file, self._progress = http, file, progress
        self._path = route("images", image_id, "upload")
        self._size = os.fstat(file.fileno()).st_size

    def run(self) -> Record:
        """Send it to its end."""
        with _Sum(self._file) as summed:
            offset, pauses = -1, iter(_PAUSES_S)
            while True:
                try:
                    here = self._http.get(self._path)
                    if int(here["offset"]) > offset:
                        pauses = iter(_PAUSES_S)
                    offset = self._place(here)
                    self._send_pieces(offset, int(here["piece_max"]), summed)
                    return self._finish(summed)
                except ApiError as error:
                    pause = next(pauses, None)
                    if error.code not in _AGAIN or pause is None:
                        raise
                time.sleep(pause)

    def _place(self, here: Record) -> int:
        offset = int(here["offset"])
        if offset > self._size:
            raise _changed()
        return offset

    def _send_pieces(self, offset: int, piece: int, summed: _Sum) -> None:
        while offset < self._size:
            length = min(piece, self._size - offset)
            self._http.send(self._path, self._chunks(offset, length, summed), length, offset=offset)
            offset += length
        self._progress(offset)

    def _chunks(self, offset: int, length: int, summed: _Sum) -> Iterator[bytes]:
        at, ends = offset, offset + length
        while at < ends:
            chunk = os.pread(self._file.fileno(), min(_CHUNK, ends - at), at)
            if not chunk:
                raise _changed()
            summed.take(at, chunk)
            yield chunk
            at += len(chunk)
            self._progress(at)

    def _finish(self, summed: _Sum) -> Record:
        answer: Record = self._http.post(f"{self._path}/finish", {"sha256": summed.of(self._size)})
        return answer


def _changed() -> ApiError:
    return ApiError(0, {"code": "file_changed", "detail": "The file has become shorter while it was sent."})


class _Sum:
    """The digest of a file's beginning, made in a thread beside the sending."""

    def __init__(self, file: BinaryIO) -> None:
        self._fd = file.fileno()
        self._sum = hashlib.sha256()
        self._at = 0
        self._worker = ThreadPoolExecutor(1)
        self._last: Future[None] | None = None

    def __enter__(self) -> _Sum:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._worker.shutdown()

    def take(self, at: int, chunk: bytes) -> None:
        """Take what is sent from ``at`` on; what was not sent now is read."""
        self._catch_up(at)
        fresh = chunk[self._at - at :] if self._at > at else chunk
        self._add(fresh)

    def of(self, size: int) -> str:
        """Give the digest of the first ``size`` bytes."""
        self._catch_up(size)
        self._wait()
        return self._sum.hexdigest()

    def _catch_up(self, to: int) -> None:
        while self._at < to and (chunk := os.pread(self._fd, min(_CHUNK, to - self._at), self._at)):
            self._add(chunk)

    def _add(self, chunk: bytes) -> None:
        self._wait()
        if chunk:
            self._at += len(chunk)
            self._last = self._worker.submit(self._sum.update, chunk)

    def _wait(self) -> None:
        if self._last is not None:
            self._last.result()
