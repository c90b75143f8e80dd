"""The tools for hosts' disks, on a loop device: its kernel may read no partition tables, but what is written shows."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from zcloud.domain.errors import DiskInUse
from zcloud.domain.hostdisk import Block, Marks
from zcloud.drivers.hostdisks import DiskTool
from zcloud.hosts.local import local_shell

MARKS = Marks(*(f"e0000000-0000-4000-8000-00000000000{number}" for number in (1, 2, 3)))


def run(*argv: str) -> str:
    """Run a program that has to succeed; gives what it prints."""
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Block]:
    """Give an empty disk of 512 MiB."""
    if os.geteuid():
        pytest.skip("a loop device needs root")
    file = tmp_path / "disk"
    file.touch()
    os.truncate(file, 512 << 20)
    path = run("losetup", "--partscan", "--find", "--show", str(file))
    yield Block(path.removeprefix("/dev/"), path, "disk", 512 << 20)
    run("losetup", "--detach", path)


def test_a_table_is_written_and_taken_off_again(disk: Block) -> None:
    tool = DiskTool(local_shell())
    assert tool.signatures(disk) == ()
    tool.partition(disk, MARKS)
    assert {"gpt", "PMBR"} == set(tool.signatures(disk))
    table = run("sfdisk", "--dump", disk.path).lower()
    assert f"label-id: {MARKS.table}" in table
    assert f"uuid={MARKS.partition}" in table
    tool.erase(disk)
    assert tool.signatures(disk) == ()


def test_the_kernel_s_word_is_taken_for_a_disk_that_somebody_has(disk: Block, tmp_path: Path) -> None:
    tool, place = DiskTool(local_shell()), tmp_path / "mounted"
    place.mkdir()
    run("mkfs.ext4", "-q", disk.path)
    run("mount", disk.path, str(place))
    try:
        with pytest.raises(DiskInUse):
            tool.erase(disk)
    finally:
        run("umount", str(place))
    assert tool.signatures(disk) == ("ext4",)
