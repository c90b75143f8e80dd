"""Which operations this worker takes: queued ones, parked ones whose time has come, and those of dead workers."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from zcloud.base.clock import Clock
from zcloud.domain.errors import Superseded
from zcloud.domain.operation import Operation
from zcloud.operations.heart import Heart, Watch
from zcloud.store import Store, Tx
from zcloud.store.operations import TOPIC, Due

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Terms:
    """Who takes, how many at once, and how often it looks without having been woken (seconds)."""

    worker_id: str
    slots: int
    sweep_s: float


class Dispatcher:
    """A thread that takes operations and hands each to ``start``; ``finished`` gives the slot back."""

    def __init__(
        self, store: Store, heart: Heart, watch: Watch, clock: Clock, terms: Terms, start: Callable[[Operation], None]
    ) -> None:
        self._store = store
        self._heart = heart
        self._watch = watch
        self._clock = clock
        self._terms = terms
        self._start = start
        self._busy: set[Due] = set()
        self._resting: dict[Due, float] = {}  # ours and idle after a breakdown, until this monotonic time
        self._lock = threading.Lock()
        self._woken = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="zcloud-dispatcher", daemon=True)
        self._unsubscribe: Callable[[], None] = lambda: None

    def start(self) -> None:
        """Begin to take operations."""
        self._unsubscribe = self._store.signals.subscribe(TOPIC, self._woken.set)
        self._thread.start()

    def stop(self) -> None:
        """Take no more; what runs goes on."""
        self._unsubscribe()
        self._stopped.set()
        self._woken.set()
        self._thread.join(timeout=10)

    def finished(self, due: Due, *, broken: bool = False) -> None:
        """Give the slot of a run back; an operation whose run broke down is taken again after a rest."""
        with self._lock:
            self._busy.discard(due)
            if broken:
                self._resting[due] = self._clock.monotonic() + self._terms.sweep_s
        self._woken.set()

    def idle(self) -> bool:
        """Say whether nothing runs."""
        with self._lock:
            return not self._busy

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._woken.clear()
            try:
                wait = self._sweep()
            except Superseded:
                wait = self._terms.sweep_s
            except Exception:  # noqa: BLE001 - the sweep has to go on whatever the store says
                _log.warning("Operations could not be looked up.", exc_info=True)
                wait = self._terms.sweep_s
            self._woken.wait(wait)

    def _sweep(self) -> float:
        """Take what there is room for, and give the seconds until something may be due."""
        self._store.precedence.give_way()
        self._heart.check()
        busy, resting = self._ours()
        room = self._terms.slots - len(busy)
        with self._store.read() as tx:
            held = tx.operations.held()
            workers = tx.workers.all()
            ready = tx.operations.runnable(room) if room > 0 else []
            next_wake = tx.operations.next_wake()
        dead = self._watch.dead(workers)
        alive = {worker.id for worker in workers} - dead - {self._terms.worker_id}
        orphaned = [due for due, holder in held if holder not in alive and due not in busy | resting]
        taken = self._take((orphaned + ready)[: max(room, 0)], dead)
        if taken or next_wake is None or room <= len(taken):
            return self._terms.sweep_s
        until = (next_wake - self._clock.now()).total_seconds()
        return min(max(until, 0.0), self._terms.sweep_s)

    def _ours(self) -> tuple[set[Due], set[Due]]:
        now = self._clock.monotonic()
        with self._lock:
            self._resting = {due: until for due, until in self._resting.items() if until > now}
            return set(self._busy), set(self._resting)

    def _take(self, wanted: list[Due], dead: set[str]) -> list[Operation]:
        if not wanted and not dead:
            return []

        def write(tx: Tx) -> list[Operation]:
            for worker_id in dead:
                tx.workers.remove(worker_id)
            taken = (tx.operations.take(due, self._terms.worker_id) for due in wanted)
            return [operation for operation in taken if operation is not None]

        operations = self._store.transact(write)
        for operation in operations:
            self._begin(operation)
        return operations

    def _begin(self, operation: Operation) -> None:
        due = Due(operation.id, operation.epoch)
        with self._lock:
            self._busy.add(due)
        try:
            self._start(operation)
        except Exception:  # noqa: BLE001 - the operation is ours and idle: the next sweep takes it again
            _log.warning("operation %s could not be started", operation.id, exc_info=True)
            self.finished(due, broken=True)
