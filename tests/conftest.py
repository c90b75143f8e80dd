"""What all suites share: the switch that writes golden files anew, and stores."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest
from argon2 import PasswordHasher
from hypothesis import settings

from zcloud.base.clock import SystemClock
from zcloud.services import passwords
from zcloud.store import Sealer, Store
from zcloud.testing.postgres import Postgres, cluster

# An example may take as long as the machine lets it: the lanes share the processors.
settings.register_profile("tests", deadline=None)
settings.load_profile("tests")

# A hash as people get it takes 64 MiB and 0.15 s of CPU; tests/unit/main/test_reset_password.py makes one.
STRONG_HASHER = passwords._hasher
passwords._hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--regenerate", action="store_true", help="write golden files anew instead of comparing with them")


class CheckGolden(Protocol):
    """Compare a text with its golden file."""

    def __call__(self, path: Path, text: str) -> None: ...


@pytest.fixture
def check_golden(request: pytest.FixtureRequest) -> CheckGolden:
    """Give the comparison with a golden file; with ``--regenerate`` the file is written first."""

    def check(path: Path, text: str) -> None:
        if request.config.getoption("--regenerate"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        assert path.exists(), f"{path} is missing; pytest --regenerate writes it"
        assert text == path.read_text(), f"{path.name} differs; pytest --regenerate writes it anew"

    return check


NewUrl = Callable[[], str]

_BACKENDS = (os.environ["ZCLOUD_TEST_STORE"],) if "ZCLOUD_TEST_STORE" in os.environ else ("sqlite", "postgresql")
_SEALING_KEY = bytes(range(32))
_numbers = itertools.count()


def open_store(url: str) -> Store:
    """Open a store as the tests do: the machine's clock, a fixed sealing key."""
    return Store(url, clock=SystemClock(), seal=Sealer(_SEALING_KEY))


def _migrated(url: str) -> str:
    store = open_store(url)
    store.migrate()
    store.close()
    return url


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Give a PostgreSQL cluster for the session."""
    with cluster() as running:
        yield running


@pytest.fixture(scope="session")
def new_sqlite(tmp_path_factory: pytest.TempPathFactory) -> NewUrl:
    """Give what makes a fresh SQLite store with its schema, and gives its URL."""
    directory = tmp_path_factory.mktemp("store")
    template = directory / "template.db"
    _migrated(f"sqlite:///{template}")

    def make() -> str:
        path = directory / f"{next(_numbers)}.db"
        shutil.copyfile(template, path)
        return f"sqlite:///{path}"

    return make


@pytest.fixture(scope="session")
def new_postgresql(postgres: Postgres) -> NewUrl:
    """Give what makes a fresh PostgreSQL store with its schema, and gives its URL."""
    _migrated(postgres.create_database("template_store"))
    return lambda: postgres.create_database(f"store_{next(_numbers)}", template="template_store")


@pytest.fixture(scope="session", params=_BACKENDS)
def new_url(request: pytest.FixtureRequest) -> NewUrl:
    """Give what makes a fresh store of each kind, and gives its URL."""
    make: NewUrl = request.getfixturevalue(f"new_{request.param}")
    return make


@pytest.fixture
def store(new_url: NewUrl) -> Iterator[Store]:
    """Give a fresh store of each kind."""
    opened = open_store(new_url())
    yield opened
    opened.close()


@pytest.fixture
def sqlite_store(new_sqlite: NewUrl) -> Iterator[Store]:
    """Give a fresh SQLite store."""
    opened = open_store(new_sqlite())
    yield opened
    opened.close()
