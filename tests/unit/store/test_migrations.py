"""The migrations make exactly the schema, once, and only the right version of zcloud opens a store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, create_engine, text
from tests.conftest import NewUrl, open_store
from tests.threads import in_threads

from zcloud.domain.errors import ConfigInvalid
from zcloud.store import SchemaMismatch, StoreUnreachable
from zcloud.store.schema import metadata
from zcloud.testing.postgres import Postgres


@pytest.fixture
def engine(new_url: NewUrl) -> Iterator[Engine]:
    engine = create_engine(new_url())
    yield engine
    engine.dispose()


def test_the_migrations_make_the_schema(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_keys_are_compared_bytewise_on_postgresql(new_postgresql: NewUrl) -> None:
    engine = create_engine(new_postgresql())
    with engine.connect() as connection:
        found = connection.execute(
            text(
                "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
                " AND data_type = 'character varying' AND collation_name IS DISTINCT FROM 'C'"
                " AND table_name <> 'alembic_version'"
            )
        )
        assert found.all() == []
    engine.dispose()


def test_migrating_again_changes_nothing(new_url: NewUrl) -> None:
    store = open_store(new_url())
    store.migrate()
    store.check_version()
    store.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.db'}"
    postgres: Postgres = request.getfixturevalue("postgres")
    return postgres.create_database(f"empty_{tmp_path.name}".lower())


def test_several_may_migrate_at_once(empty_url: str) -> None:
    stores = [open_store(empty_url) for _ in range(4)]
    in_threads([store.migrate for store in stores])
    stores[0].check_version()
    for store in stores:
        store.close()


def test_an_empty_store_is_refused(empty_url: str) -> None:
    store = open_store(empty_url)
    with pytest.raises(SchemaMismatch, match="empty"):
        store.check_version()
    store.close()


@pytest.mark.parametrize(("version", "words"), [("0001", "at 0001"), ("9999", "newer")])
def test_another_schema_is_refused(engine: Engine, version: str, words: str) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :version"), {"version": version})
    store = open_store(engine.url.render_as_string(hide_password=False))
    with pytest.raises(SchemaMismatch, match=words) as refused:
        store.check_version()
    assert refused.value.hint
    if version == "9999":
        with pytest.raises(SchemaMismatch):
            store.migrate()
    store.close()


@pytest.mark.parametrize("url", ["", "sqlite://", "sqlite:///:memory:", "mysql://localhost/x", "what"])
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(ConfigInvalid):
        open_store(url)


def test_a_new_file_is_its_owners_only(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    store = open_store(f"sqlite:///{path}")
    store.migrate()
    with store.read() as tx:
        assert tx.users.all() == []
        assert {each.stat().st_mode & 0o777 for each in tmp_path.iterdir()} == {0o600}
        assert len(list(tmp_path.iterdir())) == 3  # with -wal and -shm
    store.close()


@pytest.mark.parametrize("url", ["sqlite:////nowhere/at/all.db", "postgresql://nobody@/none?host=/nowhere"])
def test_a_store_that_cannot_be_opened(url: str) -> None:
    store = open_store(url)
    with pytest.raises(StoreUnreachable, match="cannot be opened") as refused:
        store.check_version()
    assert refused.value.hint
    with pytest.raises(StoreUnreachable):
        store.migrate()
    store.close()
