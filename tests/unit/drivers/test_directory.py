"""A directory pool when things go wrong: every command may fail, the disk may fill, the place may be foreign."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import partial
from io import BytesIO
from uuid import uuid4

import pytest
from tests.conformance.records import new_pool

from zcloud.domain.errors import (
    CommandFailed,
    HostUnreachable,
    InUse,
    InvalidInput,
    PoolFull,
    PoolUnusable,
    ToolMissing,
)
from zcloud.domain.plug import DiskFormat
from zcloud.domain.storage import GIB, MIB
from zcloud.drivers import registry
from zcloud.drivers.passage import Directory, Identity, missing_bit
from zcloud.drivers.storage.base import BaseImage, StorageDriver, VolumeSpec
from zcloud.testing.fakedisk import FakeFile
from zcloud.testing.fakes import FakeLink

IMAGE = b"z" * MIB
BASE = BaseImage(hashlib.sha256(IMAGE).hexdigest(), "raw", MIB, MIB)


def made(link: FakeLink, **options: object) -> tuple[StorageDriver, str]:
    """Give a pool that is made, and its directory."""
    pool = new_pool("directory", **options)
    driver = registry.storage(pool, link)
    driver.ensure_pool()
    return driver, str(pool.options["path"])


def files(link: FakeLink, path: str) -> set[str]:
    return {name.removeprefix(f"{path}/") for name in link.shell.disk.files if name.startswith(path)}


@pytest.mark.parametrize("verb", ["volume", "base", "artifact", "pool"])
def test_any_command_may_fail_and_be_tried_again(verb: str) -> None:
    """Fail at the n-th command, for every n, then do it again: all is as if nothing had happened."""
    spec = VolumeSpec(str(uuid4()), GIB)
    for point in range(1, 30):
        link = FakeLink()
        pool = new_pool("directory")
        driver, path = registry.storage(pool, link), str(pool.options["path"])
        if verb != "pool":
            driver.ensure_pool()
        works: dict[str, Callable[[], object]] = {
            "volume": partial(driver.ensure_volume, spec),
            "base": partial(driver.ensure_base, BASE, partial(BytesIO, IMAGE)),
            "artifact": partial(driver.ensure_artifact, "seed", b"x"),
            "pool": driver.ensure_pool,
        }
        work = works[verb]
        done_before = len(link.shell.history)
        link.shell.fail_at(done_before + point, CommandFailed("planned"))
        try:
            work()
        except CommandFailed:
            work()
        else:
            assert point > 1
            break
        assert not any(name.endswith(".part") for name in files(link, path))
        assert len(driver.list_volumes()) == (verb == "volume")
        assert driver.has_base(BASE) == (verb == "base")
    else:
        pytest.fail("it never ended")


def test_lost_host_leaves_a_part_that_deletion_removes() -> None:
    link = FakeLink()
    driver, path = made(link)
    spec = VolumeSpec(str(uuid4()), GIB)
    link.shell.fail("mv", HostUnreachable("gone"))
    link.shell.fail("remove", HostUnreachable("gone"))
    with pytest.raises(HostUnreachable):
        driver.ensure_volume(spec)
    assert any(name.endswith(".part") for name in files(link, path))
    assert driver.list_volumes() == []
    driver.delete_volume(spec.id)
    assert files(link, path) == {"zcloud-pool"}


def test_full_disk_is_said_plainly_and_leaves_nothing() -> None:
    link = FakeLink()
    driver, path = made(link, preallocation="full")
    before = files(link, path)
    link.shell.disk.total = link.shell.disk.used + 10 * MIB
    with pytest.raises(PoolFull, match="bytes are free") as raised:
        driver.ensure_volume(VolumeSpec(str(uuid4()), GIB))
    assert raised.value.details["available"] == 10 * MIB
    link.shell.disk.total = link.shell.disk.used
    with pytest.raises(PoolFull):
        driver.ensure_base(BASE, lambda: BytesIO(IMAGE))
    with pytest.raises(PoolFull):
        driver.ensure_artifact("seed", b"x" * 5000)
    assert files(link, path) == before


def test_foreign_directory_is_neither_taken_nor_removed() -> None:
    link = FakeLink()
    pool = new_pool("directory")
    path = str(pool.options["path"])
    link.shell.disk.write(f"{path}/precious", b"x", 0o600)
    driver = registry.storage(pool, link)
    for verb in (driver.check, driver.ensure_pool, driver.remove_pool):
        with pytest.raises(InUse, match="not a pool"):
            verb()
    assert files(link, path) == {"precious"}


def test_directory_of_another_pool_is_not_taken() -> None:
    link = FakeLink()
    _, path = made(link)
    rival = registry.storage(new_pool("directory", path=path), link)
    for verb in (rival.check, rival.ensure_pool, rival.remove_pool):
        with pytest.raises(InUse, match="belongs to"):
            verb()


def test_directory_that_was_there_before_stays() -> None:
    link = FakeLink()
    pool = new_pool("directory")
    path = str(pool.options["path"])
    link.shell.disk.make_directory(f"{path}/lost+found")
    driver = registry.storage(pool, link)
    driver.ensure_pool()
    assert json.loads(link.shell.read_file(f"{path}/zcloud-pool"))["made_directory"] is False
    driver.remove_pool()
    assert link.shell.disk.directories[path].names == {"lost+found"}


def test_closed_directory_is_named_with_its_chmod() -> None:
    link = FakeLink()
    pool = new_pool("directory")
    driver = registry.storage(pool, link)
    driver.check()
    link.shell.disk.directories["/var/lib/libvirt"].mode = 0o750
    with pytest.raises(PoolUnusable) as raised:
        driver.check()
    assert raised.value.hint == "Run: chmod o+x /var/lib/libvirt"
    link.shell.disk.directories["/var/lib/libvirt"].owner = "0:64055"
    driver.check()


@pytest.mark.parametrize(
    ("mode", "owner", "bit"),
    [
        (0o755, Identity(0, 0), ""),
        (0o751, Identity(0, 0), ""),
        (0o750, Identity(0, 0), "o+x"),
        (0o701, Identity(0, 108), "g+x"),
        (0o677, Identity(64055, 108), "u+x"),
        (0o100, Identity(64055, 0), ""),
    ],
)
def test_missing_bit(mode: int, owner: Identity, bit: str) -> None:
    assert missing_bit(Directory("/x", mode, owner), Identity(64055, 108)) == bit
    assert missing_bit(Directory("/x", mode, owner), Identity(0, 0)) == ""


def test_file_system_without_direct_io_is_refused_unless_said() -> None:
    link = FakeLink()
    driver, _ = made(link)
    link.shell.disk.kind = "tmpfs"
    with pytest.raises(PoolUnusable, match="tmpfs"):
        driver.check()
    link = FakeLink()
    link.shell.disk.kind = "tmpfs"
    relaxed, _ = made(link, direct_io=False)
    relaxed.check()
    assert not relaxed.ensure_volume(VolumeSpec(str(uuid4()), MIB)).direct_io


def test_missing_tool_is_named() -> None:
    link = FakeLink()
    driver, _ = made(link)
    link.shell.fail("qemu-img", CommandFailed("no such program"))
    with pytest.raises(ToolMissing, match="qemu-img"):
        driver.check()


def test_volume_emptied_by_a_power_failure_is_made_anew() -> None:
    link = FakeLink()
    driver, _ = made(link)
    spec = VolumeSpec(str(uuid4()), GIB)
    path = driver.ensure_volume(spec).path
    link.shell.disk.files[path] = FakeFile()
    driver.ensure_volume(spec)
    image = link.shell.disk.files[path].image
    assert image is not None
    assert (image.format, image.size) == (DiskFormat.QCOW2, GIB)


def test_modes_and_owners() -> None:
    link = FakeLink()
    driver, _ = made(link)
    driver.ensure_base(BASE, lambda: BytesIO(IMAGE))
    seed = link.shell.disk.files[driver.ensure_artifact("seed", b"secret")]
    assert (seed.mode, seed.owner) == (0o640, "64055:0")
    base = next(file for path, file in link.shell.disk.files.items() if "/base/" in path)
    assert base.mode == 0o444


def test_commands_say_formats_and_absolute_backing() -> None:
    link = FakeLink()
    driver, path = made(link, format="raw", preallocation="falloc")
    driver.ensure_base(BASE, lambda: BytesIO(IMAGE))
    root, data = VolumeSpec(str(uuid4()), GIB, BASE), VolumeSpec(str(uuid4()), 1000)
    assert driver.ensure_volume(root).format is DiskFormat.QCOW2
    assert driver.ensure_volume(data).format is DiskFormat.RAW
    create = [argv for argv in link.shell.history if argv[:2] == ("qemu-img", "create")]
    backing = f"{path}/base/{BASE.digest}.raw"
    assert create == [
        ("qemu-img", "create", "-q", "-f", "qcow2", "-b", backing, "-F", "raw", "--",
         f"{path}/volumes/.{root.id}.qcow2.part", str(GIB)),
        ("qemu-img", "create", "-q", "-f", "raw", "-o", "preallocation=falloc", "--",
         f"{path}/volumes/.{data.id}.raw.part", "1024"),
    ]  # fmt: skip


def test_options_that_contradict_are_refused() -> None:
    for options in (
        {"format": "raw", "preallocation": "metadata"},
        {"path": "relative"},
        {"path": "/a/../b"},
        {"x": 1},
    ):
        with pytest.raises(InvalidInput):
            registry.storage(new_pool("directory", **options), FakeLink())
