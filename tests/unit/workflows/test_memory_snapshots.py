"""Snapshots with memory over fake hosts: what the guest had in memory comes back, where it still fits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.workflows.test_snapshots import Owner

from zcloud.domain.claims import MEMORY_MIB
from zcloud.domain.errors import HypervisorFailed, PoolFull, WrongState
from zcloud.domain.instance import Instance, InstanceStatus, Ready
from zcloud.domain.operation import OperationStatus
from zcloud.domain.storage import GIB, MIB
from zcloud.services.disks import Disks, DiskSpec
from zcloud.services.lifecycle import Lifecycle
from zcloud.services.snapshots import Snapshots
from zcloud.store import Store
from zcloud.testing.cloud import ADMIN, FakeCloud
from zcloud.testing.fakedomains import FakeDomain


class Memories(Owner):
    """The same owner, who takes snapshots with memory."""

    def take_with_memory(self, name: str) -> None:
        self.done(self.snapshots.create(ADMIN, "", "web", name, memory=True)[1])

    @property
    def domain(self) -> FakeDomain:
        return self.hypervisor.domains[self.id]

    @property
    def instance(self) -> Instance:
        return self.cloud.instances.show(ADMIN, "", "web").instance

    def files(self) -> list[str]:
        """Give the files of memory that are there."""
        return [path for path in self.shell.disk.files if path.endswith(".memory")]

    def change(self, **changes: Any) -> None:
        with self.cloud.store.write() as tx:
            tx.instances.update(self.id, **changes)


@pytest.fixture
def owner(sqlite_store: Store, tmp_path: Path) -> Iterator[Memories]:
    cloud = FakeCloud(sqlite_store, tmp_path)
    cloud.start()
    yield Memories(cloud)
    cloud.stop()


def test_a_guest_goes_on_from_its_memory_of_then(owner: Memories) -> None:
    """Disk-only ones before and after; then from the middle one, while it runs and while it is off."""
    owner.change(ready=Ready.READY)
    owner.take("before")
    owner.take_with_memory("then")
    owner.take("after")
    assert [(each.memory_bytes > 0, each.quiesced) for _, each, _ in owner.snapshots.all(ADMIN, "", "web")] == [
        (False, True), (True, False), (False, True),
    ]  # fmt: skip
    then = owner.domain.boots
    for running in (True, False):
        owner.done(owner.cloud.instances.restart(ADMIN, "", "web", force=True))
        assert owner.domain.memory > then
        if not running:
            owner.done(owner.cloud.instances.stop(ADMIN, "", "web", force=True))
        run = owner.instance.incarnation
        owner.done(owner.snapshots.revert(ADMIN, "", "web", "then"))
        assert (owner.domain.memory, owner.domain.state.value) == (then, "running")
        now = owner.instance
        assert (now.status, now.ready, now.incarnation) == (InstanceStatus.RUNNING, Ready.READY, run + 1)
        claims = owner.cloud.read(lambda tx: tx.claims.held_by(owner.id))
        assert {each.amount for each in claims if each.resource == MEMORY_MIB} == {256}
    assert owner.tree() == [(0, "before", False), (1, "then", True), (2, "after", False)]
    owner.done(owner.snapshots.revert(ADMIN, "", "web", "then", disks_only=True))
    assert owner.domain.memory > then


def test_room_is_claimed_first_and_what_it_did_not_take_is_given_back(owner: Memories) -> None:
    snapshot, operation = owner.snapshots.create(ADMIN, "", "web", "one", memory=True)
    assert snapshot.memory_bytes > 256 * MIB
    owner.done(operation)
    (taken,) = [each for _, each, _ in owner.snapshots.all(ADMIN, "", "web")]
    assert 0 < taken.memory_bytes < MIB
    assert owner.claimed(taken.id) == taken.memory_bytes
    with owner.cloud.store.write() as tx:
        for pool in tx.pools.all():
            tx.pools.update(pool.id, available=256 * MIB)
    with pytest.raises(PoolFull, match="memory"):
        owner.snapshots.create(ADMIN, "", "web", "two", memory=True)
    owner.done(owner.snapshots.delete(ADMIN, "", "web", "one"))
    assert (owner.files(), owner.claimed(taken.id), owner.marks()) == ([], 0, {0})


def test_one_that_cannot_be_written_leaves_a_guest_that_goes_on(owner: Memories) -> None:
    owner.hypervisor.fail("snapshot_memory", HypervisorFailed("no"))
    snapshot, operation = owner.snapshots.create(ADMIN, "", "web", "one", memory=True)
    assert owner.cloud.wait(operation).status is OperationStatus.FAILED
    assert (owner.domain.state.value, owner.marks(), owner.files()) == ("running", {0}, [])
    assert (owner.tree(), owner.claimed(snapshot.id)) == ([], 0)


def test_one_of_a_guest_that_is_off_or_paused_is_refused(owner: Memories) -> None:
    owner.done(Lifecycle(owner.cloud.services).act(ADMIN, "", "web", "pause"))
    with pytest.raises(WrongState, match="paused"):
        owner.snapshots.create(ADMIN, "", "web", "one", memory=True)
    owner.done(owner.cloud.instances.stop(ADMIN, "", "web", force=True))
    with pytest.raises(WrongState, match="stopped"):
        owner.snapshots.create(ADMIN, "", "web", "one", memory=True)


def test_what_does_not_fit_any_more_is_named(owner: Memories) -> None:
    owner.take_with_memory("one")
    owner.done(Disks(owner.cloud.services).attach(ADMIN, "", "web", DiskSpec(size=GIB))[1])
    owner.change(memory_mib=512)
    with owner.cloud.store.write() as tx:
        host = tx.hosts.get(owner.instance.host_id)
        tx.hosts.update(host.id, inventory={**host.inventory, "cpu_model": "another"})
    with pytest.raises(WrongState, match="its size and its disks and its host's CPU changed since") as refused:
        owner.snapshots.revert(ADMIN, "", "web", "one")
    assert "--disks-only" in refused.value.hint
    owner.done(owner.snapshots.revert(ADMIN, "", "web", "one", disks_only=True))


def test_memory_that_is_not_there_is_told_and_the_disks_come_back(owner: Memories) -> None:
    owner.take_with_memory("one")
    owner.shell.remove(*owner.files())
    ended = owner.cloud.wait(owner.snapshots.revert(ADMIN, "", "web", "one"))
    assert (ended.status, (ended.error or {})["code"]) == (OperationStatus.FAILED, "storage_failed")
    assert (owner.instance.status, owner.marks()) == (InstanceStatus.STOPPED, {1})


def test_files_of_memory_go_with_their_instance(owner: Memories) -> None:
    owner.take_with_memory("one")
    assert owner.files()
    owner.done(owner.cloud.instances.delete(ADMIN, "", owner.id))
    assert owner.files() == []


def test_small_files_that_are_elsewhere_are_brought_first(owner: Memories) -> None:
    owner.change(hardware={**owner.instance.hardware, "small_files": "elsewhere"})
    with pytest.raises(WrongState, match="small files"):
        Snapshots(owner.cloud.services).create(ADMIN, "", "web", "one", memory=True)
