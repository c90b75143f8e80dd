"""Events and the audit log, numbered so that the order of numbers is the order of commits.

Entries are collected during a transaction and numbered at its end, under the counter's row lock: numbers have no
gaps, a reader that has seen number n never finds a smaller one later, and the lock is held for a moment only.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Required, TypedDict, Unpack

from sqlalchemy import ColumnElement, Table, delete, func, or_, select

from zcloud.domain.operation import AuditEntry, Event
from zcloud.store import schema
from zcloud.store.mapping import Mapper
from zcloud.store.repository import Repository, Scope

TOPIC = "events"
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

    def after(
        self,
        seq: int,
        *,
        limit: int = 100,
        project_ids: Collection[str] | None = None,
        kinds: Collection[str] = (),
        resource_id: str | None = None,
    ) -> list[Event]:
        """Give events with greater numbers, in order.

        ``project_ids`` leaves out other projects' and those of no project (None: all); a kind that ends in a dot
        ("instance.") means all that begin so.
        """
        where: list[ColumnElement[bool]] = [_E.seq > seq]
        if project_ids is not None:
            where.append(_E.project_id.in_(list(project_ids)))
        if kinds:
            exact = [kind for kind in kinds if not kind.endswith(".")]
            begins = [_E.kind.startswith(kind, autoescape=True) for kind in kinds if kind.endswith(".")]
            where.append(or_(_E.kind.in_(exact), *begins))
        if resource_id is not None:
            where.append(_E.resource_id == resource_id)
        rows = self._db.execute(select(*self._mapper.columns).where(*where).order_by(_E.seq).limit(limit)).mappings()
        return [self._mapper.to_record(row) for row in rows]

    def first_seq(self) -> int:
        """Give the number of the oldest event that is kept (one more than the last where none is)."""
        found = self._db.execute(select(func.min(_E.seq))).scalar()
        return self.last_seq() + 1 if found is None else int(found)

    def last_seq(self) -> int:
        """Give the number of the last event (0: there never was one)."""
        return _last(self._scope, "events")

    def prune(self, before: datetime) -> int:
        """Remove older events and give how many."""
        return self._db.execute(delete(schema.events).where(_E.time < before)).rowcount


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

    def prune(self, before: datetime) -> int:
        """Remove older entries and give how many."""
        return self._db.execute(delete(schema.audit).where(_A.time < before)).rowcount


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
    counters, count = schema.counters, len(entries)
    added = scope.insert(counters).values(name=table.name, value=count)
    grown = added.on_conflict_do_update(index_elements=["name"], set_={"value": counters.c.value + count})
    last = int(scope.connection.execute(grown.returning(counters.c.value)).scalar_one())
    rows = [{"seq": last - count + place, **entry} for place, entry in enumerate(entries, 1)]
    scope.connection.execute(table.insert(), rows)


def _last(scope: Scope, name: str) -> int:
    counters = schema.counters.c
    return int(scope.connection.execute(select(counters.value).where(counters.name == name)).scalar() or 0)
