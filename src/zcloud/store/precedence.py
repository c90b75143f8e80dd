"""Requests go first: whoever is in no hurry gives way while one is being answered.

All threads of a process share one interpreter and, on SQLite, one writer. Without this a request stands in line with
every step that the workers make, at each of its transactions: answers to 50 launches in a row took five times as long.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

PATIENCE_S = 0.05
"""How long one of the others waits at most, so that all go on under any stream of requests."""


class Precedence:
    """Who is being answered, and who waits for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._first = 0
        self._free = threading.Event()
        self._free.set()

    @contextmanager
    def first(self) -> Iterator[None]:
        """Go before the others in the block. It must be short: no stream, no wait for something to happen."""
        with self._lock:
            self._first += 1
            self._free.clear()
        try:
            yield
        finally:
            with self._lock:
                self._first -= 1
                if not self._first:
                    self._free.set()

    def give_way(self) -> None:
        """Wait while somebody goes first, for ``PATIENCE_S`` at most; called where nothing is held."""
        self._free.wait(PATIENCE_S)
