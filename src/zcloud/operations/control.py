"""What a running step may ask of the engine: the fence, progress, cancellation and fault points."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from zcloud.base.clock import Clock
from zcloud.domain.errors import Superseded
from zcloud.domain.operation import Operation
from zcloud.operations.heart import Heart
from zcloud.operations.ledger import Ledger
from zcloud.store.operations import Pulse

PROGRESS_INTERVAL_S = 0.5
FENCE_SHARE = 0.25
"""The part of a heartbeat's interval for which a run that owned its operation counts as its owner (see ``fence``)."""


class RunControl:
    """One run's control (``model.Control``). ``step`` is the running step, ``NAME.undo`` while it is undone."""

    def __init__(self, ledger: Ledger, heart: Heart, clock: Clock, fault: Callable[[str], None]) -> None:
        self.step = ""
        self._ledger = ledger
        self._heart = heart
        self._clock = clock
        self._fault = fault
        self._told_at = self._owned_at = float("-inf")

    @property
    def operation(self) -> Operation:
        """Give the operation as it was when this run took it."""
        return self._ledger.operation

    def pulse(self) -> Pulse:
        """Read who holds the operation; raises Superseded unless it is still this run."""
        now = self._clock.monotonic()
        self._heart.check()
        pulse = self._ledger.pulse()
        if pulse.epoch != self.operation.epoch:
            raise Superseded("Another worker has taken this operation over.")
        self._owned_at = now
        return pulse

    def fence(self) -> None:
        """Raise Superseded unless this worker's heart beats and it still owns the operation.

        Whoever owned it while its heart beat (which is at least an interval from its timeout then) owns it for that
        interval. Of this a part is used here instead of a look at the store; the rest is for the call to arrive.
        """
        self._ledger.give_way()
        if self._clock.monotonic() - self._owned_at < self._heart.interval_s * FENCE_SHARE:
            self._heart.check()
        else:
            self.pulse()

    def cancelled(self) -> bool:
        """Say whether a cancel was requested and can still be heeded."""
        return self._ledger.cancellable and self.pulse().cancel_requested

    def progress(self, done: int, total: int, detail: str = "") -> None:
        """Tell how far the running step is; written at most twice a second, and when it is complete."""
        now = self._clock.monotonic()
        if now - self._told_at < PROGRESS_INTERVAL_S and done < total:
            return
        self._told_at = now
        self._ledger.progress(lambda step: replace(step, done=done, total=total, detail=detail))

    def fault(self, name: str) -> None:
        """Pass a named fault point."""
        self._fault(name)

    def pass_point(self, place: str) -> None:
        """Pass the fault point ``place`` of this workflow, as ``fault_points`` names it."""
        self._fault(f"{self.operation.workflow}.{place}")
