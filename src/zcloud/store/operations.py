"""Operations, their steps, and the workers that run them.

Whatever a worker writes about an operation is guarded by the epoch under which it took it: after a takeover the
old worker's writes raise Superseded and change nothing. Times are the transaction's own ``tx.now``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Update, and_, bindparam, case, delete, exists, func, null, or_, select, update
from sqlalchemy.engine import RowMapping

from zcloud.domain.errors import Superseded, WrongState
from zcloud.domain.operation import ENDED, Operation, OperationStatus, StepRecord, StepStatus
from zcloud.store import schema
from zcloud.store.mapping import Mapper
from zcloud.store.repository import Records, Repository

TOPIC = "operations"  # there may be work
ENDED_TOPIC = "operations.ended"

_OPERATIONS = schema.operations
_STEPS = schema.operation_steps
_WORKERS = schema.workers
_COLUMNS = _OPERATIONS.c
_STEP_MAPPER = Mapper(StepRecord, _STEPS)
_HELD = (OperationStatus.RUNNING.value, OperationStatus.UNDOING.value)
_PARKED = (OperationStatus.WAITING.value, OperationStatus.BLOCKED.value)
_OVER = tuple(status.value for status in ENDED)
_OPEN = tuple(status.value for status in OperationStatus if status not in ENDED)
_GONE = ("delete", "forget", "remove", "trash")  # after these nothing is left that an earlier failure could trouble
_LOCKABLE = tuple(
    table for table in schema.metadata.sorted_tables if "operation_id" in table.c and table.name != _STEPS.name
)
# Statements that every run needs often are built once: building one and finding it compiled costs more than SQLite.
_MINE = (
    update(_OPERATIONS)
    .where(_COLUMNS.id == bindparam("due_id"), _COLUMNS.epoch == bindparam("due_epoch"), _COLUMNS.status.in_(_HELD))
    .returning(_COLUMNS.cancel_requested)
)
_PARK = _MINE.values(wake_at=func.coalesce(_COLUMNS.wake_at, bindparam("until", type_=_COLUMNS.wake_at.type)))
_TAKE = (
    update(_OPERATIONS)
    .where(_COLUMNS.id == bindparam("due_id"), _COLUMNS.epoch == bindparam("due_epoch"), _COLUMNS.status.not_in(_OVER))
    .values(
        status=case((_COLUMNS.error.is_(null()), OperationStatus.RUNNING.value), else_=OperationStatus.UNDOING.value),
        started_at=func.coalesce(_COLUMNS.started_at, bindparam("now", type_=_COLUMNS.started_at.type)),
    )
)
_PULSE = select(_COLUMNS.epoch, _COLUMNS.cancel_requested).where(_COLUMNS.id == bindparam("id"))
_HOLDERS = (
    select(_COLUMNS.id, _COLUMNS.epoch, _COLUMNS.worker_id)
    .where(_COLUMNS.status.in_(_HELD))
    .order_by(_COLUMNS.created_at, _COLUMNS.id)
)
_RUNNABLE = (
    select(_COLUMNS.id, _COLUMNS.epoch)
    .where(
        or_(
            _COLUMNS.status == OperationStatus.QUEUED.value,
            and_(_COLUMNS.status.in_(_PARKED), _COLUMNS.wake_at <= bindparam("now", type_=_COLUMNS.wake_at.type)),
        )
    )
    .order_by(_COLUMNS.created_at, _COLUMNS.id)
    .limit(bindparam("limit"))
)
_SOONEST = select(func.min(_COLUMNS.wake_at)).where(_COLUMNS.status.in_(_PARKED))
_STEPS_OF = select(_STEPS).where(_STEPS.c.operation_id.in_(bindparam("ids", expanding=True))).order_by(_STEPS.c.seq)
_ALL_WORKERS = select(_WORKERS).order_by(_WORKERS.c.started_at, _WORKERS.c.id)
_UNLOCK = tuple(
    update(table).where(table.c.operation_id == bindparam("due_id")).values(operation_id=None) for table in _LOCKABLE
)


class Due(NamedTuple):
    """An operation that a worker may take, and the epoch under which it was seen."""

    id: str
    epoch: int


class Pulse(NamedTuple):
    """What a running operation has to look at often: who holds it, and whether it is to stop."""

    epoch: int
    cancel_requested: bool


@dataclass(frozen=True, slots=True)
class Worker:
    """A process that runs operations. ``node`` names a machine and process space in which ``pid`` has a meaning."""

    id: str
    node: str
    pid: int
    roles: str
    started_at: datetime
    heartbeat_at: datetime


class QueueFacts(NamedTuple):
    """How much there is to do: operations that have not ended by their status, and the oldest queued one's time."""

    counts: Mapping[OperationStatus, int]
    oldest: datetime | None


@dataclass(frozen=True, slots=True)
class OperationQuery:
    """Which operations to list. ``projects``: those of these only (None: all, also those of no project).

    ``last``: leave out those after which the same was asked of the same thing again, or which are about what is gone.
    """

    projects: frozenset[str] | None = None
    status: tuple[OperationStatus, ...] = ()
    resource_kind: str = ""
    resource_id: str = ""
    actor: str = ""
    last: bool = False


class OperationRecords(Records[Operation, OperationQuery]):
    """What services ask of operations: record, find, wake, cancel, forget."""

    noun = "operation"
    sorts = ("created_at",)
    mapper = Mapper(Operation, _OPERATIONS)

    def add(self, record: Operation) -> Operation:
        """Record a queued operation (without steps: the engine knows them) and wake the workers."""
        self._scope.touch(TOPIC)
        return super().add(record)

    def request_cancel(self, operation_id: str) -> Operation:
        """Ask the worker to stop and undo at the next step; raises NotFound, WrongState once it is past that."""
        stoppable = and_(_COLUMNS.id == operation_id, _COLUMNS.may_cancel, _COLUMNS.status.not_in(_OVER))
        if not self._set(stoppable, cancel_requested=True):
            status = self.get(operation_id).status
            ended = f"It has ended already: {status}." if status in ENDED else "It is past the point of return."
            raise WrongState(f"The operation cannot be cancelled. {ended}")
        return self.wake_now(operation_id)

    def wake_now(self, operation_id: str) -> Operation:
        """Let a waiting or blocked operation go on now; one that is just about to park will not. Raises NotFound."""
        self._wake(_COLUMNS.id == operation_id)
        return self.get(operation_id)

    def wake_resource(self, kind: str, resource_id: str) -> None:
        """Wake the operations on a thing: something happened to it."""
        self._wake(and_(_COLUMNS.resource_kind == kind, _COLUMNS.resource_id == resource_id))

    def wake_host(self, host_id: str) -> None:
        """Wake the operations that are blocked on a host (or on one that was not named): it answers again."""
        here = or_(_COLUMNS.blocked_on == host_id, _COLUMNS.blocked_on.is_(None))
        self._wake(and_(_COLUMNS.status == OperationStatus.BLOCKED.value, here))

    def children(self, parent_id: str) -> list[Operation]:
        """Give the operations that another one began as its parts, oldest first."""
        return self._all(_COLUMNS.parent_id == parent_id, order=[_COLUMNS.created_at, _COLUMNS.id])

    def blocked_on(self, host_id: str) -> list[Operation]:
        """Give the operations that wait for a host to answer, oldest first."""
        blocked = and_(_COLUMNS.status == OperationStatus.BLOCKED.value, _COLUMNS.blocked_on == host_id)
        return self._all(blocked, order=[_COLUMNS.created_at, _COLUMNS.id])

    def queue(self) -> QueueFacts:
        """Give how many operations have not ended, by their status, and since when the oldest queued one waits."""
        still = select(_COLUMNS.status, func.count(), func.min(_COLUMNS.created_at)).where(_COLUMNS.status.in_(_OPEN))
        found = {OperationStatus(row[0]): row[1:] for row in self._db.execute(still.group_by(_COLUMNS.status))}
        queued = found.get(OperationStatus.QUEUED)
        return QueueFacts({status: int(row[0]) for status, row in found.items()}, queued[1] if queued else None)

    def prune(self, before: datetime, limit: int = 1000) -> int:
        """Forget at most ``limit`` operations that ended before a time, with their steps; gives how many."""
        old = and_(_COLUMNS.status.in_(_OVER), _COLUMNS.ended_at < before)
        ids = list(self._db.execute(select(_COLUMNS.id).where(old).limit(limit)).scalars())
        if ids:
            self._db.execute(delete(_STEPS).where(_STEPS.c.operation_id.in_(ids)))
            self._db.execute(delete(_OPERATIONS).where(_COLUMNS.id.in_(ids)))
        return len(ids)

    def end_unfinished(self, error: Mapping[str, Any], only: Collection[str] | None = None) -> list[Operation]:
        """End operations as failed that have not ended (all, or ``only`` those), and release their locks.

        Who holds one writes nothing more of it. Gives the operations as they were.
        """
        still = _COLUMNS.status.not_in(_OVER)
        which = still if only is None else and_(still, _COLUMNS.id.in_(list(only)))
        unfinished = self._all(which, order=[_COLUMNS.created_at, _COLUMNS.id])
        ids = [each.id for each in unfinished]
        ended = {"status": OperationStatus.FAILED.value, "error": dict(error), "ended_at": self._scope.now}
        free = {"may_cancel": False, "worker_id": None, "wake_at": None, "wait_reason": "", "blocked_on": None}
        self._set(_COLUMNS.id.in_(ids), epoch=_COLUMNS.epoch + 1, **ended, **free)
        begun = and_(_STEPS.c.operation_id.in_(ids), _STEPS.c.status == StepStatus.RUNNING.value)
        self._db.execute(update(_STEPS).where(begun).values(status=StepStatus.LEFT.value, ended_at=self._scope.now))
        for table in _LOCKABLE:
            held = table.c.operation_id.is_not(None) if only is None else table.c.operation_id.in_(ids)
            self._db.execute(update(table).where(held).values(operation_id=None))
        if ids:
            self._scope.touch(ENDED_TOPIC)
        return unfinished

    def _set(self, which: ColumnElement[bool], **values: Any) -> int:
        return self._db.execute(update(_OPERATIONS).where(which).values(**values)).rowcount

    def _wake(self, which: ColumnElement[bool]) -> None:
        if self._set(and_(which, _COLUMNS.status.not_in(_OVER)), wake_at=self._scope.now):
            self._scope.touch(TOPIC)

    def _where(self, filter: OperationQuery) -> list[ColumnElement[bool]]:
        conditions: list[ColumnElement[bool]] = []
        if filter.projects is not None:
            conditions.append(_COLUMNS.project_id.in_(sorted(filter.projects)))
        if filter.status:
            conditions.append(_COLUMNS.status.in_([each.value for each in filter.status]))
        if filter.last:
            conditions.append(~_overtaken())
        plain = {name: getattr(filter, name) for name in ("resource_kind", "resource_id", "actor")}
        return conditions + [_COLUMNS[name] == wanted for name, wanted in plain.items() if wanted]

    def _records(self, rows: Sequence[RowMapping]) -> list[Operation]:
        steps: dict[str, list[StepRecord]] = {row["id"]: [] for row in rows}
        for step in self._db.execute(_STEPS_OF, {"ids": list(steps)}).mappings() if rows else ():
            steps[step["operation_id"]].append(_STEP_MAPPER.to_record(step))
        return [self.mapper.to_record(row, steps=tuple(steps[row["id"]])) for row in rows]


def _overtaken() -> ColumnElement[bool]:
    later = _OPERATIONS.alias().c
    gone = and_(later.verb.in_(_GONE), later.status == OperationStatus.SUCCEEDED.value)
    same = and_(later.resource_kind == _COLUMNS.resource_kind, later.resource_id == _COLUMNS.resource_id)
    newer = later.created_at > _COLUMNS.created_at
    return exists().where(same, newer, or_(later.verb == _COLUMNS.verb, gone))


class Operations(OperationRecords):
    """What the engine asks besides: which are due, and everything that only their holder may write."""

    def runnable(self, limit: int) -> list[Due]:
        """Give operations that are queued, or parked with their time come; oldest first."""
        return [Due(*row) for row in self._db.execute(_RUNNABLE, {"now": self._scope.now, "limit": limit})]

    def held(self) -> list[tuple[Due, str]]:
        """Give the operations that workers hold, each with the id of its worker."""
        return [(Due(row[0], row[1]), str(row[2])) for row in self._db.execute(_HOLDERS)]

    def unfinished(self) -> set[str]:
        """Give the ids of the operations that have not ended."""
        return set(self._db.execute(select(_COLUMNS.id).where(_COLUMNS.status.not_in(_OVER))).scalars())

    def next_wake(self) -> datetime | None:
        """Give the time at which the next parked operation is due, if there is one."""
        return self._db.execute(_SOONEST).scalar()

    def take(self, due: Due, worker_id: str) -> Operation | None:
        """Make a worker the holder under the next epoch; None where somebody else was faster."""
        free = {"wake_at": None, "wait_reason": "", "blocked_on": None}
        mine = {"due_id": due.id, "due_epoch": due.epoch, "epoch": due.epoch + 1, "worker_id": worker_id}
        taken = self._db.execute(_TAKE, {**mine, **free, "now": self._scope.now}).rowcount
        return self.get(due.id) if taken else None

    def pulse(self, operation_id: str) -> Pulse:
        """Give who holds the operation and whether it is to stop: one small read; raises NotFound."""
        row = self._db.execute(_PULSE, {"id": operation_id}).first()
        if row is None:
            raise self._missing(operation_id)
        return Pulse(*row)

    def undo(self, due: Due, error: Mapping[str, Any]) -> None:
        """Mark that the operation is being undone, and why; raises Superseded."""
        self._guarded(due, status=OperationStatus.UNDOING.value, may_cancel=False, error=dict(error))

    def hold(self, due: Due, *, may_cancel: bool = False) -> bool:
        """Take the row's lock, and say whether a cancel was requested; raises Superseded.

        Without ``may_cancel`` none can be requested from now on.
        """
        return self._guarded(due, may_cancel=may_cancel)

    def park(self, due: Due, status: OperationStatus, reason: str, wake_at: datetime, blocked_on: str = "") -> None:
        """Let go of the operation until ``wake_at``, or at once if it was woken meanwhile; raises Superseded."""
        self._guarded(
            due,
            _PARK,
            status=status.value,
            worker_id=None,
            wait_reason=reason,
            blocked_on=blocked_on or None,
            until=wake_at,
        )
        self._scope.touch(TOPIC)

    def end(self, due: Due, status: OperationStatus, error: Mapping[str, Any] | None = None) -> None:
        """End the operation and release every lock it holds; raises Superseded."""
        self._guarded(
            due,
            status=status.value,
            error=None if error is None else dict(error),
            may_cancel=False,
            worker_id=None,
            ended_at=self._scope.now,
        )
        self._scope.touch(ENDED_TOPIC)
        for statement in _UNLOCK:
            self._db.execute(statement, {"due_id": due.id})

    def write_steps(self, due: Due, steps: Sequence[StepRecord]) -> None:
        """Write steps as they are now, whole rows, for the run that holds the row in this transaction."""
        names = tuple(column.name for column in _STEPS.c if not column.primary_key)
        upsert = self._scope.upsert(_STEPS, ("operation_id", "seq"), names)
        self._db.execute(upsert, [{"operation_id": due.id, **_STEP_MAPPER.to_row(step)} for step in steps])

    def _guarded(self, due: Due, statement: Update = _MINE, **values: Any) -> bool:
        """Change the operation if it is still held under that epoch; says whether a cancel was requested."""
        row = self._db.execute(statement, {"due_id": due.id, "due_epoch": due.epoch, **values}).first()
        if row is None:
            raise Superseded("Another worker has taken this operation over.")
        return bool(row[0])


class Workers(Repository):
    """The workers of one transaction."""

    mapper = Mapper(Worker, _WORKERS)

    def heartbeat(self, worker: Worker) -> None:
        """Say that a worker lives, registering it the first time (or when somebody had removed it)."""
        now = self._scope.now
        row = {**self.mapper.to_row(worker), "heartbeat_at": now}
        self._db.execute(self._scope.upsert(_WORKERS, ("id",), ("heartbeat_at",)), row)

    def all(self) -> list[Worker]:
        """Give every registered worker, the oldest first."""
        return [self.mapper.to_record(row) for row in self._db.execute(_ALL_WORKERS).mappings()]

    def alive(self, within: timedelta) -> list[Worker]:
        """Give the workers whose last heartbeat is not older (for showing; the engine watches for itself)."""
        return [worker for worker in self.all() if self._scope.now - worker.heartbeat_at <= within]

    def remove(self, worker_id: str) -> None:
        """Take a worker off the register: it stopped, or is known to be dead."""
        self._db.execute(delete(_WORKERS).where(_WORKERS.c.id == worker_id))
