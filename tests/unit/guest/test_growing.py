"""What makes a guest use a larger disk, from what its agent tells; nonsense leads to nothing."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from zcloud.drivers.guest.agent import Result
from zcloud.drivers.guest.filesystems import KnownDisk
from zcloud.drivers.guest.growing import MAX_GROWN, SCRIPT, Growable, plan_growing, tell_end, tell_growth

MIB = 1 << 20

DISK = KnownDisk("archive", pci=(0, 8, 0, 0))


def told(name: Any, kind: Any = "ext4", serial: str = "archive") -> dict[str, Any]:
    return {"name": name, "mountpoint": "/srv", "type": kind, "disk": [{"serial": serial}]}


@pytest.mark.parametrize(
    ("name", "kind", "arguments"),
    [
        ("vdb", "ext4", ("/dev/vdb", "", "/dev/vdb", "ext4", "/srv")),
        ("vda1", "ext3", ("/dev/vda", "1", "/dev/vda1", "ext3", "/srv")),
        ("nvme0n1p2", "xfs", ("/dev/nvme0n1", "2", "/dev/nvme0n1p2", "xfs", "/srv")),
        ("sdb", "btrfs", ("/dev/sdb", "", "/dev/sdb", "btrfs", "/srv")),
    ],
)
def test_commands(name: str, kind: str, arguments: tuple[str, ...]) -> None:
    (found,) = plan_growing([told(name, kind)], DISK)
    assert found.command == ("/bin/sh", "-c", SCRIPT, "grow", *arguments)


@pytest.mark.parametrize("name", ["dm-0", "../vdb", "vdb;reboot", "", None, 7, "vda1x"])
def test_a_name_that_is_no_disk_s_goes_into_no_command(name: Any) -> None:
    (found,) = plan_growing([told(name)], DISK)
    assert (found.command, bool(found.why)) == ((), True)


@pytest.mark.parametrize("answer", [None, "x", [None], [{}], [told("vdb", serial="another")]])
def test_nothing_is_done_elsewhere(answer: Any) -> None:
    assert plan_growing(answer, DISK) == ()


def test_an_unknown_file_system_is_told() -> None:
    (found,) = plan_growing([told("vdb", "ntfs")], DISK)
    assert (found.command, found.why) == ((), "nobody knows how to grow ntfs")


def test_a_guest_that_tells_of_many_file_systems_is_not_followed_for_ever() -> None:
    many = [{**told("vdb"), "mountpoint": f"/srv/{number}"} for number in range(100)]
    assert len(plan_growing(many, DISK)) == MAX_GROWN


@pytest.mark.parametrize(
    ("done", "why"),
    [
        (Result(True, 0, err=b"noise"), ""),
        (Result(True, 1, err=b"first\nlast \x1b[2J\n"), "last ?[2J"),
        (Result(True, 1, out=b"x" * 500), "x" * 80),
        (Result(True, signal=9), "code None"),
    ],
)
def test_the_last_word_is_told_and_bounded(done: Result, why: str) -> None:
    assert tell_end(done) == why


def test_what_came_of_it_is_measured() -> None:
    before = Growable("/srv", total=900 * MIB)
    assert tell_growth(before, (Growable("/srv", total=1536 * MIB),)) == "was grown to 1.5 GiB"
    assert tell_growth(before, (Growable("/srv", total=950 * MIB),)) == "was grown to 950 MiB"
    assert tell_growth(before, (before,)) == "is as large as before: nothing is free right behind it"
    assert tell_growth(Growable("/srv"), ()) == "was grown"


@pytest.mark.parametrize(
    ("growpart", "ended"),
    [
        ("exit 0", (0, "")),
        ("echo NOCHANGE: it has all; exit 1", (0, "")),
        ("echo no disk; exit 2", (1, "growpart: no disk\n")),
    ],
)
def test_the_script_grows_the_partition_and_then_its_file_system(
    tmp_path: Path, growpart: str, ended: tuple[int, str]
) -> None:
    for name, text in {"growpart": growpart, "resize2fs": ""}.items():
        tool = tmp_path / name
        tool.write_text(f'#!/bin/sh\necho {name} "$@" >>{tmp_path}/asked\n{text}\n')
        tool.chmod(0o755)
    (found,) = plan_growing([told("vda1")], DISK)
    done = subprocess.run(found.command, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == ended
    asked = ["growpart /dev/vda 1", *(["resize2fs /dev/vda1"] if not ended[0] else [])]
    assert (tmp_path / "asked").read_text().splitlines() == asked


def test_the_script_tells_what_the_guest_has_not() -> None:
    nowhere = "\n".join(line for line in SCRIPT.splitlines() if not line.startswith("PATH="))
    argv = ["/bin/sh", "-c", f"PATH=/absent; {nowhere}", "grow", "", "", "/dev/absent", "ext4", "/srv"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "the guest has no resize2fs\n")
