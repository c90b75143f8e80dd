"""What a run writes of its operation: its row, its steps and its events. People see them, the next run goes by them.

Every write is one transaction, guarded by the epoch under which the run took the operation: after a takeover the
old holder can write nothing any more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

from zcloud.base import meters
from zcloud.domain.errors import ZcloudError, from_record
from zcloud.domain.operation import Operation, OperationStatus, StepRecord, StepStatus
from zcloud.operations.model import Workflow
from zcloud.store import Store, Tx
from zcloud.store.operations import Due, Pulse

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Parking:
    """Why an operation lets go of its worker and until when; ``news``: people have not been told yet."""

    status: OperationStatus
    reason: str
    wake_at: datetime
    blocked_on: str = ""
    news: bool = True


class Ledger:
    """The rows of one run.

    ``cancellable``: a cancel is still heeded. ``error``: why the operation is being undone, from an earlier run too.
    """

    def __init__(self, store: Store, operation: Operation, workflow: Workflow[Any]) -> None:
        self.operation = operation
        self.cancellable = workflow.cancellable and operation.may_cancel
        self.error = from_record(operation.error) if operation.error else None
        self._store = store
        self._due = Due(operation.id, operation.epoch)
        self._title = workflow.title
        self._opened = bool(operation.steps)
        self._running: int | None = None
        self._finished = False  # the running step is done, which the next transaction writes
        self._ended_at = operation.created_at
        known = {step.name: step for step in operation.steps}
        self._steps = [
            known.get(step.name) or StepRecord(seq, step.name, step.title, StepStatus.PENDING, None, None, 0, 0, "")
            for seq, step in enumerate(workflow.steps)
        ]

    def status(self, seq: int) -> StepStatus:
        """Say how far a step is."""
        return self._steps[seq].status

    def detail(self, seq: int) -> str:
        """Give a step's sentence, such as why it could not be undone."""
        return self._steps[seq].detail

    def begun(self, seq: int) -> bool:
        """Say whether a step was ever begun, by this run or an earlier one."""
        return self._steps[seq].started_at is not None

    def give_way(self) -> None:
        """Let requests go first."""
        self._store.precedence.give_way()

    def pulse(self) -> Pulse:
        """Read who holds the operation now, and whether it is to stop."""
        with self._store.read() as tx:
            return tx.operations.pulse(self.operation.id)

    def advance(self, seq: int, *, last: bool) -> bool:
        """End the step before and begin this one; False where a cancel came first, and the step is not begun."""

        def write(tx: Tx) -> bool:
            self._settle_finished(tx)
            # Takes the row's lock: a cancel comes before, or is refused once the point is passed.
            cancelled = tx.operations.hold(self._due, may_cancel=self.cancellable and not last)
            if self.cancellable and cancelled:
                return False
            begun = replace(self._steps[seq], status=StepStatus.RUNNING, started_at=tx.now, ended_at=None, detail="")
            self._write(tx, begun)
            return True

        going = self._transact(write)
        self._running, self._finished = (seq if going else None), False
        self.cancellable = self.cancellable and not (going and last)
        return going

    def finish(self) -> None:
        """Note that the running step is done; written with what comes next, at least before anything else is done."""
        self._finished = True

    def _end(self, tx: Tx, status: OperationStatus, error: ZcloudError | None = None) -> None:
        """End it, and wake the operation whose part it is."""
        tx.operations.end(self._due, status, None if error is None else error.to_record())
        if self.operation.parent_id is not None:
            tx.operations.wake_now(self.operation.parent_id)

    def _settle_finished(self, tx: Tx) -> None:
        if self._running is not None and self._finished:
            self._write(tx, replace(self._steps[self._running], status=StepStatus.DONE, ended_at=tx.now))

    def undo(self, error: ZcloudError) -> None:
        """Mark that undoing begins, and why; the step that was being done has failed."""

        def write(tx: Tx) -> None:
            tx.operations.undo(self._due, error.to_record())
            for step in self._steps:
                if step.status is StepStatus.RUNNING:
                    self._write(tx, replace(step, status=StepStatus.FAILED, ended_at=tx.now, detail=error.message))

        if self.error is None:
            self._transact(write)
        self.error = error
        self._running = None
        self.cancellable = False

    def settle(self, seq: int, status: StepStatus, detail: str = "") -> None:
        """Write how the undoing of a step went, or that its tidying was left."""
        step = self._steps[seq]

        def write(tx: Tx) -> None:
            tx.operations.hold(self._due)
            self._write(tx, replace(step, status=status, ended_at=tx.now, detail=detail or step.detail))

        self._transact(write)

    def progress(self, change: Callable[[StepRecord], StepRecord]) -> None:
        """Write how far the running step is (while one is undone, nothing)."""
        seq = self._running
        if seq is None:
            return

        def write(tx: Tx) -> None:
            tx.operations.hold(self._due, may_cancel=self.cancellable)
            self._write(tx, change(self._steps[seq]))

        self._transact(write)

    def park(self, parking: Parking) -> None:
        """Let go of the operation until it is woken or its time comes."""

        def write(tx: Tx) -> None:
            self._settle_finished(tx)
            tx.operations.park(self._due, parking.status, parking.reason, parking.wake_at, parking.blocked_on)
            if parking.news:
                self._tell(tx, f"operation.{parking.status}", parking.reason, status=parking.status)

        self._transact(write)

    def succeed(self, last_words: Callable[[Tx], None]) -> None:
        """End the operation well, in one transaction with the workflow's last words."""

        def write(tx: Tx) -> None:
            last_words(tx)
            self._settle_finished(tx)
            self._end(tx, OperationStatus.SUCCEEDED)
            self._tell(tx, "operation.ended", f"{self._title}: done.", status=OperationStatus.SUCCEEDED)
            self._ended_at = tx.now

        self._transact(write)
        self._count(OperationStatus.SUCCEEDED)

    def fail(self, status: OperationStatus, error: ZcloudError, last_words: Callable[[Tx], None]) -> None:
        """End the operation failed or cancelled, in one transaction with the workflow's last words."""

        def write(tx: Tx) -> None:
            last_words(tx)
            self._end(tx, status, error)
            message = f"{self._title}: {status}. {error.message}"
            self._tell(tx, "operation.ended", message, status=status, error=error.to_record())
            self._ended_at = tx.now

        self._transact(write)
        self._count(status)

    def _count(self, outcome: OperationStatus) -> None:
        operation, ended_at = self.operation, self._ended_at
        meter = meters.OPERATION_SECONDS.labels(operation.verb, operation.resource_kind, outcome.value)
        meter.observe((ended_at - operation.created_at).total_seconds())

    def _transact(self, body: Callable[[Tx], T]) -> T:
        """Run a transaction: the body, which is guarded by the epoch, and the steps that it changed.

        What it did to the steps counts only when it was committed (it may be repeated). The first one writes all
        steps, and announces the run.
        """
        before = self._steps

        def attempt(tx: Tx) -> T:
            self._steps = list(before)
            if not self._opened:
                self._tell(tx, "operation.started", f"{self._title}.", status=OperationStatus.RUNNING)
            result = body(tx)
            changed = [
                step for step, old in zip(self._steps, before, strict=True) if step is not old or not self._opened
            ]
            if changed:
                tx.operations.write_steps(self._due, changed)
            return result

        self.give_way()
        try:
            result = self._store.transact(attempt)
        except BaseException:
            self._steps = before
            raise
        self._opened = True
        return result

    def _write(self, tx: Tx, step: StepRecord) -> None:
        self._steps[step.seq] = step
        progress = {"done": step.done, "total": step.total} if step.total else {}
        self._tell(tx, "operation.step", step.title, step=step.name, step_status=step.status, **progress)

    def _tell(self, tx: Tx, kind: str, message: str, **data: Any) -> None:
        operation = self.operation
        tx.events.add(
            kind,
            resource_kind=operation.resource_kind,
            resource_id=operation.resource_id,
            resource_name=operation.resource_name,
            actor=operation.actor,
            project_id=operation.project_id,
            message=message,
            data={"operation_id": operation.id, "workflow": operation.workflow, "verb": operation.verb, **data},
        )
