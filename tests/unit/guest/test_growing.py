"""Which commands make a guest use a larger disk, from what its agent tells; nonsense leads to none."""

from __future__ import annotations

from typing import Any

import pytest

from zcloud.drivers.guest.filesystems import KnownDisk
from zcloud.drivers.guest.growing import plan_growing

DISK = KnownDisk("archive", pci=(0, 8, 0, 0))


def told(name: Any, kind: Any = "ext4", serial: str = "archive") -> dict[str, Any]:
    return {"name": name, "mountpoint": "/srv", "type": kind, "disk": [{"serial": serial}]}


@pytest.mark.parametrize(
    ("name", "kind", "commands"),
    [
        ("vdb", "ext4", [("resize2fs", "/dev/vdb")]),
        ("vda1", "ext3", [("growpart", "/dev/vda", "1"), ("resize2fs", "/dev/vda1")]),
        ("nvme0n1p2", "xfs", [("growpart", "/dev/nvme0n1", "2"), ("xfs_growfs", "/srv")]),
        ("sdb", "btrfs", [("btrfs", "filesystem", "resize", "max", "/srv")]),
    ],
)
def test_commands(name: str, kind: str, commands: list[tuple[str, ...]]) -> None:
    assert [each.commands for each in plan_growing([told(name, kind)], DISK)] == [tuple(commands)]


@pytest.mark.parametrize("name", ["dm-0", "../vdb", "vdb;reboot", "", None, 7, "vda1x"])
def test_a_name_that_is_no_disk_s_goes_into_no_command(name: Any) -> None:
    (found,) = plan_growing([told(name)], DISK)
    assert (found.commands, bool(found.why)) == ((), True)


@pytest.mark.parametrize("answer", [None, "x", [None], [{}], [told("vdb", serial="another")]])
def test_nothing_is_done_elsewhere(answer: Any) -> None:
    assert plan_growing(answer, DISK) == ()


def test_an_unknown_file_system_is_told() -> None:
    (found,) = plan_growing([told("vdb", "ntfs")], DISK)
    assert (found.commands, found.why) == ((), "nobody knows how to grow ntfs")
