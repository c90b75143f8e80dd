"""Connections: SQLite in WAL mode with one writer at a time, or PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, QueuePool, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

from zcloud.domain.errors import ConfigInvalid, Internal
from zcloud.store.errors import opening

_WAIT_S = 60  # how long a writer stands in line
# A process that is stopped within a transaction must not hold its rows for ever.
_POSTGRES_OPTIONS = "-c idle_in_transaction_session_timeout=10s"


@dataclass(frozen=True, slots=True)
class Engines:
    """Where read and write transactions get their connections."""

    read: Engine
    write: Engine

    def close(self) -> None:
        """Close every connection."""
        self.read.dispose()
        self.write.dispose()


def open_engines(url: str) -> Engines:
    """Give the engines of ``sqlite:///FILE`` or ``postgresql:...``; raises ConfigInvalid."""
    parsed = _parse(url)
    backend = parsed.get_backend_name()
    if backend == "sqlite" and parsed.database not in (None, "", ":memory:"):
        write = _sqlite(url, pool_size=1, query_only=False)
        return Engines(_sqlite(url, pool_size=8, query_only=True), write)
    if backend == "postgresql":
        engine = create_engine(
            parsed.set(drivername="postgresql+psycopg"), pool_size=8, max_overflow=24, pool_timeout=_WAIT_S,
            pool_pre_ping=True, isolation_level="READ COMMITTED", connect_args={"options": _POSTGRES_OPTIONS},
        )  # fmt: skip
        return Engines(engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True), engine)
    raise ConfigInvalid("The store is neither an SQLite file nor PostgreSQL.", hint="See docs/operate on [store].")


def make_file(engines: Engines) -> None:
    """Make SQLite's file, for its owner only, unless it is there; what it writes beside it gets the same mode."""
    if engines.write.dialect.name == "sqlite":
        Path(str(engines.write.url.database)).touch(mode=0o600, exist_ok=True)


@contextmanager
def without_foreign_keys(write: Engine) -> Iterator[None]:
    """Let SQLite's one writer connection make tables anew; foreign keys of rows that are there would forbid it.

    https://www.sqlite.org/lang_altertable.html#otheralter; ``check_foreign_keys`` comes before the commit.
    """
    if write.dialect.name != "sqlite":
        yield
        return
    _set_foreign_keys(write, on=False)
    try:
        yield
    finally:
        _set_foreign_keys(write, on=True)


def check_foreign_keys(connection: Connection) -> None:
    """Raise Internal where a row refers to nothing (SQLite; PostgreSQL checks by itself)."""
    if connection.dialect.name == "sqlite":
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchmany(3)
        if broken:
            raise Internal(f"Rows of the store refer to nothing: {', '.join(str(row[0]) for row in broken)}.")


def _set_foreign_keys(write: Engine, *, on: bool) -> None:
    with opening():
        pooled = write.raw_connection()  # the pool has one: the transaction gets the same
    try:
        pooled.cursor().execute(f"PRAGMA foreign_keys={int(on)}")
    finally:
        pooled.close()


def _sqlite(url: str, *, pool_size: int, query_only: bool) -> Engine:
    """Give an engine; the pool of writers has one connection, so that writers of a process queue there, in turn."""
    overflow = 24 if query_only else 0
    engine = create_engine(
        url,
        poolclass=QueuePool,
        pool_size=pool_size,
        max_overflow=overflow,
        pool_timeout=_WAIT_S,
        connect_args={"timeout": _WAIT_S, "check_same_thread": False},
    )
    begin = "BEGIN" if query_only else "BEGIN IMMEDIATE"

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # sqlite3 leaves BEGIN to us
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"query_only={int(query_only)}"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def sqlite_file(url: str) -> Path | None:
    """Give the file of an SQLite store, or None where it is another one; raises ConfigInvalid."""
    parsed = _parse(url)
    return Path(str(parsed.database)) if parsed.get_backend_name() == "sqlite" else None


def _parse(url: str) -> URL:
    try:
        return make_url(url)
    except ArgumentError as error:
        raise ConfigInvalid("The store's URL is not one.", hint="Use sqlite:///FILE or postgresql://...") from error
