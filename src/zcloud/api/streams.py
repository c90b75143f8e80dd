"""Waiting for operations and following events, without holding a thread."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator

from starlette.concurrency import run_in_threadpool

from zcloud.api.bell import Bell
from zcloud.api.parts import Call
from zcloud.base import meters
from zcloud.domain import operation as operations
from zcloud.domain.errors import InvalidInput, Unauthenticated
from zcloud.domain.operation import ENDED, Operation
from zcloud.services.events import EventQuery
from zcloud.wire.events import Event

# Commits that come in a burst wake a waiter once; a lost signal costs at most the recheck.
_ENDS_GAP_S, _GAP_S, _RECHECK_S, _HEARTBEAT_S = 0.02, 0.1, 5.0, 15.0
_BATCH = 200
_MAX_SEQ = 1 << 53


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
    with meters.STREAMS.track_inprogress():
        async for message in _follow(call, query, seq, told):
            yield message


async def _follow(call: Call, query: EventQuery, seq: int, told: bytes) -> AsyncIterator[bytes]:
    bell: Bell = call.request.app.state.events_bell
    loop, actor, events = asyncio.get_running_loop(), call.actor, call.parts.events
    beat = loop.time() + _HEARTBEAT_S
    yield b"retry: 2000\n\n" + told
    while not bell.closed:
        turn = bell.turn()
        found = await run_in_threadpool(events.after, actor, seq, query, _BATCH)
        for event in found:
            seq = event.seq
            yield _as_message(event)
        if len(found) == _BATCH:
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
    fields = dataclasses.asdict(event) | {"time": event.time.isoformat().replace("+00:00", "Z")}
    return f"id: {event.seq}\ndata: {json.dumps(fields, separators=(',', ':'))}\n\n".encode()
