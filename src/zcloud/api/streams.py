"""Waiting for operations and following events, without holding a thread."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, NamedTuple

from starlette.concurrency import run_in_threadpool

from zcloud.api.bell import Bell
from zcloud.api.parts import Call
from zcloud.base import meters
from zcloud.domain import operation as operations
from zcloud.domain.errors import InvalidInput, Unauthenticated
from zcloud.domain.operation import ENDED, Operation
from zcloud.domain.people import Actor
from zcloud.services.events import EventQuery
from zcloud.wire.events import Event

# Commits that come in a burst wake a waiter once; a lost signal costs at most the recheck.
_ENDS_GAP_S, _GAP_S, _RECHECK_S, _HEARTBEAT_S = 0.02, 0.1, 5.0, 15.0
_REST_S = 0.4  # after it told of changes: a page asks again at most twice a second
_BATCH, _TOUCHED, _NAMED = 200, 1000, 50
_MAX_SEQ = 1 << 53


class _News(NamedTuple):
    """What there is to tell, the number of its last event, and whether more waits already."""

    seq: int
    messages: bytes
    more: bool = False


async def wait_for_end(call: Call, operation_id: str, wait_s: float) -> Operation:
    """Give an operation when it has ended, or as it is after ``wait_s``; raises NotFound."""
    bell: Bell = call.request.app.state.operations_bell
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait_s
    while True:
        turn = bell.turn()
        found = await run_in_threadpool(call.parts.operations.show, call.actor, operation_id)
        left = deadline - loop.time()
        if found.status in ENDED or left <= 0 or bell.closed:
            return found
        await bell.wait(turn, min(left, _RECHECK_S))
        await asyncio.sleep(min(_ENDS_GAP_S, max(deadline - loop.time(), 0)))


async def first_seq(call: Call, after: int | None) -> tuple[int, bytes]:
    """Give the number after which a stream begins, and what is told first.

    It is Last-Event-ID, else ``after``, else now. A follower that saw something which is not there any more is told
    so (``events_missed``); ``after=0`` asks for whatever there is. Raises InvalidInput.
    """
    given = call.request.headers.get("last-event-id", "")
    if given and not (given.isascii() and given.isdecimal() and int(given[:20]) <= _MAX_SEQ):
        raise InvalidInput("Last-Event-ID is not a number that zcloud gave.", field="Last-Event-ID")
    last = await run_in_threadpool(call.parts.events.last_seq)
    wanted = int(given) if given else after
    if wanted is None:
        return last, b""
    missed = await run_in_threadpool(call.parts.events.missed, wanted) if wanted else None
    told = b"" if missed is None else f"event: missed\ndata: {json.dumps(missed.to_record())}\n\n".encode()
    return min(wanted, last), told


async def stream_events(call: Call, query: EventQuery, seq: int, told: bytes = b"") -> AsyncIterator[bytes]:
    """Give ``told``, then events, until the client leaves, its session ends or the server stops."""

    def read(actor: Actor, after: int) -> _News:
        found = call.parts.events.after(actor, after, query, _BATCH)
        seq = found[-1].seq if found else after
        return _News(seq, b"".join(_as_message(event) for event in found), more=len(found) == _BATCH)

    async for message in _follow(call, read, seq, told):
        yield message


async def stream_changes(call: Call, seq: int, told: bytes = b"") -> AsyncIterator[bytes]:
    """Give ``told``, then what changed, as long as ``stream_events``: kinds and ids of things, many in one message.

    ``ids`` is null where too many changed to name them.
    """

    def read(actor: Actor, after: int) -> _News:
        found = call.parts.events.touched(actor, after, _TOUCHED)
        if not found:
            return _News(after, b"")
        ids = sorted({id for _, _, id in found})
        said = {"kinds": sorted({kind for _, kind, _ in found}), "ids": ids if len(ids) <= _NAMED else None}
        return _News(found[-1][0], _message(found[-1][0], said), more=len(found) == _TOUCHED)

    async for message in _follow(call, read, seq, told, rest_s=_REST_S):
        yield message


async def _follow(
    call: Call, read: Callable[[Actor, int], _News], seq: int, told: bytes, *, rest_s: float = 0.0
) -> AsyncIterator[bytes]:
    with meters.STREAMS.track_inprogress():
        bell: Bell = call.request.app.state.events_bell
        loop, actor = asyncio.get_running_loop(), call.actor
        beat = loop.time() + _HEARTBEAT_S
        yield b"retry: 2000\n\n" + told
        while not bell.closed:
            turn = bell.turn()
            news = await run_in_threadpool(read, actor, seq)
            seq = news.seq
            if news.messages:
                yield news.messages
                await asyncio.sleep(0 if news.more else rest_s)
            if news.more:
                continue
            await bell.wait(turn, min(_RECHECK_S, max(beat - loop.time(), 0)))
            await asyncio.sleep(_GAP_S)
            if loop.time() >= beat:
                beat = loop.time() + _HEARTBEAT_S
                try:
                    actor = await run_in_threadpool(call.parts.signin.renew, actor)
                except Unauthenticated:
                    return
                yield b": still here\n\n"


def show_event(it: operations.Event) -> Event:
    """Show an event."""
    return Event(
        it.seq, it.time, it.kind, it.project_id, it.resource_kind, it.resource_id, it.resource_name, it.actor,
        it.message, it.data,
    )  # fmt: skip


def _as_message(event: operations.Event) -> bytes:
    return _message(event.seq, dataclasses.asdict(event) | {"time": event.time.isoformat().replace("+00:00", "Z")})


def _message(seq: int, fields: Mapping[str, Any]) -> bytes:
    return f"id: {seq}\ndata: {json.dumps(fields, separators=(',', ':'))}\n\n".encode()
