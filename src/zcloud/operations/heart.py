"""A worker's heartbeat, and how it sees which other workers live.

No clock of another machine is trusted: a worker is dead when its heartbeat did not *change* for the timeout on
our own monotonic clock, or at once when it ran in our own process space and its process is gone. A worker whose
own last heartbeat is older than the timeout stops touching anything, because the others may have taken over.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Collection
from datetime import datetime
from pathlib import Path

from zcloud.base.clock import Clock
from zcloud.domain.errors import Superseded
from zcloud.store import Store
from zcloud.store.operations import Worker

_log = logging.getLogger(__name__)


def this_node() -> str:
    """Name this machine, boot and process space: process ids are comparable exactly where this is the same."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{socket.gethostname()} {boot} {os.readlink('/proc/self/ns/pid')}"


class Heart:
    """Writes this worker's heartbeat every ``interval_s`` and knows how old the last one is."""

    def __init__(self, store: Store, worker: Worker, clock: Clock, interval_s: float, timeout_s: float) -> None:
        self._store = store
        self._worker = worker
        self._clock = clock
        self.interval_s = interval_s
        self._timeout_s = timeout_s
        self._beaten_at = float("-inf")
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="zcloud-heart", daemon=True)

    def start(self) -> None:
        """Beat once, so that the worker is known, and go on in a thread."""
        self._beat()
        self._thread.start()

    def stop(self) -> None:
        """Stop beating; from here on nothing passes the fence."""
        self._stopped.set()
        self._thread.join(timeout=10)
        self._beaten_at = float("-inf")

    def check(self) -> None:
        """Raise Superseded where the last heartbeat is so old that others may have taken over.

        One interval earlier than they would: what follows the check still has to reach its host.
        """
        if self._clock.monotonic() - self._beaten_at > self._timeout_s - self.interval_s:
            raise Superseded("This worker's heartbeat is too old; another one may have taken over.")

    def _beat(self) -> None:
        before = self._clock.monotonic()
        self._store.transact(lambda tx: tx.workers.heartbeat(self._worker))
        self._beaten_at = before

    def _run(self) -> None:
        while not self._stopped.wait(self.interval_s):
            try:
                self._beat()
            except Exception:  # noqa: BLE001 - the heart has to go on whatever the store says
                _log.warning("The heartbeat could not be written.", exc_info=True)


class Watch:
    """Tells living workers from dead ones, from one look at their rows to the next."""

    def __init__(self, node: str, clock: Clock, timeout_s: float) -> None:
        self._node = node
        self._clock = clock
        self._timeout_s = timeout_s
        self._seen: dict[str, tuple[datetime, float]] = {}

    def dead(self, workers: Collection[Worker]) -> set[str]:
        """Give the ids of those of the workers that are dead."""
        now = self._clock.monotonic()
        seen: dict[str, tuple[datetime, float]] = {}
        for worker in workers:
            beat, since = self._seen.get(worker.id, (None, now))
            seen[worker.id] = (worker.heartbeat_at, since if beat == worker.heartbeat_at else now)
        self._seen = seen
        return {each.id for each in workers if self._gone(each) or now - seen[each.id][1] > self._timeout_s}

    def _gone(self, worker: Worker) -> bool:
        if worker.node != self._node:
            return False
        try:
            os.kill(worker.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        return False
