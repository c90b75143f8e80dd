"""Uploads: straight from the connection to a file, with its sha256, in pieces of a megabyte."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
from pathlib import Path

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from zcloud.api.parts import Call
from zcloud.domain.errors import Busy, DiskFull, PayloadTooLarge
from zcloud.domain.operation import Operation

_PIECE = 1 << 20


async def receive(call: Call, image_id: str, request: Request) -> Operation:
    """Write the body to ``upload_dir/<image id>`` whole or not at all, and begin its import.

    Raises NotFound, Forbidden, WrongState (it waits for no bytes), Busy (another upload of it runs),
    PayloadTooLarge, InvalidInput (the checksum), DiskFull.
    """
    image = await run_in_threadpool(call.parts.images.may_upload, call.actor, image_id)
    limit = call.parts.settings.max_upload
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced[:20]) > limit:
        raise PayloadTooLarge(f"An image has at most {limit} bytes.", limit=limit)
    arriving = await run_in_threadpool(Arriving, call.parts.settings.upload_dir / image.id)
    try:
        # Again under the file's lock: another upload may have ended in between.
        await run_in_threadpool(call.parts.images.may_upload, call.actor, image.id)
        await _write(arriving, request, limit)
        await run_in_threadpool(arriving.keep)
        return await _begin(call, arriving, image.id)
    finally:
        await run_in_threadpool(arriving.close)


async def _write(arriving: Arriving, request: Request, limit: int) -> None:
    pending = bytearray()
    async for chunk in request.stream():
        pending += chunk
        if arriving.size + len(pending) > limit:
            raise PayloadTooLarge(f"An image has at most {limit} bytes.", limit=limit)
        if len(pending) >= _PIECE:
            await run_in_threadpool(arriving.write, bytes(pending))
            pending.clear()
    await run_in_threadpool(arriving.write, bytes(pending))


async def _begin(call: Call, arriving: Arriving, image_id: str) -> Operation:
    try:
        return await run_in_threadpool(call.parts.images.finish_upload, call.actor, image_id, arriving.sha256)
    except BaseException:
        await run_in_threadpool(arriving.drop)
        raise


class Arriving:
    """A file that is still arriving, under a name of its own and locked against a second upload."""

    def __init__(self, target: Path) -> None:
        self._target, self._part = target, target.with_name(target.name + ".part")
        self._digest = hashlib.sha256()
        self.size = 0
        self._fd = os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640)
        if not self._is_mine():
            os.close(self._fd)
            raise Busy("Another upload of this image is running.")

    @property
    def sha256(self) -> str:
        """Give the digest of what has arrived."""
        return self._digest.hexdigest()

    def write(self, piece: bytes) -> None:
        """Append; raises DiskFull."""
        if self.size == 0:
            os.ftruncate(self._fd, 0)
        self._digest.update(piece)
        self.size += len(piece)
        view = memoryview(piece)
        try:
            while view:
                view = view[os.write(self._fd, view) :]
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise DiskFull("The server has no room for the image.", left="Nothing of it was kept.") from error
            raise

    def keep(self) -> None:
        """Give the file its name; all of it is on the disk."""
        os.fsync(self._fd)
        self._part.rename(self._target)

    def drop(self) -> None:
        """Remove what ``keep`` kept."""
        self._target.unlink(missing_ok=True)

    def close(self) -> None:
        """End; what was not kept is removed."""
        if self._same(self._part):
            self._part.unlink()
        os.close(self._fd)

    def _is_mine(self) -> bool:
        """Lock the file, and see that it is still the one with the name."""
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return self._same(self._part)

    def _same(self, path: Path) -> bool:
        try:
            return path.stat().st_ino == os.fstat(self._fd).st_ino
        except FileNotFoundError:
            return False
