"""The contract of storage drivers (``drivers/storage/base.py``), run against every driver on every backend."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from typing import BinaryIO
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conformance.records import NEEDS_KERNEL, STORAGE, new_pool

from zcloud.domain.errors import CommandFailed, InUse, InvalidInput, PoolCannot, StorageFailed
from zcloud.domain.storage import MIB
from zcloud.drivers import registry
from zcloud.drivers.storage.base import Arrival, BaseImage, Feature, StorageDriver, VolumeSpec
from zcloud.ports import HostLink
from zcloud.testing.fakes import FakeLink

IMAGE = bytes(range(256)) * 4096  # 1 MiB
BASE = BaseImage(hashlib.sha256(IMAGE).hexdigest(), "raw", len(IMAGE), len(IMAGE))
HOSTILE = ["", ".", "..", "../x", "/etc/passwd", "a/b", "x\n", "-rf", "a" * 300, str(uuid4()).upper() + "\0"]


@pytest.fixture(params=STORAGE)
def case(request: pytest.FixtureRequest) -> str:
    """Give each registered case."""
    return str(request.param)


@pytest.fixture
def driver(case: str, link: HostLink, request: pytest.FixtureRequest) -> Iterator[StorageDriver]:
    """Give a driver whose pool is made, and see that it can be unmade."""
    pool = new_pool(case)
    if pool.driver == "rbd" and not isinstance(link, FakeLink):
        monitors, key = request.getfixturevalue("ceph_pool")
        pool = replace(pool, options={**pool.options, "monitors": monitors}, secrets={"key": key})
    if pool.driver == "iscsi" and not isinstance(link, FakeLink):
        options = {**pool.options, **request.getfixturevalue("iscsi_target")}
        pool = replace(pool, options=options, secrets={"password": options.pop("password")})
    if pool.driver == "gluster" and not isinstance(link, FakeLink):
        pool = replace(pool, options={**pool.options, **request.getfixturevalue("gluster_volume")})
    driver = registry.storage(pool, link)
    if driver.INFO.kind in NEEDS_KERNEL and not isinstance(link, FakeLink):
        pytest.skip("a namespace cannot mount it: tests/real/storage runs this suite on a nested host")
    assert driver.join() is (Feature.SHARED in driver.INFO.features)
    assert driver.join() is False
    driver.check()
    driver.ensure_pool()
    yield driver
    clear(driver)
    driver.remove_pool()
    driver.leave()
    driver.leave()


def clear(driver: StorageDriver) -> None:
    """Delete all that a pool holds."""
    for volume in driver.list_volumes():
        driver.delete_volume(volume.id)
    for name in driver.list_artifacts():
        driver.delete_artifact(name)
    for digest in driver.list_bases():
        driver.delete_base(digest)


def open_image() -> BinaryIO:
    return BytesIO(IMAGE)


def volume_ids(driver: StorageDriver) -> set[str]:
    return {volume.id for volume in driver.list_volumes()}


def test_every_kind_has_a_case() -> None:
    assert {kind for kind, _ in STORAGE.values()} == set(registry.storage_kinds())
    for kind, (info, options) in registry.storage_kinds().items():
        assert info.kind == kind
        assert all(text for text in (info.title, info.doc, *(option.doc for option in options)))


def test_pool_is_made_and_removed_twice(driver: StorageDriver) -> None:
    driver.ensure_pool()
    driver.check()
    capacity = driver.capacity()
    assert 0 < capacity.available <= capacity.total
    driver.remove_pool()
    driver.remove_pool()
    driver.ensure_pool()
    assert driver.list_volumes() == []


def test_pool_with_a_volume_is_not_removed(driver: StorageDriver) -> None:
    spec = VolumeSpec(str(uuid4()), MIB)
    driver.ensure_volume(spec)
    with pytest.raises(InUse):
        driver.remove_pool()
    assert volume_ids(driver) == {spec.id}
    driver.ensure_volume(spec)


def test_base_arrives_once_and_whole(driver: StorageDriver) -> None:
    told: list[int] = []
    assert not driver.has_base(BASE)
    driver.ensure_base(BASE, open_image, told.append)
    assert told[-1] == BASE.size
    assert driver.has_base(BASE)
    assert driver.list_bases() == [BASE.digest]

    def never() -> BinaryIO:
        raise AssertionError("a base that is there is not sent again")

    driver.ensure_base(BASE, never)
    assert driver.base_source(BASE).volume_id == BASE.digest
    driver.delete_base(BASE.digest)
    driver.delete_base(BASE.digest)
    assert not driver.has_base(BASE)


def test_base_of_another_digest_is_refused(driver: StorageDriver) -> None:
    with pytest.raises(StorageFailed, match="digest"):
        driver.ensure_base(BASE, lambda: BytesIO(b"x" * BASE.size))
    assert driver.list_bases() == []
    driver.ensure_base(BASE, open_image)


def test_root_volume_over_a_base(driver: StorageDriver) -> None:
    driver.ensure_base(BASE, open_image)
    spec = VolumeSpec(str(uuid4()), 8 * MIB, BASE)
    source = driver.ensure_volume(spec)
    assert driver.ensure_volume(spec) == source == driver.disk_source(spec)
    assert volume_ids(driver) == {spec.id}
    with pytest.raises(InvalidInput, match="too small"):
        driver.ensure_volume(VolumeSpec(str(uuid4()), BASE.virtual_size - 512, BASE))


def test_volume_is_made_and_deleted_twice(driver: StorageDriver) -> None:
    spec = VolumeSpec(str(uuid4()), 4 * MIB + 100)
    source = driver.ensure_volume(spec)
    assert source.volume_id == spec.id
    assert driver.ensure_volume(spec) == source == driver.disk_source(spec)
    assert [volume.id for volume in driver.list_volumes() if volume.allocated >= 0] == [spec.id]
    driver.delete_volume(spec.id)
    driver.delete_volume(spec.id)
    assert driver.list_volumes() == []


def test_volume_that_differs_is_never_touched(driver: StorageDriver) -> None:
    spec = VolumeSpec(str(uuid4()), 4 * MIB)
    driver.ensure_volume(spec)
    with pytest.raises(StorageFailed, match="not as it should be"):
        driver.ensure_volume(VolumeSpec(spec.id, 8 * MIB))
    driver.ensure_volume(spec)


def test_a_copy_is_a_volume_by_itself(driver: StorageDriver) -> None:
    driver.ensure_base(BASE, open_image)
    origin, plain = VolumeSpec(str(uuid4()), 2 * MIB, BASE), VolumeSpec(str(uuid4()), 2 * MIB)
    driver.ensure_volume(origin)
    driver.ensure_volume(plain)
    for source, base in ((origin, BASE), (origin, None), (plain, None)):
        spec = VolumeSpec(str(uuid4()), 4 * MIB, base)
        copy = driver.copy_volume(spec, source)
        assert driver.copy_volume(spec, source) == copy == driver.disk_source(spec)
        driver.ensure_volume(spec)  # it is as one that was made so


def test_snapshots_in_a_volume(driver: StorageDriver) -> None:
    driver.ensure_base(BASE, open_image)
    spec = VolumeSpec(str(uuid4()), 4 * MIB, BASE)
    one, two = str(uuid4()), str(uuid4())
    driver.ensure_volume(spec)
    if Feature.SNAPSHOT not in driver.INFO.features:
        with pytest.raises(PoolCannot):
            driver.take_snapshot(spec, one)
        driver.drop_snapshot(spec, one)
        return
    for snapshot in (one, one, two):
        driver.take_snapshot(spec, snapshot)
        driver.settle_snapshot(spec, snapshot)
    larger = VolumeSpec(spec.id, 8 * MIB, BASE)
    driver.grow_volume(larger, in_use=False)
    driver.drop_snapshot(larger, one)
    driver.drop_snapshot(larger, one)
    driver.ensure_volume(larger)
    driver.revert_volume(larger, two)
    driver.ensure_volume(spec)
    with pytest.raises(CommandFailed):
        driver.revert_volume(spec, one)
    driver.delete_volume(spec.id)
    driver.drop_snapshot(spec, two)


def test_volumes_of_what_a_snapshot_has(driver: StorageDriver) -> None:
    driver.ensure_base(BASE, open_image)
    origin, snapshot = VolumeSpec(str(uuid4()), 4 * MIB, BASE), str(uuid4())
    driver.ensure_volume(origin)
    full, flat, linked = (VolumeSpec(str(uuid4()), 8 * MIB, base) for base in (BASE, None, None))
    if Feature.COPY_SNAPSHOT not in driver.INFO.features:
        with pytest.raises(PoolCannot):
            driver.copy_snapshot(full, origin, snapshot, linked=False)
        return
    driver.take_snapshot(origin, snapshot)
    driver.settle_snapshot(origin, snapshot)
    grown = VolumeSpec(origin.id, 16 * MIB, BASE)
    driver.grow_volume(grown, in_use=False)
    for spec in (full, flat, linked):
        for _ in range(2):
            assert driver.copy_snapshot(spec, origin, snapshot, linked=spec is linked) == driver.disk_source(spec)
    driver.ensure_volume(full)
    driver.ensure_volume(flat)  # they are as ones that were made so
    with pytest.raises(StorageFailed):
        driver.copy_snapshot(VolumeSpec(str(uuid4()), 8 * MIB), origin, str(uuid4()), linked=True)
    driver.drop_snapshot(origin, snapshot)
    driver.delete_volume(origin.id)
    assert volume_ids(driver) == {full.id, flat.id, linked.id}
    driver.grow_volume(VolumeSpec(linked.id, 12 * MIB), in_use=False)


def test_a_hypervisor_s_copy_becomes_a_volume(driver: StorageDriver) -> None:
    spec = VolumeSpec(str(uuid4()), 4 * MIB)
    assert driver.arrival(spec) is Arrival.NONE
    driver.ensure_volume(spec)
    assert driver.arrival(spec) is Arrival.WHOLE
    driver.settle_volume(spec)
    driver.seal_volume(spec, True)
    driver.seal_volume(spec, False)
    assert driver.arriving(spec).path != driver.disk_source(spec).path


def test_a_volume_that_somebody_else_fills(driver: StorageDriver) -> None:
    small = VolumeSpec(str(uuid4()), 4 * MIB)
    spec = VolumeSpec(small.id, 8 * MIB)
    for _ in range(2):
        assert driver.prepare_arrival(small) == driver.arriving(spec)
        assert driver.arrival(spec) is Arrival.BEGUN
    assert spec.id not in volume_ids(driver)
    driver.settle_volume(spec)
    driver.settle_volume(spec)
    assert driver.arrival(spec) is Arrival.WHOLE
    assert driver.ensure_volume(spec) == driver.disk_source(spec)
    driver.delete_volume(spec.id)
    driver.prepare_arrival(spec)
    driver.delete_volume(spec.id)
    assert driver.arrival(spec) is Arrival.NONE


def test_a_volume_over_another_one(driver: StorageDriver) -> None:
    parent = VolumeSpec(str(uuid4()), 4 * MIB)
    driver.ensure_volume(parent)
    child = VolumeSpec(str(uuid4()), 8 * MIB, parent=parent)
    assert driver.ensure_volume(child) == driver.ensure_volume(child)
    with pytest.raises(InvalidInput, match="too small"):
        driver.ensure_volume(VolumeSpec(str(uuid4()), MIB, parent=parent))


def test_artifacts_are_copied(driver: StorageDriver) -> None:
    driver.ensure_artifact("one.fd", b"one")
    driver.copy_artifact("one.fd", "two.fd")
    assert driver.list_artifacts() == ["one.fd", "two.fd"]
    driver.copy_artifact("none.fd", "two.fd")
    assert driver.list_artifacts() == ["one.fd"]


def test_artifacts(driver: StorageDriver) -> None:
    path = driver.ensure_artifact("seed.iso", b"one")
    assert driver.ensure_artifact("seed.iso", b"two") == path == driver.artifact_path("seed.iso")
    assert driver.list_artifacts() == ["seed.iso"]
    driver.delete_artifact("seed.iso")
    driver.delete_artifact("seed.iso")
    assert driver.list_artifacts() == []


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_refused(case: str, fake_link: FakeLink, name: str) -> None:
    driver = registry.storage(new_pool(case), fake_link)
    for verb in (driver.delete_volume, driver.delete_base, driver.artifact_path, driver.delete_artifact):
        with pytest.raises(InvalidInput):
            verb(name)
    with pytest.raises(InvalidInput):
        driver.ensure_volume(VolumeSpec(name, MIB))
    with pytest.raises(InvalidInput):
        driver.has_base(BaseImage(name, "raw", 1, 1))
    with pytest.raises(InvalidInput):
        driver.ensure_artifact(name, b"")
    assert fake_link.shell.history == []


Step = tuple[str, int]
IDS = [str(UUID(int=number, version=4)) for number in range(4)]
STEPS = st.lists(st.tuples(st.sampled_from(["ensure", "overlay", "delete"]), st.integers(0, 3)), max_size=20)


def follow(driver: StorageDriver, steps: list[Step]) -> None:
    """Do the steps and see after each that exactly the volumes that should be there are there."""
    driver.ensure_base(BASE, open_image)
    expected: dict[str, str] = {}
    for verb, number in steps:
        volume = IDS[number]
        if verb == "delete":
            driver.delete_volume(volume)
            expected.pop(volume, None)
        elif expected.setdefault(volume, verb) == verb:
            driver.ensure_volume(VolumeSpec(volume, 2 * MIB, BASE if verb == "overlay" else None))
        assert volume_ids(driver) == set(expected)


@given(STEPS)
def test_any_sequence_leaves_exactly_the_expected_volumes(steps: list[Step]) -> None:
    for case in STORAGE:
        driver = registry.storage(new_pool(case), FakeLink())
        driver.join()
        driver.ensure_pool()
        follow(driver, steps)
        clear(driver)
        driver.remove_pool()


def test_a_sequence_on_each_backend(driver: StorageDriver) -> None:
    dice = random.Random(7)
    follow(driver, [(dice.choice(["ensure", "overlay", "delete"]), dice.randrange(4)) for _ in range(15)])
