"""Hands events to their listeners in order, in a thread that may take its time."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable

_log = logging.getLogger(__name__)


class Delivery:
    """A queue and one thread that calls what is put in, in that order; a call that raises is logged and passed by."""

    def __init__(self, name: str) -> None:
        self._queue: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._deliver, name=name, daemon=True)
        self._thread.start()

    def put(self, call: Callable[[], object]) -> None:
        """Have ``call`` made soon; returns at once."""
        self._queue.put(call)

    def close(self) -> None:
        """Make the calls that are waiting, then end."""
        self._queue.put(None)
        if threading.current_thread() is not self._thread:
            self._thread.join(5)

    def _deliver(self) -> None:
        while (call := self._queue.get()) is not None:
            try:
                call()
            except Exception:  # noqa: BLE001 - one listener's defect must not stop the others
                _log.exception("A listener of host events failed")
