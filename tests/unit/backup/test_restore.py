"""Store, keys and images come back, in either kind of store, and what was unfinished is not run again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests import builders
from tests.backups import PASSPHRASE, back_up, files_below, furnish, put_back
from tests.conftest import NewUrl, open_store

from zcloud.base.config import Config
from zcloud.base.ids import new_id
from zcloud.domain.errors import AlreadyExists, BackupTooNew, NotEmpty, Reconciling
from zcloud.domain.image import ImageState
from zcloud.domain.instance import InstanceStatus
from zcloud.domain.operation import OperationStatus
from zcloud.domain.reconcile import KEY
from zcloud.domain.storage import VolumeState
from zcloud.services.context import Services, refuse_while_reconciling
from zcloud.services.reconcile import Reconcile
from zcloud.store import Store, Tx
from zcloud.store.portable import LEFT_OUT
from zcloud.testing.cloud import ADMIN
from zcloud.testing.postgres import Postgres

EVENTS = 520  # more than one block of an export


@pytest.fixture
def config(new_url: NewUrl, tmp_path: Path) -> Config:
    return furnish(Config(data_dir=tmp_path / "old", store_url=new_url()))


@pytest.fixture
def source(config: Config) -> Iterator[Store]:
    opened = open_store(config.url)
    opened.transact(_fill)
    yield opened
    opened.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Config:
    """Give the configuration of an empty place, of each kind of store."""
    if request.param == "sqlite":
        return Config(data_dir=tmp_path / "new")
    postgres: Postgres = request.getfixturevalue("postgres")
    name = f"restore_{new_id()[:8]}"
    return Config(data_dir=tmp_path / "new", store_url=postgres.create_database(name))


def _fill(tx: Tx) -> None:
    project = tx.projects.add(builders.project(name="default"))
    host = tx.hosts.add(builders.host(name="anton", inventory={"cpus": 4, "none": None}))
    pool = tx.pools.add(builders.pool(name="local", host_id=host.id))
    tx.networks.add(builders.network(name="lan"))
    image = tx.images.add(builders.image(name="tiny"))
    tx.images.add(builders.image(name="half", state=ImageState.IMPORTING))
    busy = tx.operations.add(builders.operation(project_id=project.id))
    done = tx.operations.add(builders.operation(project_id=project.id, status=OperationStatus.SUCCEEDED))
    del done
    for name, status in (("up", InstanceStatus.RUNNING), ("coming", InstanceStatus.STARTING)):
        made = tx.instances.add(
            builders.instance(project.id, host.id, image.id, name=name, status=status, tags=("b", "a"))
        )
        tx.volumes.add(
            builders.volume(project.id, pool.id, name=name, instance_id=made.id, slot=0, state=VolumeState.CREATING)
        )
    tx.instances.lock(made.id, busy.id)
    tx.secrets.put("instance.user_data", made.id, b"\0secret\xff")
    tx.settings.put("x", {"deep": [1, 2.5, None, "\u20ac"]})
    for number in range(EVENTS):
        tx.events.add("host.up", resource_kind="host", resource_id=str(number), resource_name="h")


def _rows(store: Store) -> dict[str, list[dict[str, object]]]:
    with store.export() as export:
        return {name: export.rows(name) for name in export.counts()}


def test_everything_comes_back_in_either_kind_of_store(source: Store, config: Config, target: Config) -> None:
    before = _rows(source)
    done = put_back(back_up(source, config), target)
    restored = open_store(target.url)
    after = _rows(restored)
    changed = {"operations", "instances", "images", "volumes", "events", "settings", "counters", "operation_steps"}
    assert {name: rows for name, rows in after.items() if name not in changed} == {
        name: rows for name, rows in before.items() if name not in changed
    }
    assert after["events"][:EVENTS] == before["events"]
    assert not LEFT_OUT & after.keys()
    for name in ("secret.key", "ssh/id_ed25519", "ssh/id_ed25519.pub", "tls/ca.pem", "tls/ca.key"):
        assert (target.data_dir / name).read_bytes() == (config.data_dir / name).read_bytes()
        assert (target.data_dir / name).stat().st_mode & 0o777 == 0o600
    assert done.operations == 1
    restored.check_version()
    with restored.read() as tx:
        assert tx.settings.get("x") == {"deep": [1, 2.5, None, "\u20ac"]}
        coming = tx.instances.resolve("coming")
        assert tx.secrets.get("instance.user_data", coming.id) == b"\0secret\xff"
        assert coming.tags == ("a", "b")
    restored.close()


def test_what_was_unfinished_has_ended(source: Store, config: Config, tmp_path: Path) -> None:
    target = Config(data_dir=tmp_path / "new")
    put_back(back_up(source, config), target)
    restored = open_store(target.url)
    with restored.read() as tx:
        operations = {each.status: each for each in tx.operations.page(limit=10, sort="created_at").items}
        assert set(operations) == {OperationStatus.FAILED, OperationStatus.SUCCEEDED}
        failed = operations[OperationStatus.FAILED]
        assert failed.error is not None
        assert failed.error["code"] == "restored"
        assert tx.operations.unfinished() == set()
        states = {each.name: (each.status, each.operation_id) for each in tx.instances.all()}
        assert states == {"up": (InstanceStatus.RUNNING, None), "coming": (InstanceStatus.UNKNOWN, None)}
        assert {each.state for each in tx.volumes.all()} == {VolumeState.READY}
        assert tx.images.resolve("half").state is ImageState.ERROR
        ends = tx.events.after(10**9, kinds=["operation.ended"])
        assert [each.data["operation_id"] for each in ends] == [failed.id]
        with pytest.raises(Reconciling, match="restored from a backup"):
            refuse_while_reconciling(tx)
    restored.close()


def test_no_number_comes_twice(source: Store, config: Config, tmp_path: Path) -> None:
    """Followers of events that were given out after the backup are told; new numbers are above all of them."""
    backup = back_up(source, config)
    source.transact(lambda tx: tx.events.add("host.up", resource_kind="host", resource_id="h", resource_name="h"))
    with source.read() as tx:
        seen = tx.events.last_seq()
    target = Config(data_dir=tmp_path / "new")
    put_back(backup, target)
    restored = open_store(target.url)
    with restored.read() as tx:
        assert tx.events.first_seq(seen) > seen + 1000
        assert tx.events.missed(seen)
        assert tx.events.missed(EVENTS)
        assert not tx.events.missed(tx.events.last_seq())
        assert not tx.events.missed(tx.events.first_seq(seen) - 1)
    restored.close()


def test_images_by_name_or_with_their_files(source: Store, config: Config, tmp_path: Path) -> None:
    with source.read() as tx:
        image = tx.images.resolve("tiny")
    name = f"{image.digest}.{image.format}"
    config.image_dir.mkdir()
    (config.image_dir / name).write_bytes(b"QFI\xfb" * 100)
    by_name = put_back(back_up(source, config), Config(data_dir=tmp_path / "a"))
    assert list(by_name.missing_images) == [name]
    target = Config(data_dir=tmp_path / "b")
    whole = put_back(back_up(source, config, images=True), target)
    assert whole.missing_images == []
    assert (target.image_dir / name).read_bytes() == b"QFI\xfb" * 100


def test_encrypted(source: Store, config: Config, tmp_path: Path) -> None:
    backup = back_up(source, config, passphrase=PASSPHRASE)
    assert b"a private key" not in backup
    put_back(backup, Config(data_dir=tmp_path / "new"), passphrase=PASSPHRASE)
    assert (tmp_path / "new" / "ssh" / "id_ed25519").read_bytes() == b"a private key"


def test_what_is_there_is_refused_or_moved_aside(source: Store, config: Config, tmp_path: Path) -> None:
    backup = back_up(source, config)
    target = furnish(Config(data_dir=tmp_path / "new"))
    for name in ("images", "machine"):
        (target.data_dir / name).mkdir()
    (target.data_dir / "machine" / "cli.json").write_bytes(b"a token of the store that goes")
    (target.data_dir / "images" / "kept").write_bytes(b"x")
    before = files_below(target.data_dir)
    with pytest.raises(NotEmpty, match=r"secret\.key"):
        put_back(backup, target)
    assert files_below(target.data_dir) == before
    done = put_back(backup, target, replace=True)
    assert done.kept is not None
    aside = files_below(done.kept)
    assert aside == {name: data for name, data in before.items() if name != "images/kept"}
    assert (target.data_dir / "images" / "kept").exists()
    assert (target.data_dir / "secret.key").read_bytes() == (config.data_dir / "secret.key").read_bytes()


def test_a_database_with_tables_is_refused(
    source: Store, config: Config, new_postgresql: NewUrl, tmp_path: Path
) -> None:
    target = Config(data_dir=tmp_path / "new", store_url=new_postgresql())
    with pytest.raises(NotEmpty, match="PostgreSQL"):
        put_back(back_up(source, config), target, replace=True)
    assert files_below(target.data_dir) == {}


def test_a_newer_one_is_refused(source: Store, config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backup = back_up(source, config)
    monkeypatch.setattr("zcloud.backup.restore.is_known", lambda revision: False)
    with pytest.raises(BackupTooNew, match="schema"):
        put_back(backup, Config(data_dir=tmp_path / "new"))
    assert files_below(tmp_path / "new") == {}


def test_a_filled_store_is_never_filled_again(source: Store) -> None:
    with pytest.raises(AlreadyExists):
        source.load("0001", [], lambda tx: None)


def test_the_end_of_the_mode(source: Store, config: Config, tmp_path: Path) -> None:
    target = Config(data_dir=tmp_path / "new")
    put_back(back_up(source, config), target)
    restored = open_store(target.url)
    service = Reconcile(Services(restored, restored._clock, "cloud"))
    view = service.show(ADMIN)
    assert view.mode is not None
    assert view.unseen == ("anton",)
    view = service.finish(ADMIN, anyway=True)
    assert (view.mode, view.pending) == (None, ("anton",))
    assert service.finish(ADMIN).mode is None  # again is fine
    with restored.read() as tx:
        refuse_while_reconciling(tx)
        assert tx.settings.get(KEY) is None
    restored.close()
