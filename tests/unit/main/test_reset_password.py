"""``zcloud reset-password``: the way back in for who has the server's machine."""

from __future__ import annotations

from pathlib import Path

import pytest
from argon2 import Type, extract_parameters
from click.testing import CliRunner
from tests.conftest import STRONG_HASHER, NewUrl

from zcloud.base.clock import SystemClock
from zcloud.base.config import load
from zcloud.domain.people import Role
from zcloud.main.passwords import reset_password
from zcloud.main.wiring import open_store
from zcloud.services.passwords import hash_password, password_fits
from zcloud.services.people import add_user


@pytest.fixture
def config(tmp_path: Path, new_sqlite: NewUrl) -> Path:
    """Give a configuration with a store that has an admin."""
    (tmp_path / "secret.key").write_bytes(bytes(32))
    path = tmp_path / "zcloud.toml"
    path.write_text(f'data_dir = "{tmp_path}"\nstore_url = "{new_sqlite()}"\n')
    store = open_store(load(path), SystemClock())
    store.transact(lambda tx: add_user(tx, "admin", hash_password("the first password"), Role.ADMIN))
    store.close()
    return path


def fits(config: Path, password: str) -> bool:
    store = open_store(load(config), SystemClock())
    with store.read() as tx:
        user = tx.users.resolve("admin")
    store.close()
    return password_fits(password, user.password_hash)


def test_the_admin_gets_a_new_password(config: Path, tmp_path: Path) -> None:
    told = CliRunner().invoke(reset_password, ["--config", str(config), "--password-file", str(tmp_path / "new")])
    assert told.exit_code == 0, told.output
    password = (tmp_path / "new").read_text().strip()
    assert password not in told.output
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o600
    assert fits(config, password)


@pytest.mark.parametrize(
    ("words", "given", "says"),
    [
        (["nobody"], "a long one indeed\n", "nobody"),
        ([], "short\n", "10 to 1024"),
        ([], "\n", "10 to 1024"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(config: Path, words: list[str], given: str, says: str) -> None:
    told = CliRunner().invoke(reset_password, ["--config", str(config), "--password-stdin", *words], input=given)
    assert told.exit_code == 1
    assert says in told.output
    assert fits(config, "the first password")


def test_a_hash_costs_what_rfc_9106_asks_for() -> None:
    found = extract_parameters(STRONG_HASHER.hash("a long enough one"))
    assert (found.type, found.memory_cost, found.time_cost, found.parallelism) == (Type.ID, 64 << 10, 3, 4)
