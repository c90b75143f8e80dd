"""Tells image formats apart by their bytes and checks a qcow2 header before any other program opens the file.

Pure: all bytes come through ``read_at``. Every loop is bounded by a limit below, whatever the file claims.
Sources: QEMU's docs/interop/qcow2.txt; the magics of QEMU's block drivers; ECMA-119; UEFI 2.10, chapter 5.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from zcloud.domain.errors import ImageRefused

ReadAt = Callable[[int, int], bytes]

SECTOR = 512
_MIB = 1 << 20
_MAX_L1_BYTES = 32 * _MIB  # QCOW_MAX_L1_SIZE
_MAX_REFTABLE_BYTES = 8 * _MIB  # QCOW_MAX_REFTABLE_SIZE
_MAX_SNAPSHOTS = 65536
_MAX_EXTENSIONS = 64
_OFFSET_MASK = 0x00FF_FFFF_FFFF_FE00
_ISO_AT = 32769
_HEAD = 4096

_HEADER = struct.Struct(">4sIQIIQIIQQIIQ")
_HEADER_V3 = struct.Struct(">QQQII")
_DIRTY, _CORRUPT, _DATA_FILE, _COMPRESSION, _EXTENDED_L2 = (1 << bit for bit in range(5))
_KNOWN_INCOMPATIBLE = _DIRTY | _CORRUPT | _DATA_FILE | _COMPRESSION | _EXTENDED_L2
_FORBIDDEN_EXTENSIONS = {
    0xE2792ACA: "a backing file",
    0x44415441: "an external data file",
    0x0537BE77: "encryption",
}


class Format(StrEnum):
    """What a file is by its first (and last) bytes; RAW is whatever has no magic of another."""

    RAW = "raw"
    QCOW2 = "qcow2"
    QCOW = "qcow"
    QED = "qed"
    VMDK = "vmdk"
    VDI = "vdi"
    VHD = "vhd"
    VHDX = "vhdx"
    PARALLELS = "parallels"
    BOCHS = "bochs"
    CLOOP = "cloop"
    DMG = "dmg"
    LUKS = "luks"
    ISO = "iso"
    GZIP = "gzip"
    XZ = "xz"
    ZSTD = "zstd"
    BZIP2 = "bzip2"
    LZ4 = "lz4"
    ZIP = "zip"
    SEVEN_ZIP = "7z"
    TAR = "tar"


COMPRESSED = frozenset({Format.GZIP, Format.XZ, Format.ZSTD, Format.BZIP2, Format.LZ4, Format.ZIP, Format.SEVEN_ZIP})

# (offset, magic, format); the first that fits wins.
_MAGICS: tuple[tuple[int, bytes, Format], ...] = (
    (0, b"QFI\xfb", Format.QCOW2),  # version 1 is told apart below
    (0, b"QED\0", Format.QED),
    (0, b"KDMV", Format.VMDK),
    (0, b"COWD", Format.VMDK),
    (0, b"SEsparse", Format.VMDK),
    (0, b"\xbe\xba\xfe\xca\0\0\0\0", Format.VMDK),
    (64, b"\x7f\x10\xda\xbe", Format.VDI),
    (0, b"conectix", Format.VHD),
    (0, b"cxsparse", Format.VHD),
    (0, b"vhdxfile", Format.VHDX),
    (0, b"WithoutFreeSpace", Format.PARALLELS),
    (0, b"WithouFreSpacExt", Format.PARALLELS),
    (0, b"Bochs Virtual HD Image", Format.BOCHS),
    (0, b"#!/bin/sh\n#V2.0 Format\nmodprobe cloop", Format.CLOOP),
    (0, b"LUKS\xba\xbe", Format.LUKS),
    (0, b"\x1f\x8b", Format.GZIP),
    (0, b"\xfd7zXZ\0", Format.XZ),
    (0, b"\x28\xb5\x2f\xfd", Format.ZSTD),
    (0, b"BZh", Format.BZIP2),
    (0, b"\x04\x22\x4d\x18", Format.LZ4),
    (0, b"PK\x03\x04", Format.ZIP),
    (0, b"7z\xbc\xaf\x27\x1c", Format.SEVEN_ZIP),
    (257, b"ustar", Format.TAR),
)
# A VMDK can be a text file that names other files: the descriptor that made CVE-2024-32498 possible.
_VMDK_TEXT = (b"# disk descriptorfile", b"createtype=")


class PartitionTable(StrEnum):
    """How a raw disk is divided."""

    NONE = "none"
    MBR = "mbr"
    GPT = "gpt"


@dataclass(frozen=True, slots=True)
class Qcow2Facts:
    """What a checked qcow2 header says; sizes in bytes."""

    version: int
    virtual_size: int
    cluster_size: int
    snapshots: int
    warnings: tuple[str, ...] = ()


def probe(read_at: ReadAt, size: int) -> Format:
    """Give the format of a file of ``size`` bytes; ``read_at(offset, length)`` gives what is there, perhaps less."""
    head = read_at(0, _HEAD)
    for offset, magic, kind in _MAGICS:
        if head[offset : offset + len(magic)] == magic:
            return Format.QCOW if kind is Format.QCOW2 and head[4:8] == b"\0\0\0\1" else kind
    lower = head.lower()
    if any(text in lower for text in _VMDK_TEXT):
        return Format.VMDK
    tail = read_at(max(0, size - SECTOR), SECTOR)
    if tail.startswith(b"koly"):
        return Format.DMG
    if tail.startswith(b"conectix"):
        return Format.VHD
    if read_at(_ISO_AT, 5) == b"CD001" and partition_table(read_at) is PartitionTable.NONE:
        return Format.ISO
    return Format.RAW


def partition_table(read_at: ReadAt) -> PartitionTable:
    """Give the kind of partition table of a raw disk."""
    if read_at(SECTOR, 8) == b"EFI PART":
        return PartitionTable.GPT
    sector = read_at(0, SECTOR)
    types = sector[450:514:16][:4]
    return PartitionTable.MBR if sector[510:512] == b"\x55\xaa" and any(types) else PartitionTable.NONE


def check_qcow2(read_at: ReadAt, size: int, max_virtual_size: int) -> Qcow2Facts:
    """Check a qcow2 file of ``size`` bytes; raises ImageRefused for whatever could harm a host that opens it."""
    header = read_at(0, _HEADER.size)
    if len(header) < _HEADER.size:
        raise _refused("it ends in the middle of its header")
    fields = _HEADER.unpack(header)
    version, backing_offset, backing_size, cluster_bits, virtual, crypt = fields[1:7]
    l1_size, l1_offset, table_offset, table_clusters, snapshots, snapshots_offset = fields[7:]
    if fields[0] != b"QFI\xfb" or version not in (2, 3):
        raise _refused(f"it is not qcow2 of version 2 or 3 (version {version})")
    if backing_offset or backing_size:
        raise _refused("it has a backing file, which may be any file of the host")
    if crypt:
        raise _refused("it is encrypted")
    if not 9 <= cluster_bits <= 21:
        raise _refused(f"its clusters of 2^{cluster_bits} bytes are not between 512 bytes and 2 MiB")
    if not 0 < virtual <= max_virtual_size or virtual % SECTOR:
        raise _refused(f"its disk of {virtual} bytes is empty, uneven, or larger than {max_virtual_size}")
    cluster = 1 << cluster_bits
    features, extensions_at = _features(read_at, version)
    _check_extensions(read_at, extensions_at, min(cluster, size))
    _check_tables(size, cluster, (table_offset, table_clusters * cluster, _MAX_REFTABLE_BYTES), "refcount table")
    _check_tables(size, cluster, (l1_offset, l1_size * 8, _MAX_L1_BYTES), "L1 table")
    entry = 16 if features & _EXTENDED_L2 else 8
    _check_l1(read_at, (l1_offset, l1_size), -(-virtual // (cluster * (cluster // entry))), (size, cluster))
    if snapshots > _MAX_SNAPSHOTS or (snapshots and not 0 < snapshots_offset < size):
        raise _refused(f"its table of {snapshots} snapshots cannot be")
    warnings = (f"It carries {snapshots} internal snapshots, which zcloud does not use.",) if snapshots else ()
    return Qcow2Facts(version, virtual, cluster, snapshots, warnings)


def _features(read_at: ReadAt, version: int) -> tuple[int, int]:
    """Give the incompatible feature bits and where the header extensions begin."""
    if version == 2:
        return 0, _HEADER.size
    rest = read_at(_HEADER.size, _HEADER_V3.size + 1)
    if len(rest) < _HEADER_V3.size + 1:
        raise _refused("it ends in the middle of its header")
    incompatible, _, _, refcount_order, length = _HEADER_V3.unpack_from(rest)
    if incompatible & _DATA_FILE:
        raise _refused("its data is in another file, which may be any file of the host")
    if incompatible & (_DIRTY | _CORRUPT):
        raise _refused(
            "it was not closed properly or is marked as corrupt", hint="Repair: `qemu-img check -r all FILE`."
        )
    if incompatible & ~_KNOWN_INCOMPATIBLE:
        raise _refused(f"it uses features that are not known here ({incompatible:#x})")
    if refcount_order > 6 or length < 104 or length % 8 or length > _HEAD:
        raise _refused(f"its header is not well-formed (length {length}, refcount order {refcount_order})")
    compression = rest[_HEADER_V3.size] if length > 104 else 0
    if compression not in (0, 1) or bool(compression) != bool(incompatible & _COMPRESSION):
        raise _refused(f"its compression type {compression} is not zlib or zstd, or contradicts its features")
    return incompatible, length


def _check_extensions(read_at: ReadAt, offset: int, end: int) -> None:
    for _ in range(_MAX_EXTENSIONS):
        if offset + 8 > end:
            return
        raw = read_at(offset, 8)
        if len(raw) < 8:
            raise _refused("it ends in the middle of its header extensions")
        kind, length = struct.unpack(">II", raw)
        if kind == 0:
            return
        if kind in _FORBIDDEN_EXTENSIONS:
            raise _refused(f"it has {_FORBIDDEN_EXTENSIONS[kind]} (header extension {kind:#x})")
        offset += 8 + (length + 7) // 8 * 8
        if offset > end:
            raise _refused(f"its header extension {kind:#x} runs beyond the first cluster")
    raise _refused(f"it has more than {_MAX_EXTENSIONS} header extensions")


def _check_tables(size: int, cluster: int, table: tuple[int, int, int], what: str) -> None:
    offset, length, limit = table
    if not length or length > limit:
        raise _refused(f"its {what} of {length} bytes is empty or larger than {limit}")
    if offset < cluster or offset % cluster or offset + length > size:
        raise _refused(f"its {what} lies outside the file or on the header")


def _check_l1(read_at: ReadAt, l1: tuple[int, int], needed: int, bounds: tuple[int, int]) -> None:
    (offset, entries), (size, cluster) = l1, bounds
    if entries < needed:
        raise _refused(f"its L1 table has {entries} entries where its disk needs {needed}")
    table = read_at(offset, entries * 8)
    if len(table) < entries * 8:
        raise _refused("its L1 table is cut off")
    for (entry,) in struct.iter_unpack(">Q", table):
        target = entry & _OFFSET_MASK
        if target and (target % cluster or target >= size):
            raise _refused("an entry of its L1 table points outside the file")


def _refused(why: str, hint: str = "") -> ImageRefused:
    return ImageRefused(
        f"The qcow2 image is refused: {why}.",
        hint=hint or "Convert it where you trust it: `qemu-img convert -O qcow2 OLD NEW`.",
    )
