"""What all repositories share: the transaction they work in, and the verbs that every noun has.

Statements that are run often are built once: to build one and to find that it was compiled before costs four times as
much as to run it (130 and 30 us on SQLite).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, ClassVar, Generic, TypeVar, cast

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Select,
    Table,
    Update,
    bindparam,
    case,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import RowMapping
from sqlalchemy.sql.dml import ReturningInsert, ReturningUpdate

from zcloud.domain.errors import Busy, InvalidInput, NotFound, RevisionMismatch
from zcloud.store.errors import article, plain_words
from zcloud.store.mapping import Mapper
from zcloud.store.pages import Order, Page, finish
from zcloud.store.schema import operations
from zcloud.store.sealing import Sealer

R = TypeVar("R")
F = TypeVar("F")
Columns = tuple[Column[Any], ...]


@dataclass(slots=True)
class Scope:
    """One transaction, as its repositories share it."""

    connection: Connection
    now: datetime
    writable: bool
    sealer: Sealer | None = None
    topics: set[str] = field(default_factory=set)
    events: list[dict[str, Any]] = field(default_factory=list)
    audit: list[dict[str, Any]] = field(default_factory=list)

    @property
    def is_postgres(self) -> bool:
        """Say whether the store is PostgreSQL (else SQLite)."""
        return self.connection.dialect.name == "postgresql"

    def touch(self, topic: str) -> None:
        """Have the subscribers of ``topic`` called after the commit."""
        self.topics.add(topic)

    def insert(self, table: Table) -> sqlite.Insert:
        """Give an INSERT that knows ON CONFLICT (both dialects spell it alike)."""
        return cast("sqlite.Insert", postgresql.insert(table)) if self.is_postgres else sqlite.insert(table)

    def upsert(self, table: Table, keys: tuple[str, ...], change: tuple[str, ...]) -> sqlite.Insert:
        """Give the INSERT of whole rows that changes some columns of a row whose ``keys`` are there already."""
        return _upsert(table, keys, change, postgres=self.is_postgres)

    def add_up(self, table: Table, keys: tuple[str, ...], column: str) -> ReturningInsert[Any]:
        """Give the INSERT of whole rows that adds a column to that of the row that is there, and gives the sum."""
        return _add_up(table, keys, column, postgres=self.is_postgres)

    def hold(self, table: Table, key: str) -> None:
        """Keep a row from other writers until the commit; on SQLite a writer is alone anyway."""
        if self.writable and self.is_postgres:
            # NO KEY UPDATE: rows that only refer to this one may still be added.
            self.connection.execute(select(table.c.id).where(table.c.id == key).with_for_update(key_share=True))


@cache
def select_by(columns: Columns, names: tuple[str, ...], order: tuple[str, ...]) -> Select[Any]:
    """Give the SELECT of rows by the values of some columns, built once; its parameters have the columns' names."""
    table = columns[0].table
    wanted = [table.c[name] == bindparam(name) for name in names]
    return select(*columns).where(*wanted).order_by(*(table.c[name] for name in order))


@cache
def _select_many(columns: Columns, key: str) -> Select[Any]:
    table = columns[0].table
    return select(*columns).where(table.c[key].in_(bindparam("keys", expanding=True))).order_by(table.c[key])


@cache
def _update_by(columns: Columns, key: str, *, bump: bool, expect: bool) -> ReturningUpdate[Any]:
    """Give the UPDATE of one row, by ``the_key``, to the values that its other parameters name."""
    table = columns[0].table
    statement = update(table).where(table.c[key] == bindparam("the_key"))
    if expect:
        statement = statement.where(table.c.revision == bindparam("the_revision"))
    if bump:
        statement = statement.values(revision=table.c.revision + 1)
    return statement.returning(*columns)


@cache
def _upsert(table: Table, keys: tuple[str, ...], change: tuple[str, ...], *, postgres: bool) -> sqlite.Insert:
    added = cast("sqlite.Insert", postgresql.insert(table)) if postgres else sqlite.insert(table)
    return added.on_conflict_do_update(index_elements=keys, set_={name: added.excluded[name] for name in change})


@cache
def _add_up(table: Table, keys: tuple[str, ...], column: str, *, postgres: bool) -> ReturningInsert[Any]:
    added = cast("sqlite.Insert", postgresql.insert(table)) if postgres else sqlite.insert(table)
    sums = {column: table.c[column] + added.excluded[column]}
    return added.on_conflict_do_update(index_elements=keys, set_=sums).returning(table.c[column])


class Repository:
    """Rows of one group of tables within one transaction."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._db = scope.connection


class Records(Repository, Generic[R, F]):
    """The verbs of a noun. ``F`` is the filter of its pages (None: it has none)."""

    noun: ClassVar[str]
    sorts: ClassVar[tuple[str, ...]] = ("name", "created_at")
    mapper: Mapper[R]

    @property
    def table(self) -> Table:
        """The noun's table."""
        return self.mapper.table

    @property
    def key(self) -> Column[str]:
        """The column that names a row."""
        return next(iter(self.table.primary_key.columns))

    def get(self, id: str) -> R:
        """Give the record; raises NotFound."""
        found = self._by({self.key.name: id})
        if not found:
            raise self._missing(id)
        return found[0]

    def many(self, ids: Iterable[str]) -> dict[str, R]:
        """Give those of the records that are there, by id, in one query."""
        wanted = list(dict.fromkeys(ids))
        found: list[R] = []
        if wanted:
            rows = self._db.execute(_select_many(self.mapper.columns, self.key.name), {"keys": wanted})
            found = self._records(rows.mappings().all())
        return {getattr(record, self.key.name): record for record in found}

    def all(self) -> list[R]:
        """Give every record, in the order of the first sort: for small tables."""
        return self._all(order=[self.table.c[self.sorts[0]], self.key])

    def add(self, record: R) -> R:
        """Add a record and give it back; raises AlreadyExists, NotFound (it refers to something absent)."""
        with plain_words(self.noun, self._label(record)):
            self._db.execute(self.table.insert(), self.mapper.to_row(record))
        return record

    def update(self, id: str, *, expect_revision: int | None = None, bump: bool = False, **changes: Any) -> R:
        """Change fields and give the new record.

        The revision grows only with ``bump``. Raises NotFound, RevisionMismatch, AlreadyExists.
        """
        values = self.mapper.encode(changes)
        if "updated_at" in self.table.c:
            values.setdefault("updated_at", self._scope.now)
        values = values or {self.key.name: id}  # nothing changes, but the revision is compared
        expect = expect_revision is not None
        statement = _update_by(self.mapper.columns, self.key.name, bump=bump, expect=expect)
        which = {"the_key": id, **({"the_revision": expect_revision} if expect else {})}
        with plain_words(self.noun, str(changes.get("name", id))):
            row = self._db.execute(statement, {**which, **values}).mappings().one_or_none()
        if row is None:
            self.get(id)
            raise RevisionMismatch(f"The {self.noun} was changed since revision {expect_revision}.", noun=self.noun)
        return self._records([row])[0]

    def delete(self, id: str) -> None:
        """Remove the record; raises NotFound, InUse."""
        with plain_words(self.noun, id, deleting=True):
            removed = self._db.execute(self.table.delete().where(self.key == id)).rowcount
        if not removed:
            raise self._missing(id)

    def page(
        self,
        filter: F | None = None,
        *,
        sort: str = "name",
        cursor: str | None = None,
        limit: int = 50,
        count: bool = False,
    ) -> Page[R]:
        """Give one page in the order of ``sort`` ("name", "-name", ...); ``count`` also counts all rows.

        Raises InvalidInput (an unknown sort, a foreign cursor, a limit out of bounds).
        """
        if sort.removeprefix("-") not in self.sorts:
            raise InvalidInput(f"Cannot sort by {sort[:60]!r}.", hint=f"Known: {', '.join(self.sorts)}.", field="sort")
        order = Order(sort, self.table.c[sort.removeprefix("-")], self.key)
        where = self._where(filter) if filter is not None else []
        rows = self._db.execute(order.apply(select(*self.mapper.columns).where(*where), cursor, limit))
        total = None
        if count:
            total = self._db.execute(select(func.count()).select_from(self.table).where(*where)).scalar_one()
        return finish(order, self._records(rows.mappings().all()), limit, total)

    def _where(self, filter: F) -> list[ColumnElement[bool]]:
        """Give the conditions of a filter."""
        raise NotImplementedError(f"{self.noun} has no filter {filter!r}")

    def _records(self, rows: Sequence[RowMapping]) -> list[R]:
        """Make the records of rows; a noun with parts in other tables fetches them for all rows at once."""
        return [self.mapper.to_record(row) for row in rows]

    def _by(self, values: Mapping[str, Any], *, order: tuple[str, ...] = ()) -> list[R]:
        """Give the records with these values in columns, by a statement that is built once."""
        statement = select_by(self.mapper.columns, tuple(values), order or (self.key.name,))
        return self._records(self._db.execute(statement, dict(values)).mappings().all())

    def _all(self, *where: ColumnElement[bool], order: Sequence[ColumnElement[Any]] = ()) -> list[R]:
        statement = select(*self.mapper.columns).where(*where).order_by(*(order or [self.key]))
        return self._records(self._db.execute(statement).mappings().all())

    def _first(self, *where: ColumnElement[bool], order: Sequence[ColumnElement[Any]] = ()) -> R | None:
        statement = select(*self.mapper.columns).where(*where).order_by(*(order or [self.key])).limit(1)
        rows = self._records(self._db.execute(statement).mappings().all())
        return rows[0] if rows else None

    def _label(self, record: R) -> str:
        """Give what people call a record."""
        return str(getattr(record, "name", "") or getattr(record, self.key.name))

    def _missing(self, name: str) -> NotFound:
        return NotFound(f"There is no {self.noun} {name[:80]!r}.", noun=self.noun)


class Named(Records[R, F]):
    """A noun whose rows have names."""

    def find(self, name: str) -> R | None:
        """Give the record of that name, or None."""
        return self._first(self.table.c.name == name)

    def resolve(self, name_or_id: str) -> R:
        """Give the record of that id or else name; raises NotFound."""
        return self._resolve(name_or_id)

    def _resolve(self, name_or_id: str, *where: ColumnElement[bool], order: Sequence[ColumnElement[Any]] = ()) -> R:
        named = or_(self.key == name_or_id, self.table.c.name == name_or_id)
        by_id_first = case((self.key == name_or_id, 0), else_=1)
        found = self._first(named, *where, order=[by_id_first, *order, self.key])
        if found is None:
            raise self._missing(name_or_id)
        return found


@cache
def _lock(table: Table, key: str) -> Update:
    held = table.c.operation_id
    free = or_(held.is_(None), held == bindparam("holder"))
    return update(table).where(table.c[key] == bindparam("the_key"), free).values(operation_id=bindparam("holder"))


class Lockable(Named[R, F]):
    """A noun on which one operation at a time works; ``operation_id`` of its row is the lock."""

    def lock(self, id: str, operation_id: str) -> None:
        """Give the row to an operation (again to the same one is fine); raises Busy, NotFound."""
        statement = _lock(self.table, self.key.name)
        if not self._db.execute(statement, {"the_key": id, "holder": operation_id}).rowcount:
            raise self._busy(id)

    def unlock(self, id: str, operation_id: str) -> None:
        """Take the row back from an operation; one that does not hold it changes nothing."""
        held = [self.key == id, self.table.c.operation_id == operation_id]
        self._db.execute(update(self.table).where(*held).values(operation_id=None))

    def locked_by(self, id: str) -> str | None:
        """Give the operation that works on the row; raises NotFound."""
        row = self._db.execute(select(self.table.c.operation_id).where(self.key == id)).one_or_none()
        if row is None:
            raise self._missing(id)
        return cast("str | None", row[0])

    def _busy(self, id: str) -> Busy:
        record = self.get(id)
        holder = self.locked_by(id)
        verb = self._db.execute(select(operations.c.verb).where(operations.c.id == holder)).scalar() or "other"
        return Busy(
            f"{article(verb).capitalize()} {verb} operation works on the {self.noun} {getattr(record, 'name', id)!r}.",
            operation=holder,
            noun=self.noun,
        )


def only(project_id: str | None) -> frozenset[str] | None:
    """Give the filter of one project; None is all."""
    return None if project_id is None else frozenset({project_id})
