"""Pools in volume groups when things go wrong, and what they do so that nobody reads what another one left."""

from __future__ import annotations

import hashlib
from io import BytesIO
from uuid import uuid4

import pytest
from tests.conformance.records import new_pool

from zcloud.domain.errors import (
    CommandFailed,
    HostUnreachable,
    InUse,
    InvalidInput,
    PoolCannot,
    PoolFull,
    PoolUnusable,
    StorageFailed,
    ToolMissing,
)
from zcloud.domain.storage import GIB, MIB
from zcloud.drivers import lvm_tools, registry
from zcloud.drivers.storage.base import BaseImage, StorageDriver, VolumeSpec
from zcloud.drivers.storage.lvmthin import plan_growth, plan_pool
from zcloud.testing.fakelvm import FakeLogical
from zcloud.testing.fakes import FakeLink

IMAGE = b"z" * MIB
BASE = BaseImage(hashlib.sha256(IMAGE).hexdigest(), "raw", MIB, MIB)


@pytest.fixture
def fake_link() -> FakeLink:
    """Give a fresh host in memory."""
    return FakeLink()


KINDS = pytest.mark.parametrize("kind", ["lvm", "lvmthin"])


def made(link: FakeLink, kind: str, **options: object) -> StorageDriver:
    """Give a pool that is made."""
    driver = registry.storage(new_pool(kind, **options), link)
    driver.ensure_pool()
    return driver


def lines(link: FakeLink) -> list[str]:
    return [" ".join(words) for words in link.shell.history]


def test_a_plain_volume_is_zeroed_before_it_has_its_name(fake_link: FakeLink) -> None:
    driver, spec = made(fake_link, "lvm"), VolumeSpec(str(uuid4()), 8 * MIB)
    driver.ensure_volume(spec)
    said = lines(fake_link)
    zeroed = said.index(f"blkdiscard -z -o 0 -l {8 * MIB} -- /dev/vg0/zcloud-{spec.id}.part")
    assert said.index(f"lvrename -q -- vg0 zcloud-{spec.id}.part zcloud-{spec.id}") > zeroed


def test_what_a_plain_volume_grew_by_is_zeroed_though_the_worker_died(fake_link: FakeLink) -> None:
    driver, id = made(fake_link, "lvm"), str(uuid4())
    driver.ensure_volume(VolumeSpec(id, 8 * MIB))
    fake_link.shell.fail("blkdiscard", HostUnreachable("The worker died."))
    with pytest.raises(HostUnreachable):
        driver.grow_volume(VolumeSpec(id, 16 * MIB), in_use=True)
    since = len(fake_link.shell.history)
    driver.grow_volume(VolumeSpec(id, 16 * MIB), in_use=True)
    assert f"blkdiscard -z -o {8 * MIB} -l {8 * MIB} -- /dev/vg0/zcloud-{id}" in lines(fake_link)[since:]
    assert fake_link.shell.lvm.groups["vg0"].volumes[f"zcloud-{id}"].tags == set()


def test_what_cannot_be_zeroed_is_not_kept(fake_link: FakeLink) -> None:
    """Its guest would write there once it is started anew, and the next growth would zero that."""
    driver, id = made(fake_link, "lvm"), str(uuid4())
    driver.ensure_volume(VolumeSpec(id, 8 * MIB))
    fake_link.shell.fail("blkdiscard", CommandFailed("blkdiscard: BLKZEROOUT ioctl failed: Input/output error"))
    with pytest.raises(CommandFailed):
        driver.grow_volume(VolumeSpec(id, 16 * MIB), in_use=True)
    volume = fake_link.shell.lvm.groups["vg0"].volumes[f"zcloud-{id}"]
    assert (volume.size, volume.tags) == (8 * MIB, set())
    driver.grow_volume(VolumeSpec(id, 32 * MIB), in_use=True)
    assert lines(fake_link).count(f"blkdiscard -z -o {8 * MIB} -l {24 * MIB} -- /dev/vg0/zcloud-{id}") == 1


@KINDS
def test_a_volume_that_finds_no_room_to_grow_is_told_that_the_pool_is_full(fake_link: FakeLink, kind: str) -> None:
    driver, id = made(fake_link, kind), str(uuid4())
    driver.ensure_volume(VolumeSpec(id, 8 * MIB))
    fake_link.shell.fail("lvextend", CommandFailed("lvextend: insufficient free space: 2 extents needed, 1 available"))
    with pytest.raises(PoolFull, match="no room"):
        driver.grow_volume(VolumeSpec(id, 16 * MIB), in_use=True)


@KINDS
@pytest.mark.parametrize("at", range(14))
def test_a_failure_anywhere_leaves_nothing_half_made(fake_link: FakeLink, kind: str, at: int) -> None:
    driver, spec = made(fake_link, kind), VolumeSpec(str(uuid4()), 8 * MIB, BASE)

    def work() -> None:
        driver.ensure_base(BASE, lambda: BytesIO(IMAGE))
        driver.ensure_volume(spec)

    fake_link.shell.fail_at(len(fake_link.shell.history) + 1 + at, CommandFailed("It was planned."))
    try:
        work()
    except (CommandFailed, ToolMissing):
        names = fake_link.shell.lvm.groups["vg0"].volumes
        assert not [each for each in names if each.endswith(".part")]
    fake_link.shell.heal()
    work()
    kept = {f"zcloud-{spec.id}", f"zcloud-base-{BASE.digest}", *(["zcloud-pool"] if kind == "lvmthin" else [])}
    assert set(fake_link.shell.lvm.groups["vg0"].volumes) == kept


@KINDS
def test_what_is_not_ours_is_left_alone(fake_link: FakeLink, kind: str) -> None:
    group = fake_link.shell.lvm.groups["vg0"]
    group.volumes["root"] = FakeLogical(10 * GIB)
    driver = made(fake_link, kind)
    assert driver.capacity().total < group.size - 9 * GIB
    with pytest.raises(InUse, match="belongs to the pool"):
        made(fake_link, kind)
    driver.remove_pool()
    assert set(group.volumes) == {"root"}
    assert group.tags == set()


@KINDS
def test_a_group_is_made_of_disks_and_taken_apart(fake_link: FakeLink, kind: str) -> None:
    with pytest.raises(PoolUnusable, match="no volume group vg7"):
        registry.storage(new_pool(kind, volume_group="vg7"), fake_link).check()
    fake_link.shell.fail("vgcreate", CommandFailed("Cannot use /dev/vdb: device has a signature"))
    with pytest.raises(PoolUnusable, match="signature"):
        made(fake_link, kind, volume_group="vg7", disks="/dev/vdb,/dev/vdc")
    driver = made(fake_link, kind, volume_group="vg7", disks="/dev/vdb,/dev/vdc")
    driver.remove_pool()
    assert "vg7" not in fake_link.shell.lvm.groups
    assert lines(fake_link).count("pvremove -q -- /dev/vdc") == 1


@pytest.mark.parametrize("fullness", [(96.0, 1.0), (1.0, 96.0)])
def test_a_thin_pool_that_is_nearly_full_begins_nothing(fake_link: FakeLink, fullness: tuple[float, float]) -> None:
    driver, spec = made(fake_link, "lvmthin"), VolumeSpec(str(uuid4()), 8 * MIB)
    driver.ensure_volume(spec)
    fake_link.shell.lvm.groups["vg0"].fullness = fullness
    assert driver.capacity().available * 20 < driver.capacity().total
    for work in (
        lambda: driver.ensure_volume(VolumeSpec(str(uuid4()), MIB)),
        lambda: driver.take_snapshot(spec, spec.id),
    ):
        with pytest.raises(PoolFull):
            work()


def test_a_thin_pool_grows_into_what_is_free_in_its_group(fake_link: FakeLink) -> None:
    driver = made(fake_link, "lvmthin", size=100 * GIB)
    driver.grow_pool(200 * GIB - 1)
    assert driver.capacity().total == 200 * GIB
    driver.grow_pool(200 * GIB)
    assert sum("lvextend" in line for line in lines(fake_link)) == 1
    with pytest.raises(PoolFull, match="bytes more"):
        driver.grow_pool(2 << 40)
    with pytest.raises(PoolCannot):
        made(fake_link, "lvm", volume_group="vg7", disks="/dev/vdb").grow_pool(2 << 40)


def test_a_thin_pool_s_metadata_grows_with_it() -> None:
    group = lvm_tools.Group(100 * GIB, 90 * GIB, 4 * MIB, frozenset())
    pool = lvm_tools.Logical("zcloud-pool", 4 * GIB, "", False, True, 1.0, 1.0, 16 * MIB, frozenset())
    assert plan_growth(group, pool, 8 * GIB) == (8 * GIB, 0)
    assert plan_growth(group, pool, 64 * GIB - 1) == (64 * GIB, 68 * MIB)


def test_what_arrived_in_a_thin_pool_that_became_full_is_not_taken_for_whole(fake_link: FakeLink) -> None:
    driver, spec = made(fake_link, "lvmthin"), VolumeSpec(str(uuid4()), 8 * MIB)
    driver.prepare_arrival(spec)
    fake_link.shell.lvm.groups["vg0"].fullness = (100.0, 1.0)
    with pytest.raises(PoolFull):
        driver.settle_volume(spec)
    fake_link.shell.lvm.groups["vg0"].fullness = (50.0, 1.0)
    driver.settle_volume(spec)
    assert [each.id for each in driver.list_volumes()] == [spec.id]


def test_a_full_group_is_said_to_be_full(fake_link: FakeLink) -> None:
    driver = made(fake_link, "lvm")
    with pytest.raises(PoolFull, match="no room"):
        driver.ensure_volume(VolumeSpec(str(uuid4()), 2 << 40))
    assert driver.list_volumes() == []


def test_a_host_without_lvm_is_told_what_to_install(fake_link: FakeLink) -> None:
    fake_link.shell.fail("vgs", CommandFailed("vgs cannot be started"))
    with pytest.raises(ToolMissing, match="LVM"):
        registry.storage(new_pool("lvm"), fake_link).check()


@pytest.mark.parametrize(
    "options",
    [
        {"volume_group": "../etc"},
        {"volume_group": "-f"},
        {"volume_group": "a" * 31},
        {"volume_group": ""},
        {"disks": "/dev/../etc/shadow"},
        {"disks": "/dev/vdb,--yes"},
        {"disks": "vdb"},
    ],
)
def test_hostile_options_are_refused(options: dict[str, str]) -> None:
    with pytest.raises(InvalidInput):
        registry.check_storage_options("lvm", {"volume_group": "vg0", **options})


@pytest.mark.parametrize(
    "answer", [b"", b"{}", b'{"report": [{"vg": []}]}', b'{"report": [{"vg": [{"vg_size": "x"}]}]}']
)
def test_an_answer_that_is_none_is_told(answer: bytes) -> None:
    with pytest.raises(StorageFailed):
        lvm_tools.parse_group(answer)


def test_the_plan_of_a_thin_pool_leaves_room_for_its_metadata_and_the_spare() -> None:
    group = lvm_tools.Group(100 * GIB, 90 * GIB, 4 * MIB, frozenset())
    size, metadata = plan_pool(group, 0)
    assert size + 2 * metadata <= group.free
    assert metadata >= 64 * (size // (64 * 1024))
    assert plan_pool(group, 10 * GIB + 1) == (10 * GIB + 4 * MIB, 16 * MIB)
