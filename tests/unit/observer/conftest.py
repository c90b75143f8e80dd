"""An observer over a fake cloud, and what tests of it ask."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from zcloud.base.config import Observer as Settings
from zcloud.domain.claims import ProviderKind
from zcloud.domain.instance import Instance, InstanceSpec, NicRequest
from zcloud.domain.operation import OperationStatus
from zcloud.observer.chores import Chore
from zcloud.observer.observer import Observer
from zcloud.services.guests import Guests
from zcloud.store import Store
from zcloud.testing.cloud import ADMIN, FakeCloud
from zcloud.testing.fakepool import FakePool
from zcloud.testing.fakes import FakeHypervisor

T = TypeVar("T")

FAST = Settings(interval_s=60.0, readiness_interval_s=0.05, heal_interval_s=60.0, orphans_interval_s=60.0, lease_s=2.0)


class Watched:
    """A fake cloud with one host, and shortcuts."""

    def __init__(self, cloud: FakeCloud) -> None:
        self.cloud = cloud
        self.host_id = cloud.add_host("alpha")
        self.link = cloud.links.hosts[self.host_id]
        self.link.shell.answers["ip -j link show"] = b"[]"
        self.pool = FakePool(cloud.links)

    @property
    def chores(self) -> tuple[Chore, ...]:
        return (Chore("boots", 0.05, Guests(self.cloud.services).resume),)

    @property
    def hypervisor(self) -> FakeHypervisor:
        return self.link.hypervisor

    def launch(self, name: str = "web", **changes: object) -> Instance:
        spec = InstanceSpec(name=name, image="tiny", vcpus=1, memory_mib=256, nics=(NicRequest(""),), **changes)  # type: ignore[arg-type]
        operation = self.cloud.launch.launch(ADMIN, "", spec)[1]
        ended = self.cloud.wait(operation)
        assert ended.status is OperationStatus.SUCCEEDED, ended.error
        return self.instance(name)

    def instance(self, name: str = "web") -> Instance:
        return self.cloud.instances.show(ADMIN, "", name).instance

    def events(self, kind: str) -> list[str]:
        """Give the messages of events of a kind."""
        found = self.cloud.read(lambda tx: tx.events.after(0, limit=1000, kinds=[kind]))
        return [each.message for each in found]

    def claims(self) -> dict[str, int]:
        """Give what is claimed of the host."""
        [view] = self.cloud.read(lambda tx: tx.claims.views(ProviderKind.HOST))
        return dict(view.used)

    def observer(self, settings: Settings = FAST) -> Observer:
        """Give an observer that is not started yet."""
        return Observer(self.cloud.store, self.pool, settings, self.cloud.clock, self.chores)


def wait_for(look: Callable[[], T], timeout_s: float = 30.0) -> T:
    """Poll until ``look`` gives something true."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.01)
    raise TimeoutError("it did not come")


@pytest.fixture
def watched(sqlite_store: Store, tmp_path: Path) -> Iterator[Watched]:
    """Give a cloud whose operations run and which nobody observes yet."""
    cloud = FakeCloud(sqlite_store, tmp_path)
    cloud.start()
    yield Watched(cloud)
    cloud.stop()
