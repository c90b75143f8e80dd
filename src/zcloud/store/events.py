"""Events and the audit log, numbered so that the order of numbers is the order of commits.

Entries are collected during a transaction and numbered at its end, under the counter's row lock: numbers have no
gaps, a reader that has seen number n never finds a smaller one later, and the lock is held for a moment only.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Required, TypedDict, Unpack

from sqlalchemy import ColumnElement, Select, Table, delete, func, or_, select

from zcloud.domain.operation import AuditEntry, Event
from zcloud.domain.reconcile import LostEvents
from zcloud.store import schema
from zcloud.store.mapping import Mapper
from zcloud.store.repository import Repository, Scope

TOPIC = "events"
LEAP = 10**9  # numbers between two lives of a store: more events than a cloud has in one
_LOST_KEY, _LOST_KEPT = "events.lost", 20
_E, _A = schema.events.c, schema.audit.c


class EventFields(TypedDict, total=False):
    """What an event is about, who caused it, a sentence for people, and plain JSON values for programs."""

    resource_kind: Required[str]
    resource_id: Required[str]
    resource_name: Required[str]
    project_id: str | None
    actor: str
    message: str
    data: Mapping[str, Any]


class EventFilter(TypedDict, total=False):
    """Which events: ``project_ids`` leaves out other projects' and those of no project (None: all).

    A kind that ends in a dot ("instance.") means all that begin so.
    """

    project_ids: Collection[str] | None
    kinds: Collection[str]
    resource_id: str | None


class AuditFields(TypedDict, total=False):
    """Who asked, from where, for what, and how it was answered ("ok", or the error's code)."""

    actor: Required[str]
    outcome: Required[str]
    address: str
    request_id: str
    resource: str
    detail: str


_NO_EVENT: Mapping[str, Any] = {"project_id": None, "actor": "", "message": "", "data": {}}
_NO_ENTRY: Mapping[str, str] = {"address": "", "request_id": "", "resource": "", "detail": ""}


class Events(Repository):
    """What happened."""

    _mapper = Mapper(Event, schema.events)

    def add(self, kind: str, **fields: Unpack[EventFields]) -> None:
        """Record that something happened; the event gets its number when the transaction commits."""
        self._scope.events.append({**_NO_EVENT, **fields, "kind": kind, "time": self._scope.now})
        self._scope.touch(TOPIC)

    def after(self, seq: int, *, limit: int = 100, **which: Unpack[EventFilter]) -> list[Event]:
        """Give events with greater numbers, in order."""
        return self._some(select(*self._mapper.columns).where(_E.seq > seq).order_by(_E.seq).limit(limit), which)

    def newest(self, limit: int, *, before: int = 0, **which: Unpack[EventFilter]) -> list[Event]:
        """Give the newest events, those with smaller numbers than ``before`` where that is not 0, the newest first."""
        query = select(*self._mapper.columns).order_by(_E.seq.desc()).limit(limit)
        return self._some(query.where(_E.seq < before) if before else query, which)

    def touched(self, seq: int, limit: int, project_ids: Collection[str] | None) -> list[tuple[int, str, str]]:
        """Give number, kind and id of what each event with a greater number is about, in order."""
        query = select(_E.seq, _E.resource_kind, _E.resource_id).where(_E.seq > seq).order_by(_E.seq).limit(limit)
        if project_ids is not None:
            query = query.where(_E.project_id.in_(list(project_ids)))
        return [(number, kind, id) for number, kind, id in self._db.execute(query)]

    def _some(self, query: Select[Any], which: EventFilter) -> list[Event]:
        projects, kinds, resource_id = which.get("project_ids"), which.get("kinds", ()), which.get("resource_id")
        if projects is not None:
            query = query.where(_E.project_id.in_(list(projects)))
        if kinds:
            exact = [kind for kind in kinds if not kind.endswith(".")]
            begins = [_E.kind.startswith(kind, autoescape=True) for kind in kinds if kind.endswith(".")]
            query = query.where(or_(_E.kind.in_(exact), *begins))
        if resource_id is not None:
            query = query.where(_E.resource_id == resource_id)
        return [self._mapper.to_record(row) for row in self._db.execute(query).mappings()]

    def first_seq(self, after: int = 0) -> int:
        """Give the number of the oldest event kept after ``after`` (one more than the last where none is)."""
        found = self._db.execute(select(func.min(_E.seq)).where(_E.seq > after)).scalar()
        return self.last_seq() + 1 if found is None else int(found)

    def last_seq(self) -> int:
        """Give the number of the last event (0: there never was one)."""
        return _last(self._scope, "events")

    def missed(self, seq: int) -> bool:
        """Say whether events after ``seq`` happened and are not there any more: forgotten, or lost with a restore."""
        if any(seq < before - 1 for _, before in self._lost()):
            return True
        return seq > self.last_seq() or seq < self.first_seq() - 1

    def leap(self) -> LostEvents:
        """Go on counting events and audit entries far above every number that was given out since a backup."""
        for name in (schema.events.name, schema.audit.name):
            last = _last(self._scope, name)
            target = (last // LEAP + 1) * LEAP
            raised = self._scope.insert(schema.counters).values(name=name, value=target)
            self._db.execute(raised.on_conflict_do_update(index_elements=["name"], set_={"value": target}))
            if name == schema.events.name:
                lost = LostEvents(last, target + 1)
        kept = [*self._lost(), (lost.after, lost.before)][-_LOST_KEPT:]
        row = self._scope.insert(schema.settings).values(key=_LOST_KEY, value=[list(each) for each in kept])
        changed = {"value": row.excluded.value}
        self._db.execute(row.on_conflict_do_update(index_elements=["key"], set_=changed))
        return lost

    def prune(self, before: datetime, rows: int, limit: int = 1000) -> int:
        """Remove at most ``limit`` events that are older, or more than ``rows``, from the oldest on; gives how many."""
        return _prune(self._scope, schema.events, before, rows, limit)

    def _lost(self) -> list[tuple[int, int]]:
        query = select(schema.settings.c.value).where(schema.settings.c.key == _LOST_KEY)
        return [(int(after), int(before)) for after, before in self._db.execute(query).scalar() or ()]


class Audit(Repository):
    """Who asked for what, and how it was answered."""

    _mapper = Mapper(AuditEntry, schema.audit)

    def add(self, action: str, **fields: Unpack[AuditFields]) -> None:
        """Record a request, whatever it contains; the entry gets its number when the transaction commits."""
        entry = {**_NO_ENTRY, **fields, "action": action}
        self._scope.audit.append({name: _tame(value) for name, value in entry.items()} | {"time": self._scope.now})

    def before(self, seq: int | None = None, *, limit: int = 100, actor: str | None = None) -> list[AuditEntry]:
        """Give the entries with smaller numbers (None: the last ones), newest first."""
        where: list[ColumnElement[bool]] = [] if seq is None else [_A.seq < seq]
        if actor is not None:
            where.append(_A.actor == actor)
        newest = select(*self._mapper.columns).where(*where).order_by(_A.seq.desc()).limit(limit)
        return [self._mapper.to_record(row) for row in self._db.execute(newest).mappings()]

    def last_seq(self) -> int:
        """Give the number of the last entry (0: there never was one)."""
        return _last(self._scope, "audit")

    def prune(self, before: datetime, rows: int, limit: int = 1000) -> int:
        """Remove at most ``limit`` entries that are older, or more than ``rows``; gives how many."""
        return _prune(self._scope, schema.audit, before, rows, limit)


def _tame(value: Any) -> str:
    """Give a hostile text as the store can keep it."""
    return str(value).encode(errors="replace").decode().replace("\0", "?")[:255]


def number(scope: Scope) -> None:
    """Write what the transaction collected; the last thing before its commit."""
    _number(scope, schema.events, scope.events)
    _number(scope, schema.audit, scope.audit)


def _number(scope: Scope, table: Table, entries: list[dict[str, Any]]) -> None:
    if not entries:
        return
    count = len(entries)
    grown = scope.add_up(schema.counters, ("name",), "value")
    last = int(scope.connection.execute(grown, {"name": table.name, "value": count}).scalar_one())
    rows = [{"seq": last - count + place, **entry} for place, entry in enumerate(entries, 1)]
    scope.connection.execute(table.insert(), rows)


def _prune(scope: Scope, table: Table, before: datetime, rows: int, limit: int) -> int:
    """Remove from the beginning on, so that what is left has no gaps; some that are old may follow a younger one."""
    columns = table.c
    oldest = scope.connection.execute(select(columns.seq, columns.time).order_by(columns.seq).limit(limit)).all()
    ages = [seq for seq, time in oldest if time < before]
    surplus = _last(scope, table.name) - rows
    last = max([seq for seq, _ in oldest if seq <= surplus] + ages, default=None)
    if last is None:
        return 0
    return scope.connection.execute(delete(table).where(columns.seq <= last)).rowcount


def _last(scope: Scope, name: str) -> int:
    counters = schema.counters.c
    return int(scope.connection.execute(select(counters.value).where(counters.name == name)).scalar() or 0)
