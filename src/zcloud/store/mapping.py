"""Rows to records and back, by field name and type: a new field is one line in the record and one in the schema.

Enums are kept as their value, nested records as JSON objects, tuples as JSON lists; times are the schema's ``Time``.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, Generic, TypeVar, Union, get_args, get_origin, get_type_hints

from sqlalchemy import Table
from sqlalchemy.engine import RowMapping

R = TypeVar("R")
Convert = Callable[[Any], Any]


class Mapper(Generic[R]):
    """Converts between a frozen record class and the columns of the same names."""

    def __init__(self, record: type[R], table: Table) -> None:
        hints = get_type_hints(record)
        names = [each.name for each in fields(typing.cast("Any", record)) if each.name in table.c]
        self.record = record
        self._decoders: list[tuple[str, Convert | None]] = [(name, decoder(hints[name])) for name in names]
        self._names = frozenset(names)
        self.table = table
        self.columns = tuple(table.c[name] for name in names)

    def to_record(self, row: Mapping[str, Any] | RowMapping, **extra: Any) -> R:
        """Build the record of a row; ``extra`` are the fields that the table does not have."""
        values = {name: row[name] if decode is None else decode(row[name]) for name, decode in self._decoders}
        return self.record(**values, **extra)

    def to_row(self, record: R) -> dict[str, Any]:
        """Give the columns of a record."""
        return {name: encode(getattr(record, name)) for name in self._names}

    def encode(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Give the columns of some changed fields; raises TypeError for a field that the table does not have."""
        unknown = changes.keys() - self._names
        if unknown:
            raise TypeError(f"{self.record.__name__} keeps no field {', '.join(sorted(unknown))}")
        return {name: encode(value) for name, value in changes.items()}


def encode(value: Any) -> Any:
    """Give a value as a column or a JSON document keeps it."""
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: encode(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {key: encode(item) for key, item in value.items()}
    if isinstance(value, tuple | list | set | frozenset):
        return [encode(item) for item in value]
    return value


@cache
def decoder(hint: Any) -> Convert | None:
    """Give what turns a kept value into one of the type ``hint``; None where it is one already."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _optional(decoder(next(each for each in arguments if each is not type(None))))
    if origin is tuple:
        return _tuple(decoder(arguments[0]))
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint
    if isinstance(hint, type) and is_dataclass(hint):
        return _nested(hint)
    return None


def _optional(inner: Convert | None) -> Convert | None:
    if inner is None:
        return None
    return lambda value: None if value is None else inner(value)


def _tuple(inner: Convert | None) -> Convert:
    if inner is None:
        return tuple
    return lambda values: tuple(inner(value) for value in values)


def _nested(record: type[Any]) -> Convert:
    hints = get_type_hints(record)
    decoders = {each.name: decoder(hints[each.name]) for each in fields(record)}

    def build(value: Mapping[str, Any]) -> Any:
        known = {name: decode for name, decode in decoders.items() if name in value}
        return record(**{n: decode(value[n]) if decode else value[n] for n, decode in known.items()})

    return build
