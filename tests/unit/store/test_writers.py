"""Hundreds of writers at once: none is told that the database is locked, and readers wait for nobody."""

from __future__ import annotations

import sqlite3
import threading
import time
from multiprocessing.connection import Connection
from typing import Any

import pytest
from sqlalchemy import make_url
from tests import builders
from tests.conftest import NewUrl, open_store
from tests.threads import in_threads

from zcloud.store import SchemaMismatch, Store
from zcloud.testing.forked import ForkedProcess, preload

preload(__name__)


def _write_many(url: str, count: int, us: Connection[Any, Any]) -> None:
    store = open_store(url)
    for _ in range(count):
        with store.write() as tx:
            tx.projects.add(builders.project())
            tx.settings.put("count", tx.settings.get("count", 0) + 1)
    store.close()
    us.close()


def test_four_hundred_threads_write(store: Store) -> None:
    def write() -> None:
        with store.write() as tx:
            project = tx.projects.add(builders.project())
            tx.events.add("x", resource_kind="project", resource_id=project.id, resource_name=project.name)

    in_threads([write] * 400)
    with store.read() as tx:
        assert tx.projects.page(count=True).total == 400
        assert tx.events.last_seq() == 400


def test_four_hundred_writes_of_eight_processes(new_sqlite: NewUrl) -> None:
    url = new_sqlite()
    running = [ForkedProcess(_write_many, url, 50) for _ in range(8)]
    assert [process.wait(120) for process in running] == [0] * 8
    store = open_store(url)
    with store.read() as tx:
        assert tx.settings.get("count") == tx.projects.page(count=True).total == 400
    store.close()


def test_reading_does_not_wait_for_a_writer(store: Store) -> None:
    project = builders.project()
    wrote, done = threading.Event(), threading.Event()

    def write() -> None:
        with store.write() as tx:
            tx.projects.add(project)
            wrote.set()
            assert done.wait(30)

    def read() -> float:
        assert wrote.wait(30)
        began = time.monotonic()
        with store.read() as tx:
            assert tx.projects.all() == []
        took = time.monotonic() - began
        done.set()
        return took

    _, took = in_threads([write, read])
    assert took is not None
    assert took < 5, "the reader waited"
    with store.read() as tx:
        assert tx.projects.all() == [project]


def test_a_reader_sees_one_moment(store: Store) -> None:
    with store.read() as tx:
        assert tx.projects.all() == []

        def write() -> None:
            with store.write() as other:
                other.projects.add(builders.project())

        in_threads([write])
        assert tx.projects.all() == []
    with store.read() as tx:
        assert len(tx.projects.all()) == 1


@pytest.mark.parametrize("engine", ["read", "write"])
def test_sqlite_is_set_up_to_keep_what_it_promised(sqlite_store: Store, engine: str) -> None:
    with getattr(sqlite_store._engines, engine).connect() as connection:
        values = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")]
        assert values == ["wal", 2]
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


def test_a_file_that_is_no_store_is_refused(new_sqlite: NewUrl) -> None:
    url = new_sqlite()
    path = make_url(url).database
    assert path is not None
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE alembic_version")
    connection.close()
    store = open_store(url)
    with pytest.raises(SchemaMismatch):
        store.check_version()
    store.close()
