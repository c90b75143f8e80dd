"""Two namespace hosts for the whole module folder, and a pool over them for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.real.hosts.pools import Watched, address_of, watched_pool

from zcloud.lab.hosts import Lab, NamespaceHost


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """Give two hosts; a test that breaks one mends it."""
    with Lab(2) as running:
        yield running


@pytest.fixture
def host(lab: Lab) -> NamespaceHost:
    """Give the host that tests may break."""
    return lab.hosts[0]


@pytest.fixture
def watched(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """Give a pool over the lab's hosts, by their names."""
    directory: Path = tmp_path_factory.mktemp("p")
    with watched_pool({host.name: address_of(host) for host in lab.hosts}, directory / "r") as pool:
        yield pool
