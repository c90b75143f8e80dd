"""One run of an operation: forward step by step, back again after an error, or parked until something happens.

The rows of the steps are the journal: a step's end and the next one's beginning are one transaction, and what an
earlier run ended is not done again. A run stops in one of four ways: the operation ended; it was parked; another
worker has taken it over; or the store failed, and then the next sweep of any worker takes it up again.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from zcloud.base.clock import Clock
from zcloud.domain.errors import HostUnreachable, Internal, OperationCancelled, Superseded, ZcloudError
from zcloud.domain.operation import OperationStatus, StepStatus
from zcloud.operations.control import RunControl
from zcloud.operations.ledger import Ledger, Parking
from zcloud.operations.model import Step, Waiting, Workflow

_log = logging.getLogger(__name__)

C = TypeVar("C")

BLOCKED_BACKOFF_S = (1.0, 2.0, 4.0, 8.0, 15.0)
UNDO_BACKOFF_S = (0.2, 1.0, 3.0)


class Patience:
    """How long this process waits before it tries a silent host again by itself; kept in memory only."""

    def __init__(self) -> None:
        self._silences: Counter[str] = Counter()

    def silent(self, operation_id: str) -> tuple[float, bool]:
        """Give the seconds to wait, and whether it is the first time in a row."""
        before = self._silences[operation_id]
        self._silences[operation_id] = before + 1
        return BLOCKED_BACKOFF_S[min(before, len(BLOCKED_BACKOFF_S) - 1)], before == 0

    def heard(self, operation_id: str) -> None:
        """Forget the silences: something went on."""
        self._silences.pop(operation_id, None)


class _Parked(Exception):
    """The run ends here for now."""

    def __init__(self, parking: Parking) -> None:
        super().__init__(parking.reason)
        self.parking = parking


class Run(Generic[C]):
    """Runs the steps of one operation once it was taken."""

    def __init__(
        self, workflow: Workflow[C], context: C, ledger: Ledger, control: RunControl, patience: Patience, clock: Clock
    ) -> None:
        self._workflow = workflow
        self._context = context
        self._ledger = ledger
        self._control = control
        self._patience = patience
        self._clock = clock

    def go(self, stopping: Callable[[], bool]) -> None:
        """Run to one of the ends; ``stopping`` says whether the worker wants its thread back between steps."""
        try:
            error = self._ledger.error or self._forward(stopping) or self._succeed()
            if error is not None:
                self._back(error, stopping)
        except _Parked as parked:
            self._ledger.park(parked.parking)
        except Superseded as error:
            _log.info("operation %s: %s", self._control.operation.id, error.message)

    # -- forward ---------------------------------------------------------------------------------

    def _forward(self, stopping: Callable[[], bool]) -> ZcloudError | None:
        """Do what is not done yet; gives the error that stops it."""
        last = len(self._workflow.steps) - 1
        for seq, step in enumerate(self._workflow.steps):
            if self._ledger.status(seq) in (StepStatus.DONE, StepStatus.LEFT):
                continue
            self._yield_to(stopping)
            if not self._ledger.advance(seq, last=seq == last):
                return OperationCancelled(f"The operation was cancelled before the step {step.title!r}.")
            error = self._attempt(step.name, step.do)
            if error is None:
                self._ledger.finish()
            elif step.tidies:
                self._ledger.settle(seq, StepStatus.LEFT, error.message)
            else:
                return error
        return None

    def _succeed(self) -> ZcloudError | None:
        """End the operation; an error of the workflow's last words is a failure of its last step."""
        try:
            self._control.pass_point("succeed.before")
            self._control.fence()
            self._ledger.succeed(lambda tx: self._workflow.succeed(self._context, tx))
        except Superseded:
            raise
        except ZcloudError as error:
            return error
        except Exception as error:
            raise self._defect("ended", error) from error
        self._control.pass_point("succeed.after")
        return None

    # -- back ------------------------------------------------------------------------------------

    def _back(self, error: ZcloudError, stopping: Callable[[], bool]) -> None:
        """Undo in reverse what was begun, the failed step included, and end the operation failed or cancelled."""
        self._ledger.undo(error)
        left: list[str] = []
        for seq, step in reversed(list(enumerate(self._workflow.steps))):
            if step.undo is None or not self._ledger.begun(seq):
                continue
            if self._ledger.status(seq) not in (StepStatus.UNDONE, StepStatus.LEFT):
                self._yield_to(stopping)
                self._undo(seq, step, step.undo)
            if self._ledger.status(seq) is StepStatus.LEFT:
                left.append(f"{step.title}: {self._ledger.detail(seq)}")
        self._fail(error, left)

    def _undo(self, seq: int, step: Step[C], undo: Callable[[C], None]) -> None:
        """Try a few times; what cannot be undone is left, with its sentence."""
        error = self._attempt(f"{step.name}.undo", undo)
        for delay in UNDO_BACKOFF_S:
            if error is None:
                break
            self._clock.sleep(delay)
            error = self._attempt(f"{step.name}.undo", undo)
        if error is None:
            self._ledger.settle(seq, StepStatus.UNDONE)
        else:
            self._ledger.settle(seq, StepStatus.LEFT, error.message)

    def _fail(self, error: ZcloudError, left: list[str]) -> None:
        if left:
            error.left = "This could not be undone: " + "; ".join(left)
        error.left = error.left or "What had been done was undone."
        cancelled = isinstance(error, OperationCancelled)
        status = OperationStatus.CANCELLED if cancelled else OperationStatus.FAILED
        try:
            self._control.pass_point("fail.before")
            self._control.fence()
            self._ledger.fail(status, error, lambda tx: self._workflow.fail(self._context, tx, error))
        except Superseded:
            raise
        except Exception as defect:
            raise self._defect("ended as failed", defect) from defect
        self._control.pass_point("fail.after")

    # -- both ways -------------------------------------------------------------------------------

    def _attempt(self, place: str, call: Callable[[C], None]) -> ZcloudError | None:
        """Do a step or undo it; gives its error. Stops the run where it has to wait, or was taken over."""
        operation_id = self._control.operation.id
        error: ZcloudError | None = None
        try:
            self._control.step = place
            self._control.pass_point(f"{place}.before")
            self._control.fence()
            call(self._context)
            self._control.pass_point(f"{place}.after")
        except Waiting as wait:
            self._patience.heard(operation_id)
            raise _Parked(Parking(OperationStatus.WAITING, wait.reason, wait.wake_at)) from None
        except HostUnreachable as silence:
            raise self._blocked(silence) from silence
        except Superseded:
            raise
        except ZcloudError as failure:
            error = failure
        except Exception as defect:  # noqa: BLE001 - whatever a step raises is undone
            _log.exception("operation %s: %s", operation_id, place)
            message = f"Something unexpected happened ({type(defect).__name__}) at {place!r}."
            error = Internal(message)
        self._patience.heard(operation_id)
        return error

    def _yield_to(self, stopping: Callable[[], bool]) -> None:
        if stopping():
            raise _Parked(Parking(OperationStatus.WAITING, "The server is stopping.", self._clock.now(), news=False))

    def _blocked(self, silence: HostUnreachable) -> _Parked:
        delay_s, news = self._patience.silent(self._control.operation.id)
        host = str(silence.details.get("host_id") or "")
        return _Parked(Parking(OperationStatus.BLOCKED, silence.message, self._in(delay_s), host, news=news))

    def _defect(self, how: str, error: Exception) -> _Parked:
        """Nothing may be lost because the store or the last words failed: keep everything and come back."""
        _log.error("operation %s could not be %s", self._control.operation.id, how, exc_info=error)
        reason = f"It could not be {how} ({type(error).__name__}); it will be tried again."
        return _Parked(Parking(OperationStatus.BLOCKED, reason, self._in(BLOCKED_BACKOFF_S[-1])))

    def _in(self, seconds: float) -> datetime:
        return self._clock.now() + timedelta(seconds=seconds)
