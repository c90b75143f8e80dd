"""Killed while it backs up or restores: no half backup has its name, and a restore happened wholly or not at all."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.backups import back_up, files_below, furnish
from tests.conftest import NewUrl, open_store

from zcloud.backup.restore import Target, finish_restore, verify
from zcloud.base.clock import SystemClock
from zcloud.base.config import Config
from zcloud.base.ids import new_id
from zcloud.domain.reconcile import KEY
from zcloud.store import Store, Tx
from zcloud.testing.faults import VARIABLE
from zcloud.testing.postgres import Postgres

REPOSITORY = Path(__file__).parents[2]
RESTORE = ("begun", "files", "filled", "settled", "decided", "whole")
BOTH = tuple(store for store in ("sqlite", "postgresql") if os.environ.get("ZCLOUD_TEST_STORE", store) == store)
ONLY = {"sqlite": {"decided"}, "postgresql": {"filled"}}  # places that the other kind of store passes


def _run(verb: str, config: Config, file: Path, fault: str) -> int:
    path = os.pathsep.join([str(REPOSITORY / "src"), str(REPOSITORY)])
    argv = [sys.executable, "-m", "tests.crash.restoring", verb, str(config.data_dir), config.store_url, str(file)]
    environment = {**os.environ, "PYTHONPATH": path, VARIABLE: fault}
    return subprocess.run(argv, env=environment, cwd=REPOSITORY, timeout=60, check=False).returncode


def _fill(tx: Tx) -> None:
    for number in range(50):
        tx.events.add("host.up", resource_kind="host", resource_id=str(number), resource_name="h" * 100)


@pytest.fixture
def source(new_sqlite: NewUrl, tmp_path: Path) -> Config:
    config = furnish(Config(data_dir=tmp_path / "old", store_url=new_sqlite()))
    store = open_store(config.url)
    store.transact(_fill)
    store.close()
    return config


@pytest.fixture
def backup(source: Config, tmp_path: Path) -> Path:
    store = open_store(source.url)
    path = tmp_path / "backup"
    path.write_bytes(back_up(store, source))
    store.close()
    return path


@pytest.mark.parametrize("place", ["create.write@1", "create.write@2", "create.written@1"])
def test_no_half_backup(source: Config, tmp_path: Path, place: str) -> None:
    file = tmp_path / "new.backup"
    assert _run("create", source, file, f"{place}:kill") == -signal.SIGKILL
    assert not file.exists()
    assert _run("create", source, file, "") == 0  # what was left over is in nobody's way
    assert verify(io.BytesIO(file.read_bytes()), None).rows["events"] == 50
    assert [path.name for path in tmp_path.iterdir() if "new.backup" in path.name] == ["new.backup"]


@pytest.mark.parametrize(
    ("kind", "place"), [(kind, place) for kind in BOTH for place in RESTORE if place not in ONLY[kind]]
)
def test_wholly_or_not_at_all(
    request: pytest.FixtureRequest, backup: Path, source: Config, kind: str, place: str
) -> None:
    target = _place(request, kind, backup.parent / "new")
    furnish(target)
    before = files_below(target.data_dir)
    assert _run("restore", target, backup, f"restore.{place}@1:kill") == -signal.SIGKILL
    finish_restore(Target(target, SystemClock()))  # as whoever starts next does
    if (target.data_dir / "secret.key").read_bytes() == before["secret.key"]:
        assert files_below(target.data_dir) == before
        assert place not in ("whole",)
        assert _revision(target) is None
        assert _run("restore", target, backup, "") == 0
    _check_whole(target, source, before)


def _place(request: pytest.FixtureRequest, kind: str, data: Path) -> Config:
    if kind == "sqlite":
        return Config(data_dir=data)
    postgres: Postgres = request.getfixturevalue("postgres")
    return Config(data_dir=data, store_url=postgres.create_database(f"killed_{new_id()[:8]}"))


def _revision(config: Config) -> str | None:
    if not config.store_url and not (config.data_dir / "zcloud.sqlite").exists():
        return None
    store = Store(config.url, clock=SystemClock(), seal=None)
    try:
        return store.schema_state().current
    finally:
        store.close()


def _check_whole(target: Config, source: Config, before: dict[str, bytes]) -> None:
    for name in ("secret.key", "ssh/id_ed25519", "tls/ca.pem"):
        assert (target.data_dir / name).read_bytes() == (source.data_dir / name).read_bytes()
    [aside] = target.data_dir.glob("replaced-*")
    assert files_below(aside) == before
    assert not (target.data_dir / ".restoring").exists()
    store = open_store(target.url)
    store.check_version()
    with store.read() as tx:
        assert len(tx.events.after(0, kinds=["host.up"])) == 50
        assert tx.settings.get(KEY) is not None
        assert len(tx.events.after(0, limit=1000, kinds=["server.restored"])) == 1
    store.close()
