"""Instances in a Ceph pool over a fake host: the pool's room is waited for, and clones are of a mark."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from zcloud.domain.errors import HypervisorFailed, PoolCannot, StorageFailed, WrongState
from zcloud.domain.instance import DiskRequest, Instance, InstanceSpec, NicRequest
from zcloud.domain.operation import Operation, OperationStatus
from zcloud.domain.storage import GIB
from zcloud.services.cloning import CloneSpec, Cloning
from zcloud.services.pools import Pools, PoolSpec
from zcloud.store import Store
from zcloud.testing.cloud import ADMIN, FakeCloud
from zcloud.testing.fakerbd import FakeImage

OPTIONS = {"monitors": "192.0.2.1", "pool": "vms", "key": "A" * 38 + "=="}


class Owner:
    """A running instance named web with a data disk, all in Ceph."""

    def __init__(self, cloud: FakeCloud) -> None:
        self.cloud, self.cloning = cloud, Cloning(cloud.services)
        host = cloud.links.hosts[cloud.add_host("alpha")]
        self.shell, self.hypervisor, self.rbd = host.shell, host.hypervisor, host.shell.rbd
        self.rbd.unreckoned = 2
        self.pool, made = Pools(cloud.services).create(ADMIN, PoolSpec("ceph", driver="rbd", options=OPTIONS))
        self.done(made)
        disks = (DiskRequest(GIB),)
        spec = InstanceSpec(
            name="web", image="tiny", vcpus=1, memory_mib=256, nics=(NicRequest(""),), disks=disks, pool="ceph"
        )
        self.web, operation = cloud.launch.launch(ADMIN, "", spec)
        self.done(operation)

    def done(self, operation: Operation) -> Operation:
        ended = self.cloud.wait(operation)
        assert ended.status is OperationStatus.SUCCEEDED, ended.error
        return ended

    def clone(self, *names: str, linked: bool | None = None) -> Operation:
        return self.cloning.clone(ADMIN, "", "web", CloneSpec(names, linked=linked)).operation

    def images(self, instance: Instance) -> list[FakeImage]:
        volumes = self.cloud.read(lambda tx: tx.volumes.of_instance(instance.id))
        return [self.rbd.images[f"vms/{each.id}"] for each in sorted(volumes, key=lambda each: each.slot or 0)]

    def instance(self, name: str) -> Instance:
        return self.cloud.instances.show(ADMIN, "", name).instance


@pytest.fixture
def owner(sqlite_store: Store, tmp_path: Path) -> Iterator[Owner]:
    cloud = FakeCloud(sqlite_store, tmp_path)
    cloud.start()
    yield Owner(cloud)
    cloud.stop()


def test_a_new_pool_takes_volumes_once_its_room_is_known(owner: Owner) -> None:
    assert Pools(owner.cloud.services).show(ADMIN, "ceph")[0].total == 1 << 40


def test_clones_of_a_running_guest_are_of_one_moment(owner: Owner) -> None:
    owner.done(owner.clone("one", "two"))
    root, data = owner.images(owner.instance("two"))
    assert (root.over.startswith("base."), data.over) == (True, "")
    owner.done(owner.clone("over", linked=True))
    roots = [each.over for each in owner.images(owner.instance("over"))]
    assert roots == [each.id for each in owner.cloud.instances.show(ADMIN, "", "web").volumes]
    web = owner.instance("web")
    assert (web.frozen_until, web.observed.get("paused_for", "")) == (None, "")
    assert owner.instance("one").guest["clone_of"]["quiesced"] is True
    assert [each.snapshots for each in owner.images(web)] == [{}, {}]
    owner.done(owner.cloud.instances.delete(ADMIN, "", "web"))  # Ceph keeps what the clone lies over


def test_a_linked_clone_of_one_that_is_off(owner: Owner) -> None:
    owner.done(owner.cloud.instances.stop(ADMIN, "", "web"))
    owner.done(owner.clone("over", linked=True))
    assert all(each.over for each in owner.images(owner.instance("over")))
    owner.done(owner.cloud.instances.start(ADMIN, "", "web"))


@pytest.mark.parametrize("where", ["snap create", "clone", "start"])
def test_nothing_is_left_of_a_clone_that_fails(owner: Owner, where: str) -> None:
    before = dict(owner.rbd.images)
    if where == "start":
        owner.hypervisor.fail("start", HypervisorFailed("no"))
    else:
        owner.shell.fail(f"rbd {where}", StorageFailed("no"))
    assert owner.cloud.wait(owner.clone("over", linked=True)).status is OperationStatus.FAILED
    assert owner.rbd.images == before
    web = owner.instance("web")
    assert (web.frozen_until, web.observed.get("paused_for", "")) == (None, "")


def test_what_cannot_be_marked_is_refused(owner: Owner) -> None:
    spec = InstanceSpec(name="files", image="tiny", vcpus=1, memory_mib=256, nics=(NicRequest(""),))
    owner.done(owner.cloud.launch.launch(ADMIN, "", spec)[1])
    with pytest.raises(PoolCannot, match="stop it first"):
        owner.cloning.clone(ADMIN, "", "files", CloneSpec(("a",), pool="ceph"))
    with pytest.raises(WrongState, match="no template"):
        owner.cloning.clone(ADMIN, "", "files", CloneSpec(("a",), linked=True))
