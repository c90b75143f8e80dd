"""The hybrid disk boots by BIOS and by UEFI, from the EFI system partition and from a root file system."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from uuid import UUID

import pytest
from tests.real.imagebuild.qemu import console_until, disk_options, firmware_options

from zcloud.imagebuild.disk import GRUB_CONFIG, MIB, HybridDisk, assemble

DISK_ID = UUID("6f1c1c1e-2a35-4d7c-9a4f-0d8f7f3c2b11")
ROOT_UUID = "0f4b1f63-6f2d-4b6e-8a55-3b1b6f2f9d10"
CONFIG = b"serial --unit=0 --speed=115200\nterminal_output serial\necho from-%s-$grub_platform\nhalt\n"
PLATFORM = {"bios": "pc", "uefi": "efi"}

pytestmark = pytest.mark.skipif(shutil.which("qemu-system-x86_64") is None, reason="QEMU is not installed")


@pytest.mark.parametrize("firmware", ["bios", "uefi"])
def test_disk_without_root_boots_from_its_efi_partition(tmp_path: Path, firmware: str) -> None:
    target = tmp_path / "disk.raw"
    payload = tmp_path / "payload"
    payload.write_bytes(b"x" * MIB)
    files: dict[str, bytes | Path] = {GRUB_CONFIG: CONFIG % b"esp", "kernel": payload}
    assemble(HybridDisk(DISK_ID, esp_files=files, esp_size=16 * MIB), target, _work(tmp_path))
    console_until([*disk_options(target, "raw"), *firmware_options(firmware)], [f"from-esp-{PLATFORM[firmware]}"], 60)


@pytest.mark.parametrize("firmware", ["bios", "uefi"])
def test_disk_with_root_boots_from_its_root(tmp_path: Path, firmware: str) -> None:
    tree = tmp_path / "tree"
    (tree / "boot/grub").mkdir(parents=True)
    (tree / GRUB_CONFIG).write_bytes(CONFIG % b"root")
    root = tmp_path / "root.ext4"
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-U", ROOT_UUID, "-d", tree, root, "32M"], check=True)
    target = tmp_path / "disk.raw"
    assemble(HybridDisk(DISK_ID, root=root, root_uuid=ROOT_UUID), target, _work(tmp_path))
    console_until([*disk_options(target, "raw"), *firmware_options(firmware)], [f"from-root-{PLATFORM[firmware]}"], 60)


def test_both_partition_tables_are_right_and_the_file_is_sparse(tmp_path: Path) -> None:
    target = tmp_path / "disk.raw"
    assemble(HybridDisk(DISK_ID, esp_files={GRUB_CONFIG: b"halt\n"}, size=512 * MIB), target, _work(tmp_path))
    checked = subprocess.run(["sfdisk", "--verify", target], capture_output=True, text=True, check=True)
    assert "No errors detected" in checked.stdout
    assert target.stat().st_size == 512 * MIB
    assert target.stat().st_blocks * 512 < 8 * MIB


def _work(tmp_path: Path) -> Path:
    work = tmp_path / "work"
    work.mkdir()
    return work
