"""Signals after a commit: in process for SQLite, NOTIFY and LISTEN for PostgreSQL.

A signal says only that something of its topic was committed; whoever gets it looks into the store. One may come
without a cause (after a reconnect), and a process that is not connected gets none: whoever waits also looks now
and then by itself.
"""

from __future__ import annotations

import logging
import select
import socket
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

Callback = Callable[[], None]

_CHANNEL = "zcloud"
_RECONNECT_S = 1.0
_log = logging.getLogger(__name__)


class Signals:
    """Calls the subscribers of a topic after each commit that touched it; they must not block."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._callbacks: defaultdict[str, list[Callback]] = defaultdict(list)

    def subscribe(self, topic: str, callback: Callback) -> Callback:
        """Have ``callback`` called after commits that touch ``topic``; gives what ends that."""
        with self._lock:
            self._callbacks[topic].append(callback)

        def cancel() -> None:
            with self._lock:
                if callback in self._callbacks[topic]:
                    self._callbacks[topic].remove(callback)

        return cancel

    def before_commit(self, connection: Connection, topics: Iterable[str]) -> None:
        """Send what has to go with the commit (nothing in process)."""

    def after_commit(self, topics: Iterable[str]) -> None:
        """Tell the subscribers of what was committed."""
        self.fire(topics)

    def fire(self, topics: Iterable[str] | None = None) -> None:
        """Call the subscribers of ``topics`` (None: all)."""
        with self._lock:
            wanted = list(self._callbacks) if topics is None else list(topics)
            callbacks = [callback for topic in wanted for callback in self._callbacks.get(topic, ())]
        for callback in callbacks:
            try:
                callback()
            except Exception:  # noqa: BLE001 - a defect there must not reach the writer, whose commit stands
                _log.exception("a subscriber failed")

    def close(self) -> None:
        """End the deliveries."""
        with self._lock:
            self._callbacks.clear()


class PostgresSignals(Signals):
    """Signals that reach every process: a thread listens on a connection of its own and reconnects."""

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self._engine = engine
        self._stop = threading.Event()
        self._stopper, self._stopped = socket.socketpair()
        self._thread: threading.Thread | None = None

    def subscribe(self, topic: str, callback: Callback) -> Callback:
        """As above; the first subscriber starts the listener and waits until it hears."""
        cancel = super().subscribe(topic, callback)
        with self._lock:
            first, listening = self._thread is None, threading.Event()
            if first:
                self._thread = threading.Thread(
                    target=self._listen_until_stopped, args=(listening,), name="store-signals", daemon=True
                )
                self._thread.start()
        if first:
            listening.wait(_RECONNECT_S * 5)
        return cancel

    def before_commit(self, connection: Connection, topics: Iterable[str]) -> None:
        """Send the topics with the commit."""
        for topic in sorted(topics):
            connection.execute(text("SELECT pg_notify(:channel, :topic)"), {"channel": _CHANNEL, "topic": topic})

    def after_commit(self, topics: Iterable[str]) -> None:
        """Nothing: the listener hears of this process's commits too."""

    def close(self) -> None:
        """End the listener."""
        super().close()
        self._stop.set()
        self._stopper.close()  # wakes the listener
        if self._thread is not None:
            self._thread.join()
        self._stopped.close()

    def _listen_until_stopped(self, listening: threading.Event) -> None:
        while not self._stop.is_set():
            try:
                self._listen(listening)
            except (SQLAlchemyError, OSError, _driver_error(self._engine)) as error:
                _log.warning("lost the connection that listens to the store: %s", error)
                self._stop.wait(_RECONNECT_S)

    def _listen(self, listening: threading.Event) -> None:
        pooled = self._engine.raw_connection()
        connection: Any = pooled.driver_connection
        pooled.detach()  # it never goes back to the pool
        try:
            connection.autocommit = True
            connection.execute(f"LISTEN {_CHANNEL}")
            listening.set()
            self.fire()  # what was committed before is not told again
            while not self._stop.is_set():
                select.select([connection, self._stopped], [], [])
                self.fire({each.payload for each in connection.notifies(timeout=0)})
        finally:
            connection.close()


def _driver_error(engine: Engine) -> type[Exception]:
    error: type[Exception] = engine.dialect.dbapi.Error if engine.dialect.dbapi is not None else Exception
    return error
