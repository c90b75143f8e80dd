"""Keyset pagination: every row exactly once, whatever is inserted meanwhile.

The rows are ordered by one column and, among equals, by the unique key; an absent value comes before all others.
A cursor is base64 of the last row's place. It is opaque but no secret: what a caller may see is decided by the
filter of each call.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from sqlalchemy import BigInteger, Column, ColumnElement, Select, func, tuple_, type_coerce

from zcloud.domain.errors import InvalidInput
from zcloud.store.schema import Key, Time
from zcloud.store.schema.columns import time_text

R = TypeVar("R")

MAX_LIMIT = 1000


@dataclass(frozen=True, slots=True)
class Page(Generic[R]):
    """Some rows, the cursor of the next ones (None at the end) and, where asked for, how many there are in all."""

    items: tuple[R, ...]
    next_cursor: str | None
    total: int | None = None


class Order:
    """An order of rows: by a column ("name", or "-name" for the reverse), then by the unique key."""

    def __init__(self, sort: str, column: Column[Any], key: Column[Any]) -> None:
        self.sort = sort
        self._descending = sort.startswith("-")
        self._column, self._key = column, key
        self._columns = [_comparable(column), key] if column is not key else [key]

    def apply(self, statement: Select[Any], cursor: str | None, limit: int) -> Select[Any]:
        """Give the statement for the rows after ``cursor``, one more than ``limit``; raises InvalidInput."""
        if not 1 <= limit <= MAX_LIMIT:
            raise InvalidInput(f"A page has 1 to {MAX_LIMIT} entries, not {limit}.", field="limit")
        if cursor:
            place = tuple_(*self._columns)
            last = tuple(self._parse(cursor))
            statement = statement.where(place < last if self._descending else place > last)
        order = [each.desc() if self._descending else each.asc() for each in self._columns]
        return statement.order_by(*order).limit(limit + 1)

    def cursor(self, record: Any) -> str:
        """Give the cursor that continues after ``record``."""
        columns = [self._column, self._key] if self._column is not self._key else [self._key]
        place = [_plain(getattr(record, each.name)) for each in columns]
        document = json.dumps([self.sort, *place], separators=(",", ":"), ensure_ascii=False)
        return base64.urlsafe_b64encode(document.encode()).decode().rstrip("=")

    def _parse(self, cursor: str) -> list[Any]:
        try:
            raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
            sort, *place = json.loads(raw)
        except (binascii.Error, ValueError, TypeError, RecursionError) as error:
            raise InvalidInput("The cursor is not one that zcloud gave.", field="cursor") from error
        fits = len(place) == len(self._columns) and all(map(_fits, place, self._columns))
        if sort != self.sort or not fits:
            raise InvalidInput("The cursor belongs to another query.", field="cursor")
        return list(place)


def finish(order: Order, records: list[R], limit: int, total: int | None) -> Page[R]:
    """Make the page of what ``Order.apply`` found."""
    items = tuple(records[:limit])
    return Page(items, order.cursor(items[-1]) if len(records) > limit else None, total)


def _comparable(column: Column[Any]) -> ColumnElement[Any]:
    text: ColumnElement[Any] = type_coerce(column, Key) if isinstance(column.type, Time) else column
    return func.coalesce(text, "") if column.nullable else text


def _fits(value: Any, column: ColumnElement[Any]) -> bool:
    """Say whether a value of a cursor, which anybody may have written, can be compared with a column."""
    if type(value) is not column.type.python_type:
        return False
    return not isinstance(value, int) or abs(value) < (1 << 63 if isinstance(column.type, BigInteger) else 1 << 31)


def _plain(value: Any) -> Any:
    if value is None:
        return ""
    return time_text(value) if isinstance(value, datetime) else value
