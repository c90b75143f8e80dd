"""The language of the schema. Portable between SQLite and PostgreSQL: text, integers, floats, bytes and JSON only.

Ids are UUID text. Times are ISO 8601 text in UTC with microseconds (``2026-01-31T10:20:30.123456Z``), so they
sort as text on both stores. Keys that cursors walk are unique and compared bytewise.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Float,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
)
from sqlalchemy.exc import DontWrapMixin
from sqlalchemy.types import TypeDecorator

from zcloud.domain.errors import InvalidInput

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# Compared bytewise on both stores; PostgreSQL's default collation depends on the machine.
_BYTEWISE = String(255).with_variant(String(255, collation="C"), "postgresql")


_UNSTORABLE = re.compile("[\0\ud800-\udfff]")  # NUL, and halves of surrogate pairs


class Unstorable(InvalidInput, DontWrapMixin):
    """A key of more than 255 characters, or with characters that not every store can keep."""


class _Key(TypeDecorator[str]):
    """Short text, compared bytewise. Raises Unstorable before the database sees what it would choke on."""

    impl = _BYTEWISE
    cache_ok = True

    @property
    def python_type(self) -> type[str]:
        """Give the type of its values."""
        return str

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Check a text."""
        if value is not None and len(value) > 255:
            raise Unstorable(f"The text {value[:40]!r}... is longer than 255 characters.")
        if value is not None and _UNSTORABLE.search(value):
            raise Unstorable("A text has characters that cannot be kept (NUL, or half of a surrogate pair).")
        return value


class _LongText(TypeDecorator[str]):
    """Text to read, of any length; it may come from a guest, so what cannot be kept is shown as U+FFFD."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Replace what cannot be kept."""
        return None if value is None else _UNSTORABLE.sub("\ufffd", value)


Key, LongText = _Key(), _LongText()


class Time(TypeDecorator[datetime]):
    """A time: an aware ``datetime`` in Python, sortable text in the store."""

    impl = _BYTEWISE
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Give the text of a time; raises ValueError for one without a zone."""
        return None if value is None else time_text(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Give the time of a text."""
        return None if value is None else datetime.fromisoformat(value)


def time_text(value: datetime) -> str:
    """Give a time as the store keeps it; raises ValueError for one without a zone."""
    if value.tzinfo is None:
        raise ValueError("a time without a zone cannot be stored")
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def id_() -> Column[str]:
    """The primary key of most tables."""
    return Column("id", Key, primary_key=True)


def name(*, unique: bool = True) -> Column[str]:
    """What people call it."""
    return Column("name", Key, nullable=False, unique=unique)


def ref(column: str, target: str, *, nullable: bool = False) -> Column[str]:
    """An indexed foreign key."""
    return Column(column, Key, ForeignKey(target), nullable=nullable, index=True)


def key(column: str, *, nullable: bool = False, unique: bool = False, index: bool = False) -> Column[str]:
    """Short text, compared bytewise."""
    return Column(column, Key, nullable=nullable, unique=unique or None, index=index or None)


def text(column: str, *, nullable: bool = False) -> Column[str]:
    """Text of any length, never compared."""
    return Column(column, LongText, nullable=nullable)


def integer(column: str, *, nullable: bool = False) -> Column[int]:
    """A small number."""
    return Column(column, Integer, nullable=nullable)


def big(column: str) -> Column[int]:
    """A number of bytes, or one that only grows."""
    return Column(column, BigInteger, nullable=False)


def number(column: str) -> Column[float]:
    """A ratio."""
    return Column(column, Float, nullable=False)


def flag(column: str) -> Column[bool]:
    """Yes or no."""
    return Column(column, Boolean, nullable=False)


def blob(column: str) -> Column[bytes]:
    """Bytes."""
    return Column(column, LargeBinary, nullable=False)


def time(column: str, *, nullable: bool = False) -> Column[datetime]:
    """A time in UTC."""
    return Column(column, Time, nullable=nullable)


def revision() -> Column[int]:
    """Counts the changes of what is desired: the ETag."""
    return Column("revision", Integer, nullable=False, default=1)


def json(column: str, *, nullable: bool = False) -> Column[object]:
    """Plain JSON values."""
    return Column(column, JSON(none_as_null=True), nullable=nullable)
