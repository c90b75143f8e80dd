"""A pool that hosts share: made once, joined on each, left where it goes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from zcloud.domain.errors import AlreadyExists, InUse, InvalidInput, NoRoom, StorageFailed, WrongState
from zcloud.domain.host import HostState
from zcloud.domain.instance import InstanceSpec, NicRequest
from zcloud.domain.operation import Operation, OperationStatus
from zcloud.domain.storage import GIB, MOUNTS, JoinState, Pool
from zcloud.services.hosts import Hosts
from zcloud.services.networks import Networks
from zcloud.services.pools import Pools, PoolSpec
from zcloud.services.volumes import Volumes, VolumeSpec
from zcloud.store import Store
from zcloud.testing.cloud import ADMIN, FakeCloud

DOWN = StorageFailed("files.test:/x cannot be mounted: Connection refused")


class Shared:
    """A cloud with two hosts."""

    def __init__(self, cloud: FakeCloud) -> None:
        self.cloud, self.pools = cloud, Pools(cloud.services)
        self.alpha, self.beta = cloud.add_host("alpha"), cloud.add_host("beta", address="192.168.78")
        self.export = f"/{uuid4()}"

    def spec(self, name: str = "files", *hosts: str, **options: str) -> PoolSpec:
        place = {"server": "files.test", "export": self.export, **options}
        return PoolSpec(name, driver="nfs", hosts=hosts, options=dict(place))

    def make(self, *hosts: str) -> Pool:
        pool, operation = self.pools.create(ADMIN, self.spec("files", *hosts))
        self.done(operation)
        return self.pools.show(ADMIN, pool.id)[0]

    def done(self, operation: Operation) -> None:
        ended = self.cloud.wait(operation)
        assert ended.status is OperationStatus.SUCCEEDED, ended.error

    def status(self, operation: Operation, status: OperationStatus) -> Operation:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            now = self.cloud.read(lambda tx: tx.operations.get(operation.id))
            if now.status is status:
                return now
            time.sleep(0.02)
        raise TimeoutError(f"{operation.workflow} is {now.status}")

    def mounts(self, host_id: str) -> set[str]:
        return set(self.cloud.links.hosts[host_id].shell.disk.mounts)

    def joined(self, pool: Pool) -> dict[str, JoinState]:
        return {each.host_id: each.state for each in self.pools.joins(ADMIN).get(pool.id, ())}

    def launch(self, name: str, host: str, pool: str = "files") -> Operation:
        nic = NicRequest("")
        spec = InstanceSpec(name=name, image="tiny", host=host, pool=pool, vcpus=1, memory_mib=256, nics=(nic,))
        return self.cloud.launch.launch(ADMIN, "", spec)[1]


@pytest.fixture
def shared(sqlite_store: Store, tmp_path: Path) -> Iterator[Shared]:
    cloud = FakeCloud(sqlite_store, tmp_path)
    cloud.start()
    yield Shared(cloud)
    cloud.stop()


def test_it_is_joined_on_every_host_and_gone_from_every_host(shared: Shared) -> None:
    pool = shared.make()
    assert pool.host_id is None
    assert pool.total > 0
    assert shared.joined(pool) == {shared.alpha: JoinState.READY, shared.beta: JoinState.READY}
    place = f"{MOUNTS}/{pool.id}"
    assert shared.mounts(shared.alpha) == shared.mounts(shared.beta) == {place}
    shared.done(shared.launch("one", "alpha"))
    shared.done(shared.launch("two", "beta"))
    brought = [words for each in shared.cloud.links.hosts.values() for words in each.shell.history if "upload" in words]
    assert len(brought) == 1, "an image is brought to a shared pool once"
    with pytest.raises(InUse, match=r"2 volumes: one-root, two-root"):
        shared.pools.delete(ADMIN, "files")
    for name in ("one", "two"):
        shared.done(shared.cloud.instances.delete(ADMIN, "", name))
    shared.done(shared.pools.delete(ADMIN, "files"))
    assert not shared.mounts(shared.alpha) | shared.mounts(shared.beta)
    assert not shared.joined(pool)


def test_only_named_hosts_use_it(shared: Shared) -> None:
    pool = shared.make("beta")
    assert shared.joined(pool) == {shared.beta: JoinState.READY}
    with pytest.raises(NoRoom, match="The pool files is not on this host"):
        shared.launch("one", "alpha")
    volume, operation = Volumes(shared.cloud.services).create(ADMIN, "", VolumeSpec("data", GIB, "files"))
    shared.done(operation)
    assert volume.pool_id == pool.id


def test_what_is_asked_for_wrongly_is_refused(shared: Shared) -> None:
    shared.make()
    for spec in (shared.spec("again"), shared.spec("again", version="4.1"), shared.spec("again", "alpha")):
        with pytest.raises(AlreadyExists, match="files has this place already"):
            shared.pools.create(ADMIN, spec)
    with pytest.raises(InvalidInput, match="Hosts share"):
        shared.pools.create(ADMIN, PoolSpec("x", "nfs", "alpha", options={"server": "a", "export": "/b"}))
    with pytest.raises(InvalidInput, match="on one host"):
        shared.pools.create(ADMIN, PoolSpec("x", hosts=("alpha",)))


def test_a_host_that_cannot_join_takes_nothing_and_is_tried_again(shared: Shared) -> None:
    shell = shared.cloud.links.hosts[shared.beta].shell
    shell.fail("mount", DOWN)
    pool = shared.make()
    assert shared.joined(pool) == {shared.alpha: JoinState.READY, shared.beta: JoinState.ERROR}
    with pytest.raises(NoRoom, match=r"cannot be used on it: .*Connection refused"):
        shared.launch("one", "beta")
    shared.done(shared.pools.refresh(ADMIN, "files"))
    assert shared.joined(pool)[shared.beta] is JoinState.READY
    shared.done(shared.launch("one", "beta"))


def test_a_look_at_one_that_no_host_can_use_says_why_and_lets_it_go(shared: Shared) -> None:
    pool = shared.make()
    for host_id in (shared.alpha, shared.beta):
        shared.cloud.links.hosts[host_id].shell.disk.mounts.clear()
        shared.cloud.links.hosts[host_id].shell.fail("mount", DOWN)
    ended = shared.cloud.wait(shared.pools.refresh(ADMIN, "files"))
    assert ended.status is OperationStatus.FAILED
    assert "Connection refused" in str(ended.error)
    assert set(shared.joined(pool).values()) == {JoinState.ERROR}
    assert shared.pools.show(ADMIN, "files")[0].operation_id is None
    shared.done(shared.pools.refresh(ADMIN, "files"))


def test_one_that_nobody_can_mount_leaves_nothing(shared: Shared) -> None:
    shared.cloud.links.hosts[shared.alpha].shell.fail("mount", DOWN)
    pool, operation = shared.pools.create(ADMIN, shared.spec())
    ended = shared.cloud.wait(operation)
    assert ended.status is OperationStatus.FAILED
    assert ended.error
    assert ended.error["left"] == "What had been done was undone."
    assert not shared.joined(pool)
    shared.done(shared.pools.delete(ADMIN, "files"))


def test_a_start_mounts_it_again_and_is_refused_where_it_cannot_be_used(shared: Shared) -> None:
    pool = shared.make()
    shared.done(shared.launch("one", "alpha"))
    shared.done(shared.cloud.instances.stop(ADMIN, "", "one"))
    disk = shared.cloud.links.hosts[shared.alpha].shell.disk
    disk.mounts.clear()  # the host was booted
    shared.done(shared.cloud.instances.start(ADMIN, "", "one"))
    assert disk.mounts
    shared.done(shared.cloud.instances.stop(ADMIN, "", "one"))
    shared.cloud.store.transact(lambda tx: tx.pool_hosts.note(pool.id, shared.alpha, "The server is silent."))
    with pytest.raises(NoRoom, match="The server is silent"):
        shared.cloud.instances.start(ADMIN, "", "one")


def test_an_operation_waits_for_a_pool_that_cannot_be_used(shared: Shared) -> None:
    pool = shared.make("alpha")
    shared.done(shared.launch("one", "alpha"))

    def note(reason: str) -> None:
        shared.cloud.store.transact(lambda tx: tx.pool_hosts.note(pool.id, shared.alpha, reason))

    note("The server is silent.")
    operation = shared.cloud.instances.delete(ADMIN, "", "one")
    waiting = shared.status(operation, OperationStatus.WAITING)
    assert waiting.wait_reason.endswith("The server is silent.")
    note("")
    shared.cloud.store.transact(lambda tx: tx.operations.update(operation.id, wake_at=tx.now))
    shared.done(operation)


def test_a_drained_pool_takes_nothing_new(shared: Shared) -> None:
    shared.make()
    shared.done(shared.launch("one", "alpha"))
    shared.done(shared.cloud.instances.stop(ADMIN, "", "one"))
    assert shared.pools.change(ADMIN, "files", None, draining=True).draining
    with pytest.raises(NoRoom, match="being drained"):
        shared.launch("two", "alpha")
    with pytest.raises(WrongState, match="being drained"):
        Volumes(shared.cloud.services).create(ADMIN, "", VolumeSpec("data", GIB, "files"))
    shared.done(shared.cloud.instances.start(ADMIN, "", "one"))
    shared.pools.change(ADMIN, "files", None, draining=False)
    shared.done(shared.launch("two", "alpha"))


def test_a_host_that_is_removed_leaves_it(shared: Shared) -> None:
    pool = shared.make()
    shared.done(shared.pools.delete(ADMIN, "beta-pool"))
    shared.done(Networks(shared.cloud.services).delete(ADMIN, "beta-net"))
    shared.done(Hosts(shared.cloud.services).remove(ADMIN, "beta"))
    assert not shared.mounts(shared.beta)
    assert shared.joined(pool) == {shared.alpha: JoinState.READY}


def test_volumes_are_reached_by_any_host_that_is_up(shared: Shared) -> None:
    pool = shared.make()
    shared.cloud.store.transact(lambda tx: tx.hosts.update(shared.alpha, state=HostState.LOST))
    assert shared.cloud.read(lambda tx: tx.pool_hosts.way_to(pool)) == shared.beta
    _, operation = Volumes(shared.cloud.services).create(ADMIN, "", VolumeSpec("data", GIB, "files"))
    shared.done(operation)
