"""What the one active observer does now and then besides looking at hosts: forgetting what is old, backups."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Chore:
    """Something to do every so many seconds; the first time at once."""

    name: str
    every_s: float
    work: Callable[[], object]


class Chores:
    """Runs chores in threads of an executor, each at most once at a time."""

    def __init__(self, chores: Sequence[Chore], executor: Executor) -> None:
        self._chores, self._executor = chores, executor
        self._at: dict[str, float] = {}
        self._running: dict[str, Future[None]] = {}

    def begin_due(self, now: float) -> None:
        """Begin what is due at ``now`` (monotonic)."""
        for chore in self._chores:
            running = self._running.get(chore.name)
            if now >= self._at.get(chore.name, 0.0) and (running is None or running.done()):
                self._at[chore.name] = now + chore.every_s
                self._running[chore.name] = self._executor.submit(_do, chore)


def _do(chore: Chore) -> None:
    try:
        chore.work()
    except Exception:  # noqa: BLE001 - it is tried again at its next time
        _log.exception("the chore %s failed", chore.name)
