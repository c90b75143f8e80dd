"""One run of an operation: forward step by step, back again after an error, or parked until something happens.

A run begins where the journal ends. It stops in one of four ways: the operation ended; it was parked; another
worker has taken it over; or the store failed, and then the next sweep of any worker takes it up again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from zcloud.base.clock import Clock
from zcloud.domain.errors import HostUnreachable, Internal, OperationCancelled, Superseded, ZcloudError
from zcloud.domain.operation import OperationStatus, StepStatus
from zcloud.operations.control import RunControl
from zcloud.operations.journal import Entry, Journal, Kind
from zcloud.operations.ledger import Ledger, Parking
from zcloud.operations.model import Step, Waiting, Workflow

_log = logging.getLogger(__name__)

C = TypeVar("C")

BLOCKED_BACKOFF_S = (1.0, 2.0, 4.0, 8.0, 15.0)
UNDO_BACKOFF_S = (0.2, 1.0, 3.0)
_STATUS = {
    ("do", Kind.DONE): StepStatus.DONE,
    ("do", Kind.FAILED): StepStatus.FAILED,
    ("undo", Kind.DONE): StepStatus.UNDONE,
    ("undo", Kind.LEFT): StepStatus.LEFT,
}


class _Parked(Exception):
    """The run ends here for now."""

    def __init__(self, parking: Parking) -> None:
        super().__init__(parking.reason)
        self.parking = parking


@dataclass(frozen=True, slots=True)
class _Failure:
    """What went wrong at which step; ``began``: the step may have half-happened."""

    seq: int
    error: ZcloudError
    began: bool


class Run(Generic[C]):
    """Runs the steps of one operation once it was taken."""

    def __init__(
        self, workflow: Workflow[C], context: C, ledger: Ledger, control: RunControl, journal: Journal, clock: Clock
    ) -> None:
        self._workflow = workflow
        self._context = context
        self._ledger = ledger
        self._control = control
        self._journal = journal
        self._clock = clock

    def go(self, stopping: Callable[[], bool]) -> None:
        """Run to one of the ends; ``stopping`` says whether the worker wants its thread back between steps."""
        try:
            self._ledger.open(self._known_steps())
            failure = self._known_failure() or self._forward(stopping) or self._succeed()
            if failure is not None:
                self._back(failure, stopping)
        except _Parked as parked:
            self._ledger.park(parked.parking)
        except Superseded as error:
            _log.info("operation %s: %s", self._control.operation.id, error.message)

    # -- forward ---------------------------------------------------------------------------------

    def _forward(self, stopping: Callable[[], bool]) -> _Failure | None:
        last = len(self._workflow.steps) - 1
        for seq, step in enumerate(self._workflow.steps):
            if self._journal.find(f"do:{step.name}") is not None:
                continue
            self._yield_to(stopping)
            if not self._ledger.advance(seq, last=seq == last):
                self._journal.record(f"stop:{step.name}", self._cancelled_at(step))
                return self._known_failure()
            entry = self._journal.record(f"do:{step.name}", self._attempt(f"do:{step.name}", step.name, step.do))
            if entry.kind is Kind.FAILED:
                return self._known_failure()
            self._go_on_after(entry)
        return None

    def _cancelled_at(self, step: Step[C]) -> Callable[[], Entry]:
        error = OperationCancelled(f"The operation was cancelled before the step {step.title!r}.")
        return lambda: Entry(f"stop:{step.name}", Kind.FAILED, error.to_record())

    def _succeed(self) -> _Failure | None:
        """End the operation; an error of the workflow's last words is a failure of its last step."""
        try:
            self._control.pass_point("succeed.before")
            self._control.fence()
            self._ledger.succeed(lambda tx: self._workflow.succeed(self._context, tx))
        except Superseded:
            raise
        except ZcloudError as error:
            record = error.to_record()
            at = f"stop:{self._workflow.steps[-1].name}"
            self._journal.record(at, lambda: Entry(at, Kind.FAILED, record))
            return self._known_failure()
        except Exception as error:
            raise self._defect("ended", error) from error
        self._control.pass_point("succeed.after")
        return None

    # -- back ------------------------------------------------------------------------------------

    def _back(self, failure: _Failure, stopping: Callable[[], bool]) -> None:
        """Undo in reverse, the failed step included, and end the operation failed or cancelled."""
        self._ledger.undo(failure.seq if failure.began else None, failure.error)
        left: list[str] = []
        for seq in range(failure.seq if failure.began else failure.seq - 1, -1, -1):
            step = self._workflow.steps[seq]
            if step.undo is None:
                continue
            entry = self._journal.find(f"undo:{step.name}")
            if entry is None:
                self._yield_to(stopping)
                entry = self._undo(seq, step, step.undo)
            if entry.kind is Kind.LEFT:
                left.append(f"{step.title}: {entry.error.message}")
        self._fail(failure.error, left)

    def _undo(self, seq: int, step: Step[C], undo: Callable[[C], None]) -> Entry:
        at = f"undo:{step.name}"
        attempt = self._attempt(at, f"{step.name}.undo", undo)
        entry = self._journal.record(at, lambda: self._insist(attempt))
        self._go_on_after(entry)
        gone = entry.kind is Kind.DONE
        self._ledger.settle(seq, StepStatus.UNDONE if gone else StepStatus.LEFT, "" if gone else entry.error.message)
        return entry

    def _insist(self, attempt: Callable[[], Entry]) -> Entry:
        """Try an undo a few times; what cannot be undone is left, with its sentence."""
        entry = attempt()
        for delay in UNDO_BACKOFF_S:
            if entry.kind is not Kind.FAILED:
                return entry
            self._clock.sleep(delay)
            entry = attempt()
        return entry if entry.kind is not Kind.FAILED else Entry(entry.at, Kind.LEFT, entry.problem)

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

    def _attempt(self, at: str, place: str, call: Callable[[C], None]) -> Callable[[], Entry]:
        """Give the attempt whose every way to end is data."""

        def attempt() -> Entry:
            try:
                self._control.step = place
                self._control.pass_point(f"{place}.before")
                self._control.fence()
                call(self._context)
                self._control.pass_point(f"{place}.after")
            except Waiting as wait:
                return Entry(at, Kind.WAITING, reason=wait.reason, wake_at=wait.wake_at.isoformat())
            except HostUnreachable as error:
                host = str(error.details.get("host_id") or "")
                return Entry(at, Kind.BLOCKED, reason=error.message, blocked_on=host)
            except Superseded as error:
                return Entry(at, Kind.SUPERSEDED, reason=error.message)
            except ZcloudError as error:
                return Entry(at, Kind.FAILED, error.to_record())
            except Exception as error:  # noqa: BLE001 - whatever a step raises becomes data
                _log.exception("operation %s: %s", self._control.operation.id, at)
                message = f"Something unexpected happened ({type(error).__name__}) at {place!r}."
                return Entry(at, Kind.FAILED, Internal(message).to_record())
            return Entry(at, Kind.DONE)

        return attempt

    def _go_on_after(self, entry: Entry) -> None:
        """Stop the run where the attempt did not settle."""
        if entry.kind is Kind.SUPERSEDED:
            raise Superseded(entry.reason)
        if entry.kind is Kind.WAITING:
            wake_at = datetime.fromisoformat(entry.wake_at)
            raise _Parked(Parking(OperationStatus.WAITING, entry.reason, wake_at))
        if entry.kind is Kind.BLOCKED:
            raise _Parked(self._blocked(entry.reason, entry.blocked_on))

    def _yield_to(self, stopping: Callable[[], bool]) -> None:
        if stopping():
            raise _Parked(Parking(OperationStatus.WAITING, "The server is stopping.", self._clock.now(), news=False))

    def _blocked(self, reason: str, host: str = "") -> Parking:
        before = self._journal.retries()
        delay = timedelta(seconds=BLOCKED_BACKOFF_S[min(before, len(BLOCKED_BACKOFF_S) - 1)])
        return Parking(OperationStatus.BLOCKED, reason, self._clock.now() + delay, host, news=before == 0)

    def _defect(self, how: str, error: Exception) -> _Parked:
        """Nothing may be lost because the store or the last words failed: keep everything and come back."""
        _log.error("operation %s could not be %s", self._control.operation.id, how, exc_info=error)
        wake_at = self._clock.now() + timedelta(seconds=BLOCKED_BACKOFF_S[-1])
        reason = f"It could not be {how} ({type(error).__name__}); it will be tried again."
        return _Parked(Parking(OperationStatus.BLOCKED, reason, wake_at))

    # -- what the journal knows ------------------------------------------------------------------

    def _known_failure(self) -> _Failure | None:
        for seq, step in enumerate(self._workflow.steps):
            stopped, done = self._journal.find(f"stop:{step.name}"), self._journal.find(f"do:{step.name}")
            entry = stopped or done
            if entry is not None and entry.kind is Kind.FAILED:
                return _Failure(seq, entry.error, began=done is not None or self._ledger.begun(seq))
        return None

    def _known_steps(self) -> dict[int, StepStatus]:
        known: dict[int, StepStatus] = {}
        for seq, step in enumerate(self._workflow.steps):
            for way in ("do", "undo"):
                entry = self._journal.find(f"{way}:{step.name}")
                if entry is not None:
                    known[seq] = _STATUS[way, entry.kind]
        return known
