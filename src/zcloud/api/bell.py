"""Wakes coroutines when something was committed: many wait, no thread is held, rings are merged."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from starlette.concurrency import run_in_threadpool

Watch = Callable[[Callable[[], None]], Callable[[], None]]


class Bell:
    """Rings in one event loop for commits in any thread or process. Take a ``turn`` before looking, then wait for it.

    A signal may be lost, so whoever waits also looks now and then by itself.
    """

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._turn = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._cancel: Callable[[], None] | None = None
        self.closed = False

    async def open(self) -> None:
        """Begin to listen; called in the loop that waits."""
        self._loop, self.closed = asyncio.get_running_loop(), False
        self._cancel = await run_in_threadpool(self._watch, self._ring)

    def turn(self) -> asyncio.Event:
        """Give what the next ring sets."""
        return self._turn

    async def wait(self, turn: asyncio.Event, timeout_s: float) -> None:
        """Wait for the ring, or for so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await turn.wait()

    def close(self) -> None:
        """Wake everybody for the last time; ``closed`` tells them. May be called in any thread."""
        self.closed = True
        if self._cancel is not None:
            self._cancel()
        self._ring()

    def _ring(self) -> None:
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._swing)

    def _swing(self) -> None:
        turn, self._turn = self._turn, asyncio.Event()
        turn.set()
