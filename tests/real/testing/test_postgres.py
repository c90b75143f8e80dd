"""The throw-away cluster works, keeps databases apart and leaves nothing behind."""

from __future__ import annotations

import os

import psycopg
import pytest

from zcloud.testing import postgres

pytestmark = pytest.mark.skipif(postgres.find_programs() is None, reason="PostgreSQL is not installed")


def _connect(running: postgres.Postgres, database: str) -> psycopg.Connection:
    return psycopg.connect(host=str(running.socket), user="zcloud", dbname=database, autocommit=True)


def test_cluster_serves_databases_and_is_gone_afterwards() -> None:
    with postgres.cluster() as running:
        assert running.create_database("one").endswith(f"/one?host={running.socket}")
        running.create_database("two")
        with _connect(running, "one") as one, _connect(running, "two") as two:
            one.execute("CREATE TABLE things (name text)")
            found = two.execute("SELECT to_regclass('things')").fetchone()
            assert found == (None,)
            running.drop_database("two")
            with pytest.raises(psycopg.OperationalError):
                two.execute("SELECT 1")
    assert not running.socket.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(running.pid, 0)


def test_cluster_is_removed_when_the_test_fails() -> None:
    with pytest.raises(KeyError), postgres.cluster() as running:
        raise KeyError
    assert not running.socket.exists()
