"""A store of the version before: looked at, backed up, migrated; and no host is asked to change anything."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, inspect
from tests import builders
from tests.backups import furnish, put_back
from tests.conftest import NewUrl, open_store

from zcloud.backup.create import Site
from zcloud.backup.files import made_by_itself
from zcloud.backup.restore import verify
from zcloud.base.clock import SystemClock
from zcloud.base.config import Config, ConfigError, load
from zcloud.base.ids import new_id
from zcloud.domain.errors import BackupFailed, ServerRunning
from zcloud.domain.instance import Instance, InstanceSpec, InstanceStatus, NicRequest
from zcloud.domain.operation import OperationStatus
from zcloud.main import upgrade
from zcloud.main.upgrade import bring_up_to_date, check
from zcloud.operations.heart import this_node
from zcloud.store import SchemaMismatch, Store, Worker, migrate, portable
from zcloud.testing.cloud import ADMIN, FakeCloud, FakeLinks
from zcloud.testing.postgres import Postgres

CLOCK = SystemClock()


class Older:
    """A cloud that ran on the schema before this version's; its hosts go on."""

    def __init__(self, config: Config, revision: str, links: FakeLinks, instances: list[Instance]) -> None:
        self.config, self.revision, self.links, self.instances = config, revision, links, instances
        self.site = Site(config)

    @property
    def state(self) -> migrate.SchemaState:
        store = Store(self.config.url, clock=CLOCK, seal=None)
        try:
            return store.schema_state()
        finally:
            store.close()

    def calls(self) -> dict[str, dict[str, int]]:
        """Give what every host was asked so far."""
        return {host_id: dict(link.hypervisor.calls) for host_id, link in self.links.hosts.items()}

    def findings(self) -> dict[str, tuple[str, str]]:
        return {each.check: (each.found, each.todo) for each in check(self.site, CLOCK)}


@pytest.fixture(params=["sqlite", "postgresql"])
def older(request: pytest.FixtureRequest, new_sqlite: NewUrl, tmp_path: Path) -> Older:
    data = tmp_path / "data"
    cloud = FakeCloud(open_store(new_sqlite()), furnish(Config(data_dir=tmp_path / "past")))
    cloud.start()
    cloud.add_host("alpha")
    instances = []
    for name in ("one", "two"):
        spec = InstanceSpec(name=name, image="tiny", vcpus=1, memory_mib=256, nics=(NicRequest(""),))
        instance, operation = cloud.launch.launch(ADMIN, "", spec)
        assert cloud.wait(operation).status is OperationStatus.SUCCEEDED
        instances.append(instance)
    cloud.stop()
    url = f"sqlite:///{data / 'zcloud.sqlite'}"
    if request.param == "postgresql":
        postgres: Postgres = request.getfixturevalue("postgres")
        url = postgres.create_database(f"older_{new_id()[:8]}")
    config = furnish(Config(data_dir=data, store_url="" if request.param == "sqlite" else url))
    engine = create_engine(url)
    revision = _write_as_before(cloud.store, engine)
    engine.dispose()
    cloud.store.close()
    return Older(config, revision, cloud.links, instances)


def _write_as_before(store: Store, engine: Engine) -> str:
    """Write a store's rows into the schema before the present one, as far as it has their tables and columns."""
    with engine.begin() as connection:
        before = migrate.state(connection).pending[-2]
        migrate.migrate(connection, before)
        there = inspect(connection)
        columns = {name: {each["name"] for each in there.get_columns(name)} for name in there.get_table_names()}
        with store.export() as export:
            blocks = (_cut(block, columns[block.table]) for block in export.blocks() if block.table in columns)
            portable.load(connection, blocks)
    return before


def _cut(block: portable.Block, columns: set[str]) -> portable.Block:
    kept = [place for place, name in enumerate(block.columns) if name in columns]
    names = tuple(block.columns[place] for place in kept)
    return portable.Block(block.table, names, [[row[place] for place in kept] for row in block.rows])


def test_an_older_store_is_backed_up_and_migrated(older: Older, tmp_path: Path) -> None:
    calls, told = older.calls(), list[str]()
    assert older.state.pending
    bring_up_to_date(older.site, CLOCK, told.append)
    store = open_store(older.config.url)
    store.check_version()
    with store.read() as tx:
        found = {each.name: (each.status, each.incarnation) for each in tx.instances.all()}
        assert found == {"one": (InstanceStatus.RUNNING, 1), "two": (InstanceStatus.RUNNING, 1)}
    store.close()
    assert older.calls() == calls
    [backup] = made_by_itself(older.config.data_dir / "backups")
    with backup.open("rb") as source:
        assert verify(source, None).revision == older.revision
    assert str(backup) in told[0]
    bring_up_to_date(older.site, CLOCK, told.append)
    assert len(told) == 2, "there was nothing left to do"
    # The way back, and on from there: the backup of the older version is restored by this one.
    target = Config(data_dir=tmp_path / "restored")
    put_back(backup.read_bytes(), target)
    restored = open_store(target.url)
    restored.check_version()
    with restored.read() as tx:
        assert {each.id for each in tx.instances.all()} == {each.id for each in older.instances}
    restored.close()


def test_no_backup_no_migration(older: Older) -> None:
    (older.config.data_dir / "backups").write_text("a file where a directory would be")
    with pytest.raises(BackupFailed, match="cannot be backed up"):
        bring_up_to_date(older.site, CLOCK, print)
    assert older.state.current == older.revision


def test_not_while_an_older_server_works_on_it(older: Older) -> None:
    engine = create_engine(older.config.url)
    now = datetime.now(UTC)
    alive = Worker("w", "elsewhere boot pid", 1, "worker", now, now)
    with engine.begin() as connection:
        table = portable._tables(connection)[[each.name for each in portable._tables(connection)].index("workers")]
        row = {"id": "w", "node": alive.node, "pid": 1, "roles": "worker"}
        text = now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        connection.execute(table.insert(), [{**row, "started_at": text, "heartbeat_at": text}])
        dead = {**row, "id": "dead", "node": this_node(), "pid": 4_000_000}
        connection.execute(table.insert(), [{**dead, "started_at": text, "heartbeat_at": text}])
    with pytest.raises(ServerRunning, match=r"elsewhere \(pid 1\)"):
        bring_up_to_date(older.site, CLOCK, print)
    assert older.state.current == older.revision
    with engine.begin() as connection:
        connection.execute(table.delete().where(table.c.id == "w"))
    engine.dispose()
    bring_up_to_date(older.site, CLOCK, print)
    assert not older.state.pending


def test_the_check_changes_nothing_and_says_what_has_to_be_done(older: Older, monkeypatch: pytest.MonkeyPatch) -> None:
    findings = older.findings()
    assert "are run at the start, after a backup" in findings["store"][0]
    assert findings["backup"][1] == "zcloud backup create FILE"
    assert findings["operations"] == ("none is unfinished", "")
    assert not findings["configuration"][1]
    monkeypatch.setattr(upgrade, "_SPARE", 1 << 60)
    assert "Make room" in older.findings()[f"disk {older.config.data_dir}"][1]
    assert older.state.current == older.revision
    assert not (older.config.data_dir / "backups").exists()


def test_what_this_version_does_not_know(new_sqlite: NewUrl, tmp_path: Path) -> None:
    url, file = new_sqlite(), tmp_path / "zcloud.toml"
    file.write_text(f'data_dir = "{tmp_path}"\nstore_url = "{url}"\nold_key = 1\n[server]\nport = 1\nolder = 2\n')
    with pytest.raises(ConfigError, match="old_key"):
        load(file)
    store = open_store(url)
    with store.write() as tx:
        tx.operations.add(builders.operation(workflow="instance_teleport_v1"))
        tx.operations.add(builders.operation(workflow="instance_stop_v1"))
        tx.operations.add(builders.operation(workflow="instance_old_v1", status=OperationStatus.SUCCEEDED))
        tx.hosts.add(builders.host(name="old", inventory={"libvirt": "6.0.0", "qemu": "4.2.1"}))
        tx.hosts.add(builders.host(name="new", inventory={"libvirt": "10.0.0", "qemu": "8.2.2"}))
    store.close()
    found = [(each.check, each.found, bool(each.todo)) for each in check(Site(load(file, tolerant=True), file), CLOCK)]
    assert ("configuration", "unknown key old_key", True) in found
    assert ("configuration", "unknown key server.older", True) in found
    assert ("operations", "1 of instance_teleport_v1 are unfinished", True) in found
    assert ("operations", "1 are unfinished and go on after the upgrade", False) in found
    assert [(name, told) for name, told, _ in found if name.startswith("host")] == [
        ("host old", "libvirt 6.0.0"), ("host old", "qemu 4.2.1"),
    ]  # fmt: skip


def test_a_newer_store(new_sqlite: NewUrl, tmp_path: Path) -> None:
    config = Config(data_dir=tmp_path, store_url=new_sqlite())
    engine = create_engine(config.url)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    engine.dispose()
    bring_up_to_date(Site(config), CLOCK, print)  # left to what refuses it
    assert "newer" in {each.check: each.found for each in check(Site(config), CLOCK)}["store"]
    store = open_store(config.url)
    with pytest.raises(SchemaMismatch, match="newer"):
        store.check_version()
    store.close()


def test_nothing_is_there(tmp_path: Path) -> None:
    config = Config(data_dir=tmp_path)
    bring_up_to_date(Site(config), CLOCK, print)
    assert [each.todo != "" for each in check(Site(config), CLOCK) if each.check == "store"] == [True]
    assert list(tmp_path.iterdir()) == []
