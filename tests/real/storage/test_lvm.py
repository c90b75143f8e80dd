"""The contract of storage, on LVM: what a kernel without device-mapper cannot show."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.conformance import test_storage as contract
from tests.conformance.records import new_pool

from zcloud.drivers import registry
from zcloud.drivers.storage.base import StorageDriver
from zcloud.lab.nested import NestedHost
from zcloud.ports import HostLink


@pytest.fixture(scope="module")
def group(machine: NestedHost) -> Iterator[str]:
    """Give a volume group that an operator made."""
    machine.run(["vgcreate", "-q", "vg0", "/dev/vdb"])
    yield "vg0"
    machine.run(["vgremove", "-q", "vg0"])
    machine.run(["pvremove", "-q", "/dev/vdb"])


@pytest.fixture(params=["lvm", "lvmthin"])
def driver(request: pytest.FixtureRequest, group: str, nested_link: HostLink) -> Iterator[StorageDriver]:
    """Give a driver whose pool is made, and see that it can be unmade."""
    driver = registry.storage(new_pool(request.param, volume_group=group), nested_link)
    driver.check()
    driver.ensure_pool()
    yield driver
    contract.clear(driver)
    driver.remove_pool()


@pytest.mark.parametrize(
    "test",
    [
        contract.test_snapshots_in_a_volume,
        contract.test_a_volume_that_somebody_else_fills,
    ],
    ids=lambda test: str(test.__name__),
)
def test_contract(driver: StorageDriver, test: object) -> None:
    assert callable(test)
    test(driver)
