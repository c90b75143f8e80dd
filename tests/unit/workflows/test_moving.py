"""Moves between pools over fake hosts: what is claimed meanwhile, what one that breaks off leaves, what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.workflows.test_snapshots import Owner

from zcloud.domain.errors import CommandFailed, HypervisorFailed, InUse, InvalidInput, PoolCannot, WrongState
from zcloud.domain.operation import Operation, OperationStatus
from zcloud.domain.storage import MIB
from zcloud.ports import MirrorJob
from zcloud.services.cloning import CloneSpec, Cloning
from zcloud.services.disks import Disks, DiskSpec
from zcloud.services.moving import Moving
from zcloud.services.pools import Pools, PoolSpec
from zcloud.services.volumes import Growth, Volumes, VolumeSpec
from zcloud.store import Store, Tx
from zcloud.testing.cloud import ADMIN, FakeCloud

ODD = 50 * MIB - 512
GROUP = {"volume_group": "vg0"}
RAW = "/var/lib/libvirt/images/raw/"


@pytest.fixture
def cloud(sqlite_store: Store, tmp_path: Path) -> Iterator[FakeCloud]:
    made = FakeCloud(sqlite_store, tmp_path)
    made.start()
    yield made
    made.stop()


class Mover(Owner):
    """An instance that runs, and a pool of raw files beside its own."""

    def __init__(self, cloud: FakeCloud) -> None:
        super().__init__(cloud)
        self.home = cloud.read(lambda tx: tx.pools.all()[0].name)
        self.moving, self.raw = Moving(cloud.services), self.raw_pool()

    def stop(self) -> None:
        self.done(self.cloud.instances.stop(ADMIN, "", self.id, force=True))

    def places(self) -> set[str]:
        """Give the pools in which its disks are recorded."""

        def read(tx: Tx) -> set[str]:
            return {tx.pools.get(each.pool_id).name for each in tx.volumes.of_instance(self.id)}

        return self.cloud.read(read)

    def files(self) -> list[str]:
        files = self.shell.disk.files
        return sorted(path for path in files if path.startswith(RAW) and not path.endswith("zcloud-pool"))

    def failed(self, operation: Operation) -> str:
        ended = self.cloud.wait(operation)
        assert ended.status is OperationStatus.FAILED
        assert ended.error is not None
        return str(ended.error["message"])


def test_a_guest_runs_on_in_the_new_pool_and_its_seed_follows_at_the_next_start(cloud: FakeCloud) -> None:
    owner = Mover(cloud)
    owner.done(owner.moving.move_instance(ADMIN, "", "web", owner.raw))
    assert owner.places() == {"raw"}
    domain = owner.hypervisor.domains[owner.id]
    assert domain.starts == 1
    assert [path.rpartition(".")[2] for path in owner.files()] == ["raw", "raw"]
    assert RAW in domain.plugged.xml
    owner.stop()
    owner.done(cloud.instances.start(ADMIN, "", "web"))
    assert f"{RAW}artifacts/{owner.id}.seed.iso" in domain.xml
    assert not [path for path in owner.shell.disk.files if owner.id in path and not path.startswith(RAW)]
    owner.done(cloud.instances.delete(ADMIN, "", "web"))
    assert owner.files() == []


def test_an_instance_that_is_off_moves_with_its_small_files(cloud: FakeCloud) -> None:
    owner = Mover(cloud)
    owner.stop()
    owner.done(owner.moving.move_instance(ADMIN, "", "web", owner.raw))
    assert owner.places() == {"raw"}
    assert [each for each in owner.files() if each.endswith(".seed.iso")]
    owner.done(cloud.instances.start(ADMIN, "", "web"))


@pytest.mark.parametrize("verb", ["begin_mirror", "end_mirror"])
def test_a_guest_that_cannot_turn_stays_where_it_is(cloud: FakeCloud, verb: str) -> None:
    owner = Mover(cloud)
    before = owner.claimed(owner.data().id)
    owner.hypervisor.fail(verb, HypervisorFailed("libvirt: no."))
    owner.failed(owner.moving.move_instance(ADMIN, "", "web", owner.raw))
    assert (owner.places(), owner.files()) == ({owner.home}, [])
    assert owner.claimed(owner.data().id) == before
    owner.done(owner.moving.move_instance(ADMIN, "", "web", owner.raw))


def test_a_mirror_that_broke_off_is_not_begun_again(cloud: FakeCloud) -> None:
    owner = Mover(cloud)
    begin = owner.hypervisor.mirror_job

    def gone(uuid: str, target: str) -> MirrorJob:
        job = begin(uuid, target)
        owner.hypervisor.mirrors.clear()
        return job._replace(ready=False) if job.active else job

    owner.hypervisor.mirror_job = gone  # type: ignore[method-assign]
    told = owner.failed(owner.moving.move_volume(ADMIN, "", owner.data().id, owner.raw))
    assert "broke off" in told
    assert (owner.places(), owner.files()) == ({owner.home}, [])


def test_a_copy_that_differs_is_thrown_away(cloud: FakeCloud) -> None:
    owner = Mover(cloud)
    owner.stop()
    owner.shell.fail("qemu-img compare", CommandFailed("The command ended with 1."))
    owner.failed(owner.moving.move_instance(ADMIN, "", "web", owner.raw))
    assert (owner.places(), owner.files()) == ({owner.home}, [])


def test_what_cannot_be_moved_is_refused(cloud: FakeCloud) -> None:
    owner = Mover(cloud)
    with pytest.raises(WrongState, match="already"):
        owner.moving.move_instance(ADMIN, "", "web", owner.home)
    owner.take("one")
    with pytest.raises(InUse, match="Snapshots"):
        owner.moving.move_instance(ADMIN, "", "web", owner.raw)


def test_a_free_volume_moves(cloud: FakeCloud) -> None:
    owner = Mover(cloud)
    volumes = Volumes(cloud.services)
    made, operation = volumes.create(ADMIN, "", VolumeSpec("spare", 1 << 30, owner.home))
    owner.done(operation)
    owner.done(owner.moving.move_volume(ADMIN, "", "spare", owner.raw))
    assert owner.files() == [f"{RAW}volumes/{made.id}.raw"]


@pytest.mark.parametrize("runs", [True, False])
def test_clones_of_disks_and_instances_lie_in_another_pool(cloud: FakeCloud, *, runs: bool) -> None:
    owner = Mover(cloud)
    if not runs:
        owner.stop()
        disk = owner.data()
        made, operation = Volumes(cloud.services).clone(ADMIN, "", disk.id, VolumeSpec("copy", 2 << 30, owner.raw))
        owner.done(operation)
        assert owner.files() == [f"{RAW}volumes/{made.id}.raw"]
    spec = CloneSpec(("one", "two"), pool=owner.raw)
    owner.done(Cloning(cloud.services).clone(ADMIN, "", "web", spec).operation)
    disks = [path for path in owner.files() if path.endswith(".raw")]
    assert len(disks) == 4 + (not runs)
    assert owner.places() == {owner.home}
    for name in ("one", "two"):
        owner.done(cloud.instances.delete(ADMIN, "", name))
    assert len(owner.files()) == (not runs)


def test_a_pool_of_devices_that_becomes_full_under_a_copy_says_so_and_is_left_empty(cloud: FakeCloud) -> None:
    owner = Mover(cloud)
    pool, made = Pools(cloud.services).create(ADMIN, PoolSpec("thin", "lvmthin", host="alpha", options=GROUP))
    owner.done(made)
    owner.stop()
    full = "qemu-img: error while writing at byte 33554432: No space left on device"
    owner.shell.fail("qemu-img convert", CommandFailed(full))
    assert "became full" in owner.failed(owner.moving.move_instance(ADMIN, "", "web", pool.name))
    assert set(owner.shell.lvm.groups["vg0"].volumes) == {"zcloud-pool"}
    asked = next(words for words in owner.shell.history if words[:2] == ("qemu-img", "convert"))
    assert asked[asked.index("-t") + 1] == "none", "else the page cache takes what the pool has no room for"


def test_a_linked_clone_lies_where_its_template_does(cloud: FakeCloud) -> None:
    owner = Mover(cloud)
    owner.stop()
    cloning = Cloning(cloud.services)
    owner.done(cloning.template(ADMIN, "", "web", on=True))
    with pytest.raises(InvalidInput, match="template"):
        cloning.clone(ADMIN, "", "web", CloneSpec(("one",), linked=True, pool=owner.raw))
    owner.done(cloning.clone(ADMIN, "", "web", CloneSpec(("one",), pool=owner.raw)).operation)


def test_what_comes_into_lvm_is_as_large_there_as_is_recorded(cloud: FakeCloud) -> None:
    """Of a guest that runs: moved, copied, made and grown, in whole multiples of 4 MiB each time."""
    owner = Mover(cloud)
    pool, made = Pools(cloud.services).create(ADMIN, PoolSpec("lvm", "lvm", host="alpha", options=GROUP))
    owner.done(made)
    volume, plugged = Disks(cloud.services).attach(ADMIN, "", "web", DiskSpec(size=ODD, pool=owner.home))
    owner.done(plugged)
    cloning, spec = Cloning(cloud.services), CloneSpec(("copy",), pool=pool.name)
    with pytest.raises(PoolCannot, match=str(52 * MIB)):
        cloning.clone(ADMIN, "", "web", spec)
    owner.done(owner.moving.move_volume(ADMIN, "", volume.id, pool.name))
    found = cloud.read(lambda tx: tx.volumes.get(volume.id))
    assert (found.size, owner.claimed(volume.id)) == (52 * MIB, 52 * MIB)
    assert 52 * MIB in owner.hypervisor.domains[owner.id].plugged.sizes.values(), "its guest sees it, too"
    owner.done(cloning.clone(ADMIN, "", "web", spec).operation)
    owner.done(Volumes(cloud.services).resize(ADMIN, "", volume.id, Growth(53 * MIB)))
    fresh, created = Volumes(cloud.services).create(ADMIN, "", VolumeSpec("fresh", ODD, pool.name))
    owner.done(created)
    recorded = cloud.read(lambda tx: {f"zcloud-{each.id}": each.size for each in tx.volumes.page(limit=100).items})
    there = {name: each.size for name, each in owner.shell.lvm.groups["vg0"].volumes.items()}
    assert there == {name: recorded[name] for name in there}
    assert {there[f"zcloud-{volume.id}"], there[f"zcloud-{fresh.id}"]} == {56 * MIB, 52 * MIB}
    assert len(there) == 5, "three disks were copied, too"
