"""Puts a raw disk together that boots by BIOS and by UEFI, without loop devices or mounts.

The layout is the one that cloud images use (GPT; the last partition can grow):

====  =============  =======================================================
no.   partition      holds
====  =============  =======================================================
14    BIOS boot      GRUB's core image, found by the boot code in sector 0
15    EFI system     ``EFI/BOOT/BOOTX64.EFI`` and the caller's files (FAT)
1     root           the caller's root file system, or nothing
====  =============  =======================================================

Both GRUBs look for one file system by its UUID and read ``/boot/grub/grub.cfg`` from it: the root file
system, or the EFI system partition of a disk without one. All modules they need are built in.

Sources: UEFI 2.10 section 5 (GPT), GRUB manual "BIOS installation", grub-core/boot/i386/pc/boot.S and
diskboot.S (the offsets of the block lists that grub-bios-setup writes).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from zcloud.imagebuild.commands import Command, Run, run

SECTOR = 512
MIB = 1024 * 1024
GRUB_CONFIG = "boot/grub/grub.cfg"

TOOLS = {
    "sfdisk": "fdisk",
    "mformat": "mtools",
    "mcopy": "mtools",
    "grub-mkimage": "grub-common",
}

_BIOS_BOOT = "21686148-6449-6E6F-744E-656564454649"
_ESP = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
_ROOT_X86_64 = "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709"
_BIOS_BOOT_START = MIB
_ESP_START = 2 * MIB
_TAIL = MIB  # the backup GPT, rounded up

_BOOT_CODE = 440  # bytes of the MBR that are code
_KERNEL_SECTOR = 0x5C  # boot.img: where the core image starts, 8 bytes
_DRIVE_CHECK = 0x66  # boot.img: a jump that NOPs replace on hard disks
_FIRST_BLOCK = 0x1F4  # core image: where its second sector is, 8 bytes

_MODULES = (
    *("part_gpt", "ext2", "xfs", "fat", "search", "search_fs_uuid", "search_fs_file", "search_label"),
    *("normal", "configfile", "linux", "boot", "echo", "test", "sleep", "ls", "cat", "reboot", "halt"),
    *("serial", "terminal", "loadenv", "gzio", "all_video", "minicmd", "regexp", "probe"),
)
_TARGETS = {"i386-pc": ("biosdisk", "linux16"), "x86_64-efi": ("efi_gop", "efi_uga")}


@dataclass(frozen=True, slots=True)
class HybridDisk:
    """What a disk holds.

    ``disk_id`` names the disk (its GPT GUID) and the EFI system partition, so that the same input gives
    the same disk. ``esp_files`` maps paths in that partition to their contents or to files.
    ``root`` is an ext4 or XFS image with the UUID ``root_uuid`` and with ``GRUB_CONFIG`` inside; without
    it, ``esp_files`` must hold ``GRUB_CONFIG``. ``esp_size`` and ``size`` are bytes; ``size`` 0 means
    just large enough.
    """

    disk_id: UUID
    esp_files: Mapping[str, bytes | Path] = field(default_factory=dict)
    root: Path | None = None
    root_uuid: str = ""
    esp_size: int = 64 * MIB
    size: int = 0

    @property
    def fat_serial(self) -> str:
        """The EFI system partition's serial number, eight hexadecimal digits."""
        return self.disk_id.hex[:8].upper()

    @property
    def boot_uuid(self) -> str:
        """The UUID, as GRUB writes it, of the file system that holds ``GRUB_CONFIG``."""
        return self.root_uuid if self.root else f"{self.fat_serial[:4]}-{self.fat_serial[4:]}"

    @property
    def root_start(self) -> int:
        """Where the root partition begins, in bytes."""
        return _ESP_START + self.esp_size


def assemble(disk: HybridDisk, target: Path, work: Path, run: Run = run) -> None:
    """Write ``disk`` as a sparse raw image to ``target``; ``work`` is an empty scratch directory.

    Raises ToolMissing, DiskFull or BuildFailed; a half-written ``target`` is the caller's to remove.
    """
    total = _total_size(disk)
    with target.open("wb") as file:
        file.truncate(total)
    run(Command(("sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", str(target)), partition_script(disk)))
    core = _grub_image(disk, "i386-pc", work, run)
    esp = work / "esp.img"
    _make_esp(disk, esp, _grub_image(disk, "x86_64-efi", work, run), run)
    with target.open("r+b") as file:
        write_bios_boot(file.fileno(), (_grub_directory("i386-pc") / "boot.img").read_bytes(), core.read_bytes())
        copy_sparse(esp, file.fileno(), _ESP_START)
        if disk.root:
            copy_sparse(disk.root, file.fileno(), disk.root_start)


def partition_script(disk: HybridDisk) -> str:
    """Give sfdisk's script for ``disk`` (pure but for the size of ``disk.root``)."""
    lines = [
        "label: gpt",
        f"label-id: {disk.disk_id}",
        "unit: sectors",
        _partition(14, _BIOS_BOOT_START, _ESP_START - _BIOS_BOOT_START, _BIOS_BOOT),
        _partition(15, _ESP_START, disk.esp_size, _ESP),
    ]
    if disk.root:
        size = _total_size(disk) - _TAIL - disk.root_start
        lines.append(_partition(1, disk.root_start, size, _ROOT_X86_64))
    return "\n".join(lines) + "\n"


def early_config(boot_uuid: str) -> str:
    """Give the configuration built into GRUB: find the boot file system, go on with its own."""
    return (
        f"search --no-floppy --fs-uuid --set=root {boot_uuid}\n"
        "set prefix=($root)/boot/grub\n"
        f"configfile ($root)/{GRUB_CONFIG}\n"
    )


def write_bios_boot(descriptor: int, boot: bytes, core: bytes) -> None:
    """Write GRUB's boot code to sector 0 and its core image to the BIOS boot partition."""
    start = _BIOS_BOOT_START // SECTOR
    code = bytearray(boot[:_BOOT_CODE])
    struct.pack_into("<Q", code, _KERNEL_SECTOR, start)
    code[_DRIVE_CHECK : _DRIVE_CHECK + 2] = b"\x90\x90"
    image = bytearray(core)
    struct.pack_into("<Q", image, _FIRST_BLOCK, start + 1)
    if len(image) > _ESP_START - _BIOS_BOOT_START:
        raise ValueError(f"GRUB's core image of {len(image)} bytes does not fit its partition")
    os.pwrite(descriptor, code, 0)
    os.pwrite(descriptor, image, _BIOS_BOOT_START)


def copy_sparse(source: Path, descriptor: int, offset: int) -> None:
    """Copy ``source`` to ``offset`` of an open file that is still empty there, skipping its holes."""
    with source.open("rb") as file:
        number, end, at = file.fileno(), os.fstat(file.fileno()).st_size, 0
        while at < end:
            try:
                at = os.lseek(number, at, os.SEEK_DATA)
            except OSError:  # ENXIO: only a hole is left
                return
            stop = os.lseek(number, at, os.SEEK_HOLE)
            while at < stop:
                block = os.pread(number, min(MIB, stop - at), at)
                os.pwrite(descriptor, block, offset + at)
                at += len(block)


def _partition(number: int, start: int, size: int, kind: str) -> str:
    return f"disk{number} : start={start // SECTOR}, size={size // SECTOR}, type={kind}"


def _total_size(disk: HybridDisk) -> int:
    content = disk.root.stat().st_size if disk.root else 0
    least = disk.root_start + -(-content // MIB) * MIB + _TAIL
    if disk.size and disk.size < least:
        raise ValueError(f"a disk of {disk.size} bytes is too small for {least} bytes")
    return disk.size or least


def _grub_directory(target: str) -> Path:
    return Path("/usr/lib/grub") / target


def _grub_image(disk: HybridDisk, target: str, work: Path, run: Run) -> Path:
    config = work / "early.cfg"
    config.write_text(early_config(disk.boot_uuid))
    image = work / f"{target}.img"
    options = ("-O", target, "-p", "/boot/grub", "-c", str(config), "-o", str(image))
    run(Command(("grub-mkimage", *options, *_MODULES, *_TARGETS[target])))
    return image


def _make_esp(disk: HybridDisk, image: Path, loader: Path, run: Run) -> None:
    """Make the FAT image of the EFI system partition with mtools."""
    with image.open("wb") as file:
        file.truncate(disk.esp_size)
    sectors = str(disk.esp_size // SECTOR)
    geometry = ("-T", sectors, "-h", "64", "-s", "32", "-H", str(_ESP_START // SECTOR))
    run(Command(("mformat", "-i", str(image), "-N", disk.fat_serial, "-v", "ESP", *geometry, "::")))
    tree = image.parent / "esp"
    for name, content in {"EFI/BOOT/BOOTX64.EFI": loader, **disk.esp_files}.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, Path):
            path.symlink_to(content.resolve())
        else:
            path.write_bytes(content)
    entries = sorted(str(path) for path in tree.iterdir())
    run(Command(("mcopy", "-i", str(image), "-s", "-Q", *entries, "::")))
