"""Disks of hosts made places for pools: what is refused, what survives trouble, and what a rename cannot do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from zcloud.domain.errors import (
    CommandFailed,
    DiskChanged,
    DiskInUse,
    DiskNotEmpty,
    Forbidden,
    InUse,
    InvalidInput,
    MountPointTaken,
    NotFound,
    NotWholeDisk,
    StorageFailed,
    SystemDisk,
    WrongState,
)
from zcloud.domain.hostdisk import FileSystem, Marks, Wish
from zcloud.domain.operation import Operation, OperationStatus
from zcloud.domain.people import Actor, Role
from zcloud.drivers.hostdisks import DiskTool
from zcloud.services.direct import Direct
from zcloud.services.hostdisks import HostDisks
from zcloud.services.pools import Pools, PoolSpec
from zcloud.store import Store
from zcloud.testing.cloud import ADMIN, FakeCloud
from zcloud.testing.fakeblocks import FakeBlock, FakePart
from zcloud.testing.fakeshell import FakeShell

FAST = Wish("/srv/fast")


class Site:
    """A host with a system disk ``sda``, an empty ``vdb`` and ``vdc``, on which there is something."""

    def __init__(self, cloud: FakeCloud) -> None:
        self.cloud, self.host_id = cloud, cloud.add_host("alpha")
        self.link = cloud.links.hosts[self.host_id]
        self.shell: FakeShell = self.link.shell
        self.blocks = self.shell.blocks
        self.disks = HostDisks(cloud.services, Direct(cloud.links.link))

    def prepare(self, disk: str = "vdb", wish: Wish = FAST) -> Operation:
        """Prepare a disk as its plan of now says, to the end."""
        digest = self.disks.plan(ADMIN, "alpha", disk, wish).disk.digest
        return self.cloud.wait(self.disks.prepare(ADMIN, "alpha", disk, wish, digest))

    def guest_on(self, device: str, *, overlaid: bool = False) -> None:
        """Have a guest of somebody else's whose disk is a device of the host, or an overlay over one."""
        source = f"<source dev='{device}'/>"
        if overlaid:
            below = f"<backingStore type='block'><format type='raw'/>{source}<backingStore/></backingStore>"
            source = f"<source file='/srv/mail.overlay'/>{below}"
        disk = f"<disk type='{'file' if overlaid else 'block'}' device='disk'>{source}<target dev='vda'/></disk>"
        self.link.hypervisor.define(
            f"<domain type='kvm'><name>mail</name><uuid>{'1' * 8}-1111-1111-1111-{'1' * 12}</uuid>"
            f"<memory>1</memory><os><type>hvm</type></os><devices>{disk}</devices></domain>"
        )


@pytest.fixture
def site(sqlite_store: Store, tmp_path: Path) -> Iterator[Site]:
    cloud = FakeCloud(sqlite_store, tmp_path)
    cloud.start()
    yield Site(cloud)
    cloud.stop()


def test_an_empty_disk_becomes_a_pool_and_is_let_go_again(site: Site) -> None:
    plan = site.disks.plan(ADMIN, "alpha", "/dev/vdb", FAST)
    assert plan.lost == ()
    assert [each.split()[0] for each in plan.commands] == [
        "wipefs", "sfdisk", "mkfs.ext4", "mkdir", "/etc/fstab", "systemctl", "mount",
    ]  # fmt: skip
    ended = site.prepare()
    assert ended.status is OperationStatus.SUCCEEDED, ended.error
    (part,) = site.blocks.disks["vdb"].parts
    assert (part.filesystem, site.blocks.places["/srv/fast"]) == ("ext4", part.id)
    assert site.blocks.fstab[-1].startswith(f"UUID={part.uuid} /srv/fast ext4 nosuid,nodev,noexec,nofail,")
    view = {each.disk.name: each for each in site.disks.all(ADMIN, "alpha")}["vdb"]
    assert (view.prepared, view.pools) == ("/srv/fast", ())

    pools = Pools(site.cloud.services)
    spec = PoolSpec("fast", "directory", host="alpha", options={"path": "/srv/fast/pool"})
    made = site.cloud.wait(pools.create(ADMIN, spec)[1])
    assert made.status is OperationStatus.SUCCEEDED, made.error
    assert {each.disk.name: each.pools for each in site.disks.all(ADMIN, "alpha")}["vdb"] == ("fast",)
    with pytest.raises(InUse, match="fast"):
        site.disks.release(ADMIN, "alpha", "/srv/fast")
    site.cloud.wait(pools.delete(ADMIN, "fast"))

    released = site.cloud.wait(site.disks.release(ADMIN, "alpha", "/srv/fast"))
    assert released.status is OperationStatus.SUCCEEDED, released.error
    assert "/srv/fast" not in site.blocks.places
    assert not any("/srv/fast" in each for each in site.blocks.fstab)
    assert part.filesystem == "ext4", "what is on it stays"
    told = site.cloud.read(
        lambda tx: tx.events.after(0, limit=1000, kinds=["host.disk_prepared", "host.disk_released"])
    )
    assert [each.data["mount"] for each in told] == ["/srv/fast", "/srv/fast"]


def test_what_is_on_a_disk_is_lost_only_where_that_was_said(site: Site) -> None:
    with pytest.raises(DiskNotEmpty, match="ntfs on vdc1"):
        site.disks.plan(ADMIN, "alpha", "vdc", FAST)
    wish = Wish("/srv/fast", FileSystem.XFS, erase=True)
    assert any("ntfs" in each for each in site.disks.plan(ADMIN, "alpha", "vdc", wish).lost)
    assert site.prepare("vdc", wish).status is OperationStatus.SUCCEEDED
    assert [each.filesystem for each in site.blocks.disks["vdc"].parts] == ["xfs"]


@pytest.mark.parametrize(
    ("disk", "wish", "refusal"),
    [
        ("sda", Wish("/srv/fast", erase=True), SystemDisk),
        ("sda1", Wish("/srv/fast", erase=True), NotWholeDisk),
        ("sdz", FAST, NotFound),
        ("vdd", Wish("/srv/fast", erase=True), DiskInUse),
        ("vdb", Wish("/srv/fast/../../etc"), InvalidInput),
        ("vdb", Wish("/etc"), InvalidInput),
        ("vdb", Wish("/srv/a b"), InvalidInput),
        ("vdb", Wish("/srv/old"), MountPointTaken),
        ("vdb", Wish("/srv/noted"), MountPointTaken),
        ("small", FAST, WrongState),
    ],
)
def test_what_stands_in_the_way_is_refused_and_nothing_is_changed(
    site: Site, disk: str, wish: Wish, refusal: type[Exception]
) -> None:
    site.blocks.disks["vdd"] = FakeBlock(filesystem="LVM2_member")
    site.blocks.disks["small"] = FakeBlock(size=1 << 20)
    site.blocks.fstab.append("/dev/sdq /srv/noted ext4 defaults 0 2")
    site.shell.disk.make_directory("/srv/old/data")
    before = repr(site.blocks.disks)
    with pytest.raises(refusal):
        site.disks.plan(ADMIN, "alpha", disk, wish)
    with pytest.raises(refusal):
        site.disks.prepare(ADMIN, "alpha", disk, wish, "0" * 32)
    assert repr(site.blocks.disks) == before


def test_a_guest_s_disk_is_in_use_by_whatever_name_the_guest_knows_it(site: Site) -> None:
    link = "/dev/disk/by-id/virtio-fast"
    site.shell.answers["udevadm info -q symlink -- /dev/vdb"] = link.removeprefix("/dev/").encode()
    site.guest_on(link)
    with pytest.raises(DiskInUse, match="guest mail"):
        site.disks.plan(ADMIN, "alpha", "vdb", FAST)


def test_what_a_guest_s_overlay_lies_over_is_in_use(site: Site) -> None:
    site.guest_on("/dev/vdb", overlaid=True)
    with pytest.raises(DiskInUse, match="guest mail"):
        site.disks.plan(ADMIN, "alpha", "vdb", FAST)


def test_a_prepared_disk_that_was_not_mounted_at_boot_is_not_prepared_again(site: Site) -> None:
    assert site.prepare().status is OperationStatus.SUCCEEDED
    spec = PoolSpec("fast", "directory", host="alpha", options={"path": "/srv/fast/pool"})
    site.cloud.wait(Pools(site.cloud.services).create(ADMIN, spec)[1])
    del site.blocks.places["/srv/fast"]
    with pytest.raises(DiskInUse, match="/etc/fstab has it for /srv/fast"):
        site.disks.plan(ADMIN, "alpha", "vdb", Wish("/srv/more", erase=True))
    view = {each.disk.name: each for each in site.disks.all(ADMIN, "alpha")}["vdb"]
    assert (view.prepared, view.pools) == ("/srv/fast", ("fast",))


def test_only_an_admin_looks_at_disks(site: Site) -> None:
    operator = Actor(user_id="o", user_name="otto", role=Role.OPERATOR)
    with pytest.raises(Forbidden):
        site.disks.all(operator, "alpha")


def test_a_plan_that_does_not_hold_any_more_is_refused(site: Site) -> None:
    digest = site.disks.plan(ADMIN, "alpha", "vdb", FAST).disk.digest
    site.blocks.disks["vdb"].serial = "another"
    with pytest.raises(DiskChanged):
        site.disks.prepare(ADMIN, "alpha", "vdb", FAST, digest)


def late(site: Site, change: Any) -> Operation:
    """Prepare ``vdc`` with a change of the host that comes after the request and before the worker looks."""
    wish = Wish("/srv/fast", erase=True)
    digest = site.disks.plan(ADMIN, "alpha", "vdc", wish).disk.digest
    site.cloud.stop()
    operation = site.disks.prepare(ADMIN, "alpha", "vdc", wish, digest)
    change(site.blocks.disks)
    site.cloud.start()
    return site.cloud.wait(operation)


def test_a_disk_that_is_called_otherwise_now_is_found_by_what_it_is(site: Site) -> None:
    def swap(disks: dict[str, FakeBlock]) -> None:
        disks["vdb"], disks["vdc"] = disks["vdc"], disks["vdb"]

    empty = site.blocks.disks["vdb"]
    ended = late(site, swap)
    assert ended.status is OperationStatus.SUCCEEDED, ended.error
    assert [each.filesystem for each in site.blocks.disks["vdb"].parts] == ["ext4"]
    assert site.blocks.disks["vdc"] is empty
    assert not empty.parts


def test_what_somebody_has_written_meanwhile_is_not_erased(site: Site) -> None:
    def write(disks: dict[str, FakeBlock]) -> None:
        disks["vdc"].parts.append(FakePart("2b", "ext4", "2c"))

    ended = late(site, write)
    assert ended.error is not None
    assert (ended.status, ended.error["code"]) == (OperationStatus.FAILED, "disk_changed")
    assert [each.uuid for each in site.blocks.disks["vdc"].parts] == ["1c", "2c"]


def test_by_another_name_only_a_disk_is_taken_that_tells_who_it_is(site: Site) -> None:
    site.blocks.disks["vdc"] = FakeBlock()
    site.blocks.disks["vdd"] = FakeBlock()  # alike, and never asked for

    def write(disks: dict[str, FakeBlock]) -> None:
        disks["vdc"].filesystem = "xfs"

    ended = late(site, write)
    assert ended.error is not None
    assert ended.error["code"] == "disk_changed"
    assert site.blocks.disks["vdd"] == FakeBlock()


def test_a_disk_that_gets_no_table_is_told_to_be_empty(site: Site) -> None:
    site.shell.fail("sfdisk", CommandFailed("sfdisk ended with code 1: Input/output error"))
    ended = site.prepare()
    assert ended.error is not None
    assert "no file system" in ended.error["left"]


def test_what_came_into_the_directory_meanwhile_is_not_mounted_over(site: Site) -> None:
    site.shell.disk.make_directory("/srv/fast/data")
    before = list(site.blocks.fstab)
    with pytest.raises(MountPointTaken):
        DiskTool(site.shell).mount(FAST, Marks("0a", "0b", "0c"))
    assert site.blocks.fstab == before


def test_a_line_of_fstab_that_somebody_has_changed_is_told(site: Site) -> None:
    uuid = "0e0e0e0e-1111-2222-3333-444444444444"
    site.blocks.fstab.append(f"UUID={uuid} /srv/fast ext4 nofail,x-zcloud.disk,noatime 0 2")
    with pytest.raises(StorageFailed, match="by hand"):
        DiskTool(site.shell).forget("/srv/fast", uuid)


def test_a_pool_that_is_begun_while_its_disk_is_let_go_keeps_it(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    assert site.prepare().status is OperationStatus.SUCCEEDED
    pools, unmount = Pools(site.cloud.services), DiskTool.unmount

    def begin_first(tool: DiskTool, place: str) -> None:
        pools.create(ADMIN, PoolSpec("fast", "directory", host="alpha", options={"path": "/srv/fast/pool"}))
        unmount(tool, place)

    monkeypatch.setattr(DiskTool, "unmount", begin_first)
    released = site.cloud.wait(site.disks.release(ADMIN, "alpha", "/srv/fast"))
    assert released.error is not None
    assert released.error["code"] == "in_use"
    assert "/srv/fast" in site.blocks.places


def test_a_disk_that_cannot_be_formatted_is_left_empty_and_that_is_said(site: Site) -> None:
    site.shell.fail("mkfs.ext4", CommandFailed("mkfs.ext4 ended with code 1: Input/output error"))
    ended = site.prepare()
    assert ended.error is not None
    assert ended.status is OperationStatus.FAILED
    assert "no file system" in ended.error["left"]
    assert site.blocks.disks["vdb"] == FakeBlock(serial="fast")
    assert site.prepare().status is OperationStatus.SUCCEEDED, "and may be asked for again"


def test_a_mount_that_fails_is_taken_back(site: Site) -> None:
    site.shell.fail("mount --", CommandFailed("mount ended with code 32: wrong fs type"))
    ended = site.prepare()
    assert ended.status is OperationStatus.FAILED
    assert not any("/srv/fast" in each for each in site.blocks.fstab)
    assert site.blocks.disks["vdb"].parts == []


def test_what_zcloud_does_not_mount_it_does_not_unmount(site: Site) -> None:
    site.blocks.fstab.append("UUID=0e /srv/theirs ext4 defaults 0 2")
    site.blocks.places["/srv/theirs"] = "1b"
    with pytest.raises(NotFound):
        site.disks.release(ADMIN, "alpha", "/srv/theirs")
    assert "/srv/theirs" in site.blocks.places
