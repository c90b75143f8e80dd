"""What lsblk, wipefs and fstab say, read: the system is found below whatever lies over the disk."""

from __future__ import annotations

import json
from typing import Any

import pytest

from zcloud.domain.errors import DiskInUse, DiskNotEmpty, NotFound, NotWholeDisk, StorageFailed
from zcloud.domain.hostdisk import DiskPicture, Wish, check_alone, check_signatures
from zcloud.drivers.hostdisks import parse_disks, parse_fstab, parse_signatures


def node(name: str, type: str = "disk", **more: Any) -> dict[str, Any]:
    """Give a device in the form of lsblk (util-linux 2.38)."""
    empty = dict.fromkeys(
        ("model", "serial", "wwn", "tran", "fstype", "label", "uuid", "pttype", "ptuuid", "partuuid"), None
    )
    plain = {"name": name, "path": f"/dev/{name}", "type": type, "size": 2 << 30, "ro": False, "rota": True}
    return {**plain, **empty, "mountpoints": [None], **more}


def answer(*nodes: dict[str, Any]) -> bytes:
    return json.dumps({"blockdevices": nodes}).encode()


ENCRYPTED = node(
    "sda", pttype="gpt", ptuuid="0A", children=[
        node("sda1", "part", fstype="vfat", mountpoints=["/boot/efi"]),
        node("sda2", "part", fstype="crypto_LUKS", children=[
            node("crypt", "crypt", fstype="LVM2_member", children=[
                node("vg-root", "lvm", fstype="ext4", mountpoints=["/"]),
                node("vg-swap", "lvm", fstype="swap", mountpoints=["[SWAP]"]),
            ]),
        ]),
    ],
)  # fmt: skip


def test_the_system_is_found_below_encryption_and_volumes() -> None:
    (disk,) = parse_disks(answer(ENCRYPTED))
    assert disk.is_system
    assert {"mounted at /", "swap", "crypt crypt", "lvm vg-root", "LVM on crypt"} <= set(disk.uses)
    assert disk.content[0] == "a gpt partition table with 2 partitions on sda"
    assert disk.table_id == "0a"


@pytest.mark.parametrize("kind", ["LVM2_member", "linux_raid_member", "isw_raid_member", "zfs_member", "stratis"])
def test_a_part_of_something_larger_is_in_use_also_while_that_rests(kind: str) -> None:
    whole, parted = parse_disks(
        answer(node("sdb", fstype=kind), node("sdc", children=[node("sdc1", "part", fstype=kind)]))
    )
    assert whole.uses
    assert parted.uses


def test_only_whole_disks_are_disks() -> None:
    others = [node(name) for name in ("zram0", "nbd0", "rbd1", "drbd0", "zd16")]
    sdb = node("sdb", pttype="gpt", children=[node("sdb1", "part", pttype="gpt")])
    nodes = [*others, node("loop0", "loop"), node("sr0", "rom"), sdb]
    picture = DiskPicture(parse_disks(answer(*nodes)), ())
    assert [each.name for each in picture.disks] == ["sdb"]
    assert picture.find("/dev/sdb").uses == ()
    assert picture.find("sdb").content == ("a gpt partition table with 1 partition on sdb",)
    with pytest.raises(NotWholeDisk):
        picture.find("sdb1")
    with pytest.raises(NotFound):
        picture.find("zram0")


def test_a_disk_is_recognised_by_what_it_is_and_by_what_is_on_it() -> None:
    first, renamed, written, another = parse_disks(
        answer(
            node("sdb", serial="1"),
            node("sdc", serial="1"),
            node("sdd", serial="1", fstype="xfs"),
            node("sde", serial="2"),
        )
    )
    assert first.digest == renamed.digest
    assert len({each.digest for each in (first, written, another)}) == 3
    assert first.identity == written.identity != another.identity


@pytest.mark.parametrize(
    "nonsense", [b"", b"[]", b"{}", b'{"blockdevices": [{"name": "sda"}]}', b'{"blockdevices": 7}']
)
def test_nonsense_is_refused(nonsense: bytes) -> None:
    with pytest.raises(StorageFailed):
        parse_disks(nonsense)


def test_signatures_are_read_as_either_version_of_wipefs_prints_none() -> None:
    assert parse_signatures(b"") == parse_signatures(b'{\n   "signatures": [\n\n   ]\n}\n') == ()
    found = b'{"signatures": [{"device": "loop0", "offset": "0x200", "type": "gpt", "uuid": null, "label": null}]}'
    assert parse_signatures(found) == ("gpt",)
    with pytest.raises(StorageFailed):
        parse_signatures(b"gpt")


def test_only_marked_lines_of_fstab_are_ours() -> None:
    text = (
        "# made by hand\n\nUUID=0c / ext4 defaults 0 1\nLABEL=x /srv/theirs xfs nofail 0 2\n"
        "UUID=0d /srv/fast ext4 nofail,x-zcloud.disk 0 2\nbroken line\n"
    )
    picture = DiskPicture((), parse_fstab(text))
    ours = picture.ours("/srv/fast")
    assert ours is not None
    assert ours.uuid == "0d"
    assert picture.ours("/srv/theirs") is None


@pytest.mark.parametrize(
    "line",
    [
        "UUID=0e /srv/fast ext4 nofail,x-zcloud.disk 0 2",
        "UUID=0E /backup vfat noauto",
        'LABEL="old" /backup ext4 noauto 0 0',
        "PARTUUID=0d /backup ext4",
        "/dev/disk/by-uuid/0e /backup ext4 noauto 0 0",
        "/dev/sdb1 /backup",
    ],
)
def test_what_fstab_mounts_is_in_use_also_while_it_is_not_mounted(line: str) -> None:
    sdb = node("sdb", children=[node("sdb1", "part", fstype="ext4", uuid="0e", label="old", partuuid="0D")])
    place = line.split()[1]
    used, other = DiskPicture.of(parse_disks(answer(sdb, node("sdc"))), parse_fstab(line)).disks
    assert used.uses == (f"/etc/fstab has it for {place}",)
    assert used.homes == (place,)
    assert other.uses == other.homes == ()


def test_a_swap_area_of_fstab_is_in_use_also_while_it_rests() -> None:
    (used,) = DiskPicture.of(
        parse_disks(answer(node("sdb", fstype="swap", uuid="0e"))), parse_fstab("UUID=0e none swap")
    ).disks
    assert used.uses == ("/etc/fstab has it as swap",)
    assert used.homes == ()


def test_a_disk_that_the_host_sees_by_two_paths_is_refused() -> None:
    nodes = [node("sdb", wwn="0x1", serial="1"), node("sdc", wwn="0x1", serial="1"), node("sdd"), node("sde")]
    picture = DiskPicture.of(parse_disks(answer(*nodes)), ())
    with pytest.raises(DiskInUse, match="as sdc"):
        check_alone(picture, picture.find("sdb"))
    check_alone(picture, picture.find("sdd"))


def test_signatures_count_that_lsblk_does_not_tell() -> None:
    wish = Wish("/srv/fast", erase=True)
    (bare, parted) = parse_disks(answer(node("sdb"), node("sdc", pttype="gpt", children=[node("sdc1", "part")])))
    with pytest.raises(DiskInUse, match="ZFS on sdb"):
        check_signatures(bare, wish, {"sdb": ("ext4", "zfs_member")})
    with pytest.raises(DiskInUse, match="LVM on sdc1"):
        check_signatures(parted, wish, {"sdc": ("gpt",), "sdc1": ("xfs", "LVM2_member")})
    with pytest.raises(DiskNotEmpty, match="ext4, btrfs"):
        check_signatures(bare, wish, {"sdb": ("ext4", "btrfs")})
    with pytest.raises(DiskNotEmpty, match="gpt"):
        check_signatures(parted, Wish("/srv/fast"), {"sdc": ("gpt",), "sdc1": ()})
    check_signatures(parted, wish, {"sdc": ("gpt",), "sdc1": ("xfs", "ext4")})
    check_signatures(bare, Wish("/srv/fast"), {"sdb": ()})
