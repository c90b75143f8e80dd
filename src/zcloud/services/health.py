"""Whether this cloud can serve: the store can be written, somebody runs operations, somebody watches."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from zcloud.domain.errors import ZcloudError
from zcloud.services.context import Services
from zcloud.store import Tx

_KEY = "health.written"
_LONGEST_S = 2.0
_KEPT_S = 1.0  # anybody may ask: not every question is a write


@dataclass(frozen=True, slots=True)
class Patience:
    """After how many seconds of silence workers and the observer count as gone."""

    worker_s: float = 15.0
    observer_s: float = 15.0


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at; ``reason`` is empty where all is well."""

    name: str
    reason: str = ""


class Health:
    """The service behind ``/readyz``."""

    def __init__(self, services: Services, patience: Patience) -> None:
        self._store, self._clock, self._patience = services.store, services.clock, patience
        self._lock = threading.Lock()
        self._checked_at = float("-inf")
        self._checks: tuple[Check, ...] = ()

    def check(self) -> tuple[Check, ...]:
        """Look at everything, at most once a second; who comes while a look hangs is told so."""
        if not self._lock.acquire(timeout=_LONGEST_S):
            return (Check("store", f"It has not answered for {_LONGEST_S:.0f} s."),)
        try:
            if self._clock.monotonic() - self._checked_at >= _KEPT_S:
                self._checks = tuple(Check(name, _reason(look)) for name, look in self._looks())
                self._checked_at = self._clock.monotonic()
            return self._checks
        finally:
            self._lock.release()

    def _looks(self) -> tuple[tuple[str, Callable[[], str]], ...]:
        return (
            ("schema", self._schema),
            ("store", self._writable),
            ("workers", self._workers),
            ("observer", self._observer),
        )

    def _schema(self) -> str:
        self._store.check_version()
        return ""

    def _writable(self) -> str:
        def work(tx: Tx) -> None:
            tx.settings.put(_KEY, tx.now.isoformat())
            tx.settings.delete(_KEY)

        self._store.transact(work)
        return ""

    def _workers(self) -> str:
        def newest(tx: Tx) -> float | None:
            beats = [worker.heartbeat_at for worker in tx.workers.all()]
            return (tx.now - max(beats)).total_seconds() if beats else None

        return self._silence(newest, "worker", self._patience.worker_s)

    def _observer(self) -> str:
        def age(tx: Tx) -> float | None:
            beat = tx.settings.observer_beat()
            return None if beat is None else (tx.now - beat).total_seconds()

        return self._silence(age, "observer", self._patience.observer_s)

    def _silence(self, age_of: Callable[[Tx], float | None], who: str, patience_s: float) -> str:
        with self._store.read() as tx:
            age = age_of(tx)
        if age is None:
            return f"No {who} runs."
        return "" if age <= patience_s else f"The {who} has been silent for {age:.0f} s."


def _reason(look: Callable[[], str]) -> str:
    try:
        return look()
    except ZcloudError as error:
        return error.message
    except Exception as error:  # noqa: BLE001 - whatever it is, it is why we are not ready; details are in the log
        return f"The look failed ({type(error).__name__})."
