"""Pieces of uploads: straight from the connection to the end of a file, and hashed while the next bytes come."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import AsyncIterator, Awaitable
from contextlib import suppress
from typing import Any

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from zcloud.api.parts import Call
from zcloud.domain.errors import DeadlineExceeded, InvalidInput, PayloadTooLarge
from zcloud.domain.image import Image
from zcloud.services.arrivals import Arriving

_BATCH = 2 << 20
STALL_S, PIECE_S = 30.0, 1800.0
"""How long a connection may bring nothing, and how long one piece may take: places are few."""

_DIGEST = re.compile(r"sha-256=:([A-Za-z0-9+/]{43}=):")


async def receive(call: Call, image_id: str, offset: int, request: Request) -> None:
    """Append the body to an upload that is ``offset`` bytes long.

    Without Content-Digest (RFC 9530) what came is kept when the connection breaks. Raises NotFound, WrongState, Busy,
    UploadOffset, Throttled, PayloadTooLarge, InvalidInput (Content-Digest), DiskFull, DeadlineExceeded.
    """
    uploads = call.parts.uploads
    wanted = _content_digest(request)
    with uploads.turn(call.actor):
        opening = uploads.open(call.actor, image_id, offset)
        image, arriving = await run_in_threadpool(opening.__enter__)
        try:
            bound = _bound(call, image, arriving, request)
            await _Receiving(arriving, bound).run(request, wanted)
        finally:
            # The file is closed whatever becomes of the request: another one waits for its lock.
            await asyncio.shield(run_in_threadpool(opening.__exit__, None, None, None))
    await run_in_threadpool(uploads.tell, image, arriving.offset)


def _bound(call: Call, image: Image, arriving: Arriving, request: Request) -> int:
    """Give how many bytes the body may have; what is announced is checked before the first comes."""
    limits = call.parts.uploads.arrivals.limits
    size = int(image.source.get("size", 0)) or limits.max_size
    bound = min(limits.max_piece, max(0, size - arriving.offset))
    announced = request.headers.get("content-length", "")
    if announced.isdecimal():
        if int(announced[:20]) > bound:
            raise _too_large(bound)
        call.parts.uploads.arrivals.check_room(int(announced[:20]))
    return bound


def _too_large(bound: int) -> PayloadTooLarge:
    return PayloadTooLarge(f"This piece of the upload has at most {bound} bytes.", limit=bound)


class _Receiving:
    """One piece: while a batch is written and hashed in a thread, the next one comes."""

    def __init__(self, arriving: Arriving, bound: int) -> None:
        self._arriving, self._bound = arriving, bound
        self._received = 0
        self._sum: Any = None
        self._writing: Awaitable[None] | None = None

    async def run(self, request: Request, wanted: bytes) -> None:
        """Take the whole body; with ``wanted``, its SHA-256, all of it or nothing."""
        mark = self._arriving.mark()
        self._sum = hashlib.sha256() if wanted else None
        try:
            await self._take(request, keep=not wanted)
            if wanted and not hmac.compare_digest(self._sum.digest(), wanted):
                raise InvalidInput("The piece is not what its Content-Digest says.", field="Content-Digest")
        except BaseException:
            if wanted:
                await asyncio.shield(run_in_threadpool(self._arriving.back, mark))
            raise

    async def _take(self, request: Request, *, keep: bool) -> None:
        pending, size = list[bytes](), 0
        try:
            async for chunk in _chunks(request):
                self._received += len(chunk)
                if self._received > self._bound:
                    raise _too_large(self._bound)
                pending.append(chunk)
                size += len(chunk)
                if size >= _BATCH:
                    await self._write(pending)
                    pending, size = [], 0
        except (ClientDisconnect, DeadlineExceeded):
            if keep:
                await self._write(pending)
                await self._settle()
            raise
        finally:
            with suppress(Exception):  # the error that is on its way says more
                await self._settle()
        await self._write(pending)
        await self._settle()

    async def _write(self, chunks: list[bytes]) -> None:
        await self._settle()
        if chunks:
            self._writing = asyncio.ensure_future(run_in_threadpool(self._append, chunks))

    def _append(self, chunks: list[bytes]) -> None:
        self._arriving.append(chunks)
        if self._sum is not None:
            for chunk in chunks:
                self._sum.update(chunk)

    async def _settle(self) -> None:
        writing, self._writing = self._writing, None
        if writing is not None:
            await writing


async def _chunks(request: Request) -> AsyncIterator[bytes]:
    """Give the body as it comes; raises DeadlineExceeded where it comes too slowly."""
    loop = asyncio.get_running_loop()
    ends, stream = loop.time() + PIECE_S, request.stream()
    while True:
        try:
            async with asyncio.timeout_at(min(loop.time() + STALL_S, ends)):
                chunk = await anext(stream, None)
        except TimeoutError:
            raise DeadlineExceeded("The bytes came too slowly.", left="What came is kept; go on from there.") from None
        if chunk is None:
            return
        if chunk:
            yield chunk


def _content_digest(request: Request) -> bytes:
    """Give the SHA-256 that the body is to have, empty where none is told; raises InvalidInput."""
    told = request.headers.get("content-digest", "")
    if not told:
        return b""
    match = _DIGEST.search(told)
    if match is None:
        raise InvalidInput("Content-Digest has no sha-256.", hint="sha-256=:BASE64:", field="Content-Digest")
    try:
        return base64.b64decode(match[1], validate=True)
    except binascii.Error:
        raise InvalidInput("Content-Digest is not base64.", field="Content-Digest") from None
