"""Conflicts that the store meets inside, and how a broken constraint is put in plain words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, TimeoutError

from zcloud.domain.errors import AlreadyExists, InUse, Kind, NotFound, Refused


class GenerationMoved(Exception):
    """Somebody else claimed from a provider in between; look again and repeat (``Store.retry`` does)."""


class SchemaMismatch(Refused):
    """The store's schema is not the one that this version of zcloud works with."""

    code = "schema_mismatch"
    kind = Kind.UNAVAILABLE


class StoreUnreachable(Refused):
    """The store's file or database cannot be opened."""

    code = "store_unreachable"
    kind = Kind.UNAVAILABLE
    default_hint = "Check store_url in the configuration, that the file or database is there, and who may open it."


_UNIQUE = frozenset({"23505", "SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY"})
_FOREIGN = frozenset({"23503", "SQLITE_CONSTRAINT_FOREIGNKEY"})
_CONFLICTS = frozenset({"40001", "40P01", "25P03"})  # serialization failure, deadlock, stopped within a transaction


def is_conflict(error: BaseException) -> bool:
    """Say whether the same transaction may succeed when it is run again."""
    return isinstance(error, GenerationMoved) or (isinstance(error, DBAPIError) and _state(error) in _CONFLICTS)


@contextmanager
def plain_words(noun: str, name: str, *, deleting: bool = False) -> Iterator[None]:
    """Turn a broken constraint into AlreadyExists, InUse (``deleting``) or NotFound (a reference to nothing)."""
    try:
        yield
    except IntegrityError as error:
        state = _state(error)
        if state in _UNIQUE:
            raise AlreadyExists(f"There is already {article(noun)} {noun} {name!r}.", noun=noun) from error
        if state in _FOREIGN and deleting:
            raise InUse(f"The {noun} {name!r} is still in use.", noun=noun) from error
        if state in _FOREIGN:
            raise NotFound(f"Something that the {noun} {name!r} refers to is not there.", noun=noun) from error
        raise


@contextmanager
def opening() -> Iterator[None]:
    """Turn a store that cannot be opened into StoreUnreachable."""
    try:
        yield
    except (OperationalError, TimeoutError, OSError) as error:
        cause = error.orig if isinstance(error, OperationalError) else error
        raise StoreUnreachable(f"The store cannot be opened: {cause}") from error


def article(noun: str) -> str:
    """Give ``a`` or ``an``."""
    return "an" if noun[0] in "aeio" else "a"


def _state(error: DBAPIError) -> str:
    cause = error.orig
    return str(getattr(cause, "sqlstate", None) or getattr(cause, "sqlite_errorname", ""))
