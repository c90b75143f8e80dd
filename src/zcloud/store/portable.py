"""The store as plain blocks of rows: the same for SQLite and PostgreSQL, and for whatever schema it has.

Tables are reflected, not taken from ``schema``: a store of an older version can be written, and what an older version
wrote can be read into a schema of its revision and migrated from there. Rows come in the order of foreign keys.
"""

from __future__ import annotations

import base64
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import JSON, Column, Connection, LargeBinary, MetaData, Table, func, select, text
from sqlalchemy.exc import SAWarning

# What means nothing in another life of the cloud, or is not worth its size.
LEFT_OUT = frozenset({"alembic_version", "workers", "sessions", "tickets", "samples"})
_ROWS = 500  # in one block


@dataclass(frozen=True, slots=True)
class Block:
    """Some rows of one table as plain JSON values, in the order of ``columns``; bytes are base64."""

    table: str
    columns: tuple[str, ...]
    rows: Sequence[Sequence[Any]]


class Export:
    """A store as a transaction of ``connection`` sees it; ``revision`` is its schema's (None: it has none)."""

    def __init__(self, connection: Connection, revision: str | None) -> None:
        self.revision = revision
        self._connection = connection
        self._all = {table.name: table for table in _tables(connection)}
        wait_for_ever(connection)

    def counts(self) -> dict[str, int]:
        """Give how many rows there are by table."""
        return {table.name: self._count(table) for table in self._written()}

    def blocks(self) -> Iterator[Block]:
        """Give all rows, a block at a time; they may be consumed slowly."""
        for table in self._written():
            plain = [_to_plain(column) for column in table.columns]
            query = select(table).order_by(*table.primary_key.columns)
            for part in self._connection.execute(query, execution_options={"yield_per": _ROWS}).partitions():
                rows = [[convert(value) for convert, value in zip(plain, row, strict=True)] for row in part]
                yield Block(table.name, tuple(table.columns.keys()), rows)

    def rows(self, name: str, *columns: str) -> list[dict[str, Any]]:
        """Give some columns of a small table (all: without a name); none where there is no such table."""
        table = self._all.get(name)
        if table is None:
            return []
        wanted = [table.columns[each] for each in columns or table.columns.keys() if each in table.columns]
        query = select(*wanted).order_by(*table.primary_key.columns)
        return [dict(row) for row in self._connection.execute(query).mappings()]

    def _written(self) -> list[Table]:
        return [table for table in self._all.values() if table.name not in LEFT_OUT]

    def _count(self, table: Table) -> int:
        return int(self._connection.execute(select(func.count()).select_from(table)).scalar_one())


def load(connection: Connection, blocks: Iterable[Block]) -> None:
    """Add rows to a schema that has their tables and columns; raises KeyError for one that it has not."""
    wait_for_ever(connection)
    tables = {table.name: table for table in _tables(connection)}
    for block in blocks:
        table = tables[block.table]
        columns = [table.columns[name] for name in block.columns]
        convert = [_from_plain(column) for column in columns]
        rows = [_row(columns, convert, row) for row in block.rows]
        if rows:
            connection.execute(table.insert(), rows)


def wait_for_ever(connection: Connection) -> None:
    """Let PostgreSQL not end the transaction while its client is busy with a slow disk."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))


def _row(columns: Sequence[Column[Any]], convert: Sequence[Any], row: Sequence[Any]) -> Mapping[str, Any]:
    return {column.name: each(value) for column, each, value in zip(columns, convert, row, strict=True)}


def _tables(connection: Connection) -> list[Table]:
    metadata = MetaData()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SAWarning)  # SQLite's expression indexes cannot be reflected, nor need they
        metadata.reflect(connection)
    for table in metadata.sorted_tables:
        for column in table.columns:
            if isinstance(column.type, JSON):
                column.type = JSON(none_as_null=True)
    return metadata.sorted_tables


def _to_plain(column: Column[Any]) -> Any:
    if not isinstance(column.type, LargeBinary):
        return lambda value: value
    return lambda value: None if value is None else base64.b64encode(value).decode()


def _from_plain(column: Column[Any]) -> Any:
    if not isinstance(column.type, LargeBinary):
        return lambda value: value
    return lambda value: None if value is None else base64.b64decode(value, validate=True)
