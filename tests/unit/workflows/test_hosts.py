"""Hosts are forgotten only when nothing of ours is on them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from zcloud.domain.errors import InUse, NotFound
from zcloud.domain.operation import OperationStatus
from zcloud.services.hosts import Hosts
from zcloud.services.networks import Networks
from zcloud.services.pools import Pools
from zcloud.store import Store
from zcloud.testing.cloud import ADMIN, FakeCloud


@pytest.fixture
def cloud(sqlite_store: Store, tmp_path: Path) -> Iterator[FakeCloud]:
    made = FakeCloud(sqlite_store, tmp_path)
    made.start()
    yield made
    made.stop()


def test_a_host_goes_last(cloud: FakeCloud) -> None:
    cloud.add_host("alpha")
    hosts = Hosts(cloud.services)
    with pytest.raises(InUse, match="pools"):
        hosts.remove(ADMIN, "alpha")
    assert cloud.wait(Pools(cloud.services).delete(ADMIN, "alpha-pool")).status is OperationStatus.SUCCEEDED
    with pytest.raises(InUse, match="networks"):
        hosts.remove(ADMIN, "alpha")
    assert cloud.wait(Networks(cloud.services).delete(ADMIN, "alpha-net")).status is OperationStatus.SUCCEEDED
    assert cloud.wait(hosts.remove(ADMIN, "alpha")).status is OperationStatus.SUCCEEDED
    with pytest.raises(NotFound):
        hosts.show(ADMIN, "alpha")
