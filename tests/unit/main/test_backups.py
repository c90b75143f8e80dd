"""The commands as a person on the server's machine types them."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.backups import PASSPHRASE, furnish
from tests.conftest import NewUrl

from zcloud.backup.staging import data_in_use
from zcloud.base.config import load
from zcloud.cli.app import program


@pytest.fixture
def config(new_sqlite: NewUrl, tmp_path: Path) -> Path:
    """Give the configuration of an installation."""
    path = tmp_path / "zcloud.toml"
    path.write_text(f'data_dir = "{tmp_path / "data"}"\nstore_url = "{new_sqlite()}"\n')
    furnish(load(path))
    return path


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """Give the configuration of a place to restore to."""
    path = tmp_path / "other.toml"
    path.write_text(f'data_dir = "{tmp_path / "other"}"\n')
    return path


def zcloud(*words: str | Path) -> Result:
    return CliRunner().invoke(program(), [str(each) for each in words], catch_exceptions=False)


def ok(*words: str | Path) -> str:
    done = zcloud(*words)
    assert done.exit_code == 0, done.output
    return done.output


def test_there_and_back(config: Path, empty: Path, tmp_path: Path) -> None:
    file = tmp_path / "cloud.backup"
    assert "holds every secret" in ok("backup", "create", file, "--config", config)
    assert file.stat().st_mode & 0o777 == 0o600
    assert "is whole" in ok("backup", "verify", file)
    told = ok("backup", "show", file)
    assert "secret.key, ssh/id_ed25519" in told
    assert "zcloud.toml" in told
    told = ok("restore", file, "--config", empty)
    assert "zcloud reconcile finish" in told
    assert (tmp_path / "other" / "zcloud.toml.restored").read_text() == config.read_text()
    again = zcloud("restore", file, "--config", empty)
    assert again.exit_code == 1
    assert "[not_empty]" in again.output
    assert "replaced-" in ok("restore", file, "--config", empty, "--replace")


def test_encrypted(config: Path, empty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zcloud.backup.envelope._COST", 1 << 10)
    file, secret, wrong = tmp_path / "cloud.backup", tmp_path / "passphrase", tmp_path / "wrong"
    secret.write_bytes(PASSPHRASE + b"\r\n")
    wrong.write_bytes(b"something else\n")
    told = ok("backup", "create", file, "--config", config, "--passphrase-file", secret)
    assert "not encrypted" not in told
    assert PASSPHRASE.decode() not in told
    for words in ((), ("--passphrase-file", wrong)):
        refused = zcloud("restore", file, "--config", empty, *words)
        assert refused.exit_code == 1
        assert "[backup_locked]" in refused.output
    assert [path.name for path in (tmp_path / "other").iterdir()] == [".lock"]
    assert "no terminal" in zcloud("backup", "create", file, "--config", config, "--encrypt").output
    ok("restore", file, "--config", empty, "--passphrase-file", secret)
    secret.write_bytes(b"short\n")
    assert "at least 8" in zcloud("backup", "create", file, "--config", config, "--passphrase-file", secret).output
    assert "is whole" not in zcloud("backup", "verify", file).output, "the one that is there stays"


def test_not_while_a_server_runs(config: Path, tmp_path: Path) -> None:
    file = tmp_path / "cloud.backup"
    with data_in_use(tmp_path / "data", alone=False):
        ok("backup", "create", file, "--config", config)
        refused = zcloud("restore", file, "--config", config, "--replace")
    assert refused.exit_code == 1
    assert "[server_running]" in refused.output


def test_places_that_cannot_be_written_and_files_that_are_none(config: Path, tmp_path: Path) -> None:
    assert zcloud("backup", "create", tmp_path / "no" / "where", "--config", config).exit_code == 1
    (tmp_path / "x").write_text("hello")
    for verb in ("verify", "show"):
        refused = zcloud("backup", verb, tmp_path / "x")
        assert "[backup_unusable]" in refused.output
        assert zcloud("backup", verb, tmp_path / "absent").exit_code == 1


def test_the_check_of_an_upgrade_ends_with_2(config: Path, tmp_path: Path) -> None:
    refused = zcloud("upgrade", "check", "--config", config)
    assert refused.exit_code == 2
    assert "DO FIRST  backup: there is none" in refused.output
    ok("backup", "create", tmp_path / "cloud.backup", "--config", config)
    assert "DO FIRST" not in ok("upgrade", "check", "--config", config)
    config.write_text(config.read_text() + "[server]\nold = 1\n")
    assert "unknown key server.old" in zcloud("upgrade", "check", "--config", config).output
