"""Backups that the server makes by itself: when, where, how many stay, and what is said when one fails."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.backups import PASSPHRASE, furnish
from tests.conftest import NewUrl

from zcloud.backup.create import Site
from zcloud.backup.files import made_by_itself
from zcloud.backup.restore import verify
from zcloud.backup.schedule import Schedule, State, note_by_hand
from zcloud.base.config import Backup, Config
from zcloud.domain.errors import BackupLocked
from zcloud.domain.operation import Event
from zcloud.domain.reconcile import KEY
from zcloud.store import Sealer, Store


class Hands:
    """A clock that is turned by hand."""

    def __init__(self) -> None:
        self.time = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return self.time.timestamp()

    def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


class Server:
    """A store with a schedule of backups."""

    def __init__(self, config: Config) -> None:
        self.config, self.clock = config, Hands()
        self.store = Store(config.url, clock=self.clock, seal=Sealer(bytes(32)))
        self.directory = Path(config.backup.directory)

    def after(self, hours: float) -> list[Path]:
        """Let time pass, and give the backups that there are then."""
        self.clock.sleep(hours * 3600)
        Schedule(Site(self.config), self.store, self.clock).run_if_due()
        return made_by_itself(self.directory)

    def state(self) -> State:
        with self.store.read() as tx:
            return State.read(tx)

    def events(self) -> list[Event]:
        with self.store.read() as tx:
            return tx.events.after(0, kinds=["backup."])


@pytest.fixture
def server(new_sqlite: NewUrl, tmp_path: Path) -> Server:
    backup = Backup(directory=str(tmp_path / "backups"), every_h=6.0, keep=3)
    return Server(furnish(Config(data_dir=tmp_path / "data", store_url=new_sqlite(), backup=backup)))


def test_when_they_are_due_and_how_many_stay(server: Server) -> None:
    assert len(server.after(0)) == 1
    assert len(server.after(5.9)) == 1
    assert len(server.after(0.2)) == 2
    made = [server.after(6.1) for _ in range(4)][-1]
    assert len(made) == 3
    state = server.state()
    assert (state.last_file, state.error, state.every_h) == (str(made[-1]), "", 6.0)
    assert state.last_size == made[-1].stat().st_size
    assert {each.kind for each in server.events()} == {"backup.made"}
    assert made[-1].stat().st_mode & 0o777 == 0o600
    with made[-1].open("rb") as source:
        verify(source, None)


def test_one_that_fails_is_told_and_tried_again(server: Server) -> None:
    server.directory.write_text("a file where the directory would be")
    server.after(0)
    [event] = server.events()
    assert (event.kind, server.state().failed_at != "") == ("backup.failed", True)
    server.after(0.1)
    assert len(server.events()) == 1, "it waits a while"
    server.directory.unlink()
    assert len(server.after(0.2)) == 1
    assert (server.state().failed_at, server.state().error) == ("", "")


def test_files_of_others_stay(server: Server) -> None:
    server.directory.mkdir()
    for name in ("zcloud-mine.backup", "zcloud-20260101.backup", "notes"):
        (server.directory / name).write_text("x")
    for _ in range(5):
        server.after(6.1)
    assert len(list(server.directory.iterdir())) == 6


def test_encrypted(server: Server, tmp_path: Path) -> None:
    secret = tmp_path / "passphrase"
    changed = dataclasses.replace(server.config.backup, passphrase_file=str(secret))
    server.config = dataclasses.replace(server.config, backup=changed)
    assert server.after(0) == []
    assert "passphrase_file" in server.state().error
    secret.write_bytes(PASSPHRASE + b"\nnot this\n")
    [path] = server.after(1)
    with path.open("rb") as source, pytest.raises(BackupLocked):
        verify(source, None)
    with path.open("rb") as source:
        verify(source, PASSPHRASE)


def test_none_while_a_restored_server_has_not_gone_on(server: Server) -> None:
    """What it knows would push good backups out."""
    server.store.transact(lambda tx: tx.settings.put(KEY, {"taken_at": "x"}))
    assert server.after(0) == []
    server.store.transact(lambda tx: tx.settings.delete(KEY))
    assert len(server.after(0)) == 1


def test_none_without_a_directory(server: Server) -> None:
    server.config = dataclasses.replace(server.config, backup=Backup())
    assert server.after(100) == []
    assert server.state() == State(keep=14)
    note_by_hand(server.store)
    assert server.state().by_hand_at == server.clock.now().isoformat()
