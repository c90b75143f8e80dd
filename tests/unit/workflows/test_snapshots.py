"""Snapshots over fake hosts: a tree, the way back and its undoing, and what they forbid meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from zcloud.base.ids import new_id
from zcloud.domain.attachment import Attachment
from zcloud.domain.claims import BYTES
from zcloud.domain.errors import AlreadyExists, CommandFailed, HypervisorFailed, InUse, NotFound, PoolCannot
from zcloud.domain.instance import DiskRequest, InstanceSpec, InstanceStatus, NicRequest
from zcloud.domain.operation import Operation, OperationStatus
from zcloud.domain.snapshot import Snapshot, SnapshotState, as_tree
from zcloud.domain.storage import GIB, Pool, Volume
from zcloud.drivers import registry
from zcloud.operations.run import UNDO_BACKOFF_S
from zcloud.services.disks import Disks, DiskSpec, Parting
from zcloud.services.snapshots import Snapshots
from zcloud.services.volumes import Growth, Volumes
from zcloud.store import Store, Tx
from zcloud.testing.cloud import ADMIN, FakeCloud


class Owner:
    """An instance named web that runs, with a data disk."""

    def __init__(self, cloud: FakeCloud) -> None:
        self.cloud, self.snapshots = cloud, Snapshots(cloud.services)
        host_id = cloud.add_host("alpha")
        spec = InstanceSpec(
            name="web", image="tiny", vcpus=1, memory_mib=256, nics=(NicRequest(""),), disks=(DiskRequest(GIB),)
        )
        self.id = self.launch(spec)
        self.link = cloud.links.hosts[host_id]
        self.hypervisor, self.shell = self.link.hypervisor, self.link.shell

    def launch(self, spec: InstanceSpec) -> str:
        instance, operation = self.cloud.launch.launch(ADMIN, "", spec)
        self.done(operation)
        return instance.id

    def done(self, operation: Operation) -> None:
        ended = self.cloud.wait(operation)
        assert ended.status is OperationStatus.SUCCEEDED, ended.error

    def take(self, *names: str) -> None:
        for name in names:
            self.done(self.snapshots.create(ADMIN, "", "web", name)[1])

    def tree(self) -> list[tuple[int, str, bool]]:
        return [(depth, each.name, here) for depth, each, here in self.snapshots.all(ADMIN, "", "web")]

    def data(self) -> Volume:
        return self.cloud.read(lambda tx: tx.volumes.of_instance(self.id)[1])

    def raw_pool(self) -> str:
        """Add a pool of raw files to its host and give the pool's name."""

        def add(tx: Tx) -> Pool:
            options = {"path": "/var/lib/libvirt/images/raw", "format": "raw"}
            made = tx.pools.add(replace(tx.pools.all()[0], id=new_id(), name="raw", options=options, is_default=False))
            tx.claims.set_capacity(made.ref, {BYTES: 100 * GIB})
            return made

        pool = self.cloud.store.transact(add)
        registry.storage(pool, self.link).ensure_pool()
        return pool.name

    def claimed(self, id: str) -> int:
        """Give the bytes that are claimed for something."""
        claims = self.cloud.read(lambda tx: tx.claims.held_by(id))
        return sum(each.amount for each in claims)

    def marks(self) -> set[int]:
        """Give how many snapshots the images of the disks have."""
        return {len(each.snapshots) for path, each in self.shell.disk.files.items() if "/volumes/" in path}


@pytest.fixture
def owner(sqlite_store: Store, tmp_path: Path) -> Iterator[Owner]:
    cloud = FakeCloud(sqlite_store, tmp_path)
    cloud.start()
    yield Owner(cloud)
    cloud.stop()


def test_a_tree_that_grows_branches_and_loses_a_middle(owner: Owner) -> None:
    owner.take("one", "two", "three")
    assert owner.tree() == [(0, "one", False), (1, "two", False), (2, "three", True)]
    assert all(each.quiesced for _, each, _ in owner.snapshots.all(ADMIN, "", "web"))
    owner.done(owner.snapshots.revert(ADMIN, "", "web", "one"))
    owner.take("four")
    assert owner.tree() == [(0, "one", False), (1, "two", False), (2, "three", False), (1, "four", True)]
    owner.done(owner.snapshots.delete(ADMIN, "", "web", "two"))
    owner.done(owner.snapshots.delete(ADMIN, "", "web", "four"))
    assert owner.tree() == [(0, "one", True), (1, "three", False)]
    assert owner.marks() == {2}
    with pytest.raises(AlreadyExists):
        owner.snapshots.create(ADMIN, "", "web", "one")
    with pytest.raises(NotFound):
        owner.snapshots.revert(ADMIN, "", "web", "two")


def test_back_to_the_size_of_then_and_running_again(owner: Owner) -> None:
    owner.take("small")
    owner.done(owner.cloud.instances.stop(ADMIN, "", "web"))
    owner.done(Volumes(owner.cloud.services).resize(ADMIN, "", owner.data().id, Growth(2 * GIB)))
    owner.done(owner.cloud.instances.start(ADMIN, "", "web"))
    starts = owner.hypervisor.domains[owner.id].starts
    owner.done(owner.snapshots.revert(ADMIN, "", "web", "small"))
    assert owner.data().size == GIB
    assert owner.cloud.instances.show(ADMIN, "", "web").instance.status is InstanceStatus.RUNNING
    assert owner.hypervisor.domains[owner.id].starts == starts + 1


def test_a_way_back_that_fails_is_undone(owner: Owner) -> None:
    owner.take("one")
    owner.hypervisor.fail("start", HypervisorFailed("no"))
    ended = owner.cloud.wait(owner.snapshots.revert(ADMIN, "", "web", "one"))
    assert ended.status is OperationStatus.FAILED
    assert {each.status for each in ended.steps} == {"done", "undone", "pending"}
    assert owner.marks() == {1}
    assert owner.cloud.instances.show(ADMIN, "", "web").instance.status is InstanceStatus.STOPPED


def test_one_that_cannot_be_taken_leaves_nothing(owner: Owner) -> None:
    owner.hypervisor.fail("snapshot_disks", HypervisorFailed("no"))
    assert owner.cloud.wait(owner.snapshots.create(ADMIN, "", "web", "one")[1]).status is OperationStatus.FAILED
    owner.done(owner.cloud.instances.stop(ADMIN, "", "web"))
    owner.shell.fail("qemu-img snapshot", CommandFailed("no"))
    assert owner.cloud.wait(owner.snapshots.create(ADMIN, "", "web", "one")[1]).status is OperationStatus.FAILED
    assert (owner.tree(), owner.marks()) == ([], {0})
    assert owner.cloud.instances.show(ADMIN, "", "web").instance.frozen_until is None


def test_marks_of_a_worker_that_was_stopped_halfway_are_dropped_first(owner: Owner) -> None:
    """Its guest was paused, so some disks may be marked; it goes on, and what is marked now is of another moment."""

    def held(tx: Tx) -> None:
        observed = tx.instances.get(owner.id).observed
        tx.instances.update(owner.id, observed={**observed, "paused_for": "snapshot"})

    for stopped, status in ((True, OperationStatus.FAILED), (False, OperationStatus.SUCCEEDED)):
        if stopped:
            owner.cloud.store.transact(held)
        owner.hypervisor.fail("drop_disk_snapshots", HypervisorFailed("no"))
        operation = owner.snapshots.create(ADMIN, "", "web", f"one-{stopped}".lower())[1]
        assert owner.cloud.wait(operation).status is status
        assert not owner.cloud.instances.show(ADMIN, "", "web").instance.observed.get("paused_for")


def test_one_that_can_be_neither_taken_nor_undone_stays_to_be_deleted(owner: Owner) -> None:
    owner.done(owner.cloud.instances.stop(ADMIN, "", "web"))
    owner.cloud.store.transact(lambda tx: tx.volumes.update(owner.data().id, allocated=GIB))
    for _ in range(2 + len(UNDO_BACKOFF_S)):  # it comes last: the disks have been marked, and unmarked
        owner.shell.fail("remove", CommandFailed("no"))
    snapshot, operation = owner.snapshots.create(ADMIN, "", "web", "one")
    assert owner.cloud.wait(operation).status is OperationStatus.FAILED
    assert [each.state for _, each, _ in owner.snapshots.all(ADMIN, "", "web")] == [SnapshotState.ERROR]
    assert owner.claimed(snapshot.id)
    owner.done(owner.snapshots.delete(ADMIN, "", "web", "one"))
    assert (owner.tree(), owner.marks(), owner.claimed(snapshot.id)) == ([], {0}, 0)


def test_a_disk_that_came_later_is_left_alone(owner: Owner) -> None:
    owner.take("one")
    spec = DiskSpec(size=GIB, pool=owner.raw_pool())
    owner.done(Disks(owner.cloud.services).attach(ADMIN, "", "web", spec)[1])
    owner.done(owner.snapshots.revert(ADMIN, "", "web", "one"))
    owner.done(owner.snapshots.delete(ADMIN, "", "web", "one"))
    owner.done(owner.cloud.instances.stop(ADMIN, "", "web"))
    assert owner.marks() == {0}
    assert len(owner.cloud.read(lambda tx: tx.volumes.of_instance(owner.id))) == 3


def test_a_disk_that_is_only_read_is_in_none_and_may_go(owner: Owner) -> None:
    """QEMU would refuse to mark it."""
    disks, spec = Disks(owner.cloud.services), DiskSpec(size=GIB, attachment=Attachment(read_only=True))
    owner.done(disks.attach(ADMIN, "", "web", spec)[1])
    read = owner.cloud.read(lambda tx: tx.volumes.of_instance(owner.id)[2])
    owner.take("one")
    assert read.id not in owner.snapshots.all(ADMIN, "", "web")[0][1].disks
    owner.done(disks.detach(ADMIN, "", "web", read.id, Parting()))
    owner.done(owner.snapshots.revert(ADMIN, "", "web", "one"))


def test_what_snapshots_have_is_not_taken_away_but_goes_with_its_instance(owner: Owner) -> None:
    owner.take("one")
    with pytest.raises(InUse, match="one"):
        Disks(owner.cloud.services).detach(ADMIN, "", "web", owner.data().id, Parting())
    kept = owner.data().id
    owner.done(owner.cloud.instances.delete(ADMIN, "", "web", [kept]))
    assert owner.marks() == {0}


def test_a_pool_of_raw_files_has_none(owner: Owner) -> None:
    with owner.cloud.store.write() as tx:
        for pool in tx.pools.all():
            tx.pools.update(pool.id, options={**pool.options, "format": "raw"})
    with pytest.raises(PoolCannot, match="snapshots"):
        owner.snapshots.create(ADMIN, "", "web", "one")


def test_a_tree_without_a_root() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)

    def made(name: str, parent: str | None, minutes: int) -> Snapshot:
        time = at + timedelta(minutes=minutes)
        return Snapshot(name, "i", name, parent, SnapshotState.READY, quiesced=True, created_by="x", created_at=time)

    found = as_tree([made("b", "a", 2), made("a", "gone", 1), made("c", None, 3)])
    assert [(depth, each.name) for depth, each in found] == [(0, "a"), (1, "b"), (0, "c")]
