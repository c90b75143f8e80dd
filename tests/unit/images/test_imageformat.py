"""The parser of hostile image headers: what it knows, what it refuses, and that it always ends."""

from __future__ import annotations

import random
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zcloud.domain.errors import ImageRefused
from zcloud.domain.imageformat import Format, PartitionTable, Qcow2Facts, check_qcow2, partition_table, probe

CLUSTER = 65536
MAXIMUM = 1 << 40
_HEADER = ">4sIQIIQIIQQIIQQQQII"
_FIELDS = (
    *("magic", "version", "backing_offset", "backing_size", "cluster_bits", "size", "crypt", "l1_size", "l1_offset"),
    *("table_offset", "table_clusters", "snapshots", "snapshots_offset", "incompatible", "compatible", "autoclear"),
    *("refcount_order", "header_length"),
)
_GOOD = (b"QFI\xfb", 3, 0, 0, 16, 1 << 30, 0, 2, 3 * CLUSTER, CLUSTER, 1, 0, 0, 0, 0, 0, 4, 112)


def qcow2(extensions: bytes = b"", l1: tuple[int, ...] = (0, 0), compression: int = 0, **changes: object) -> bytes:
    """Give a small qcow2 file with ``changes`` to its header's fields."""
    values = [changes.get(name, good) for name, good in zip(_FIELDS, _GOOD, strict=True)]
    image = bytearray(4 * CLUSTER)
    header = struct.pack(_HEADER, *values) + bytes([compression] + [0] * 7) + extensions
    image[: len(header)] = header
    struct.pack_into(f">{len(l1)}Q", image, 3 * CLUSTER, *l1)
    return bytes(image)


def check(image: bytes) -> Qcow2Facts:
    """Check an image in memory."""
    return check_qcow2(lambda offset, length: image[offset : offset + length], len(image), MAXIMUM)


def kind(image: bytes) -> Format:
    """Give the format of an image in memory."""
    return probe(lambda offset, length: image[offset : offset + length], len(image))


def test_a_good_image_passes() -> None:
    assert kind(qcow2()) is Format.QCOW2
    assert check(qcow2()) == Qcow2Facts(3, 1 << 30, CLUSTER, 0)


def test_snapshots_are_told() -> None:
    facts = check(qcow2(snapshots=2, snapshots_offset=CLUSTER))
    assert facts.snapshots == 2
    assert "2 internal snapshots" in facts.warnings[0]


def extension(number: int, data: bytes) -> bytes:
    """Give a header extension."""
    return struct.pack(">II", number, len(data)) + data + bytes(-len(data) % 8)


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (qcow2()[:60], "header"),
        (qcow2()[:90], "header"),
        (qcow2(version=4), "version 4"),
        (qcow2(backing_offset=512, backing_size=11), "backing file"),
        (qcow2(backing_offset=512), "backing file"),
        (qcow2(backing_size=11), "backing file"),
        (qcow2(version=2, backing_offset=512, backing_size=11), "backing file"),
        (qcow2(crypt=1), "encrypted"),
        (qcow2(crypt=2), "encrypted"),
        (qcow2(cluster_bits=8), "clusters"),
        (qcow2(cluster_bits=22), "clusters"),
        (qcow2(cluster_bits=0xFFFFFFFF), "clusters"),
        (qcow2(size=0), "0 bytes"),
        (qcow2(size=1 << 60), "larger"),
        (qcow2(size=1000), "uneven"),
        (qcow2(incompatible=1), "corrupt"),
        (qcow2(incompatible=2), "corrupt"),
        (qcow2(incompatible=4), "another file"),
        (qcow2(incompatible=1 << 40), "not known"),
        (qcow2(incompatible=8), "compression"),
        (qcow2(compression=1), "compression"),
        (qcow2(incompatible=8, compression=2), "compression"),
        (qcow2(refcount_order=7), "well-formed"),
        (qcow2(header_length=105), "well-formed"),
        (qcow2(header_length=0xFFFFFFF8), "well-formed"),
        (qcow2(extension(0xE2792ACA, b"raw")), "backing file"),
        (qcow2(extension(0x44415441, b"/etc/shadow")), "external data file"),
        (qcow2(extension(0x0537BE77, bytes(16))), "encryption"),
        (qcow2(extension(0x6803F857, b"x") + extension(0x44415441, b"/etc/shadow")), "external data file"),
        (qcow2(struct.pack(">II", 1, 0xFFFFFFFF)), "beyond"),
        (qcow2(struct.pack(">II", 1, 0) * 100), "more than 64"),
        (qcow2(l1_size=0), "L1 table of 0"),
        (qcow2(l1_size=1), "needs 2"),
        (qcow2(l1_size=0xFFFFFFFF), "L1 table"),
        (qcow2(l1_size=8193), "outside"),
        (qcow2(l1_offset=0), "on the header"),
        (qcow2(l1_offset=100), "on the header"),
        (qcow2(l1_offset=3 * CLUSTER + 8), "outside"),
        (qcow2(l1_offset=1 << 62), "outside"),
        (qcow2(table_clusters=0), "refcount"),
        (qcow2(table_clusters=0xFFFFFFFF), "refcount"),
        (qcow2(table_offset=1 << 63), "refcount"),
        (qcow2(snapshots=1), "snapshots"),
        (qcow2(snapshots=1 << 20, snapshots_offset=CLUSTER), "snapshots"),
        (qcow2(l1=(1 << 40, 0)), "points outside"),
        (qcow2(l1=(0, CLUSTER + 512)), "points outside"),
    ],
)
def test_what_could_harm_is_refused(image: bytes, words: str) -> None:
    with pytest.raises(ImageRefused, match=words):
        check(image)


def padded(start: bytes, at: int = 0) -> bytes:
    """Give a megabyte with ``start`` at an offset."""
    return (bytes(at) + start).ljust(1 << 20, b"\0")


@pytest.mark.parametrize(
    ("image", "format_"),
    [
        (padded(b""), Format.RAW),
        (b"", Format.RAW),
        (padded(b"QFI\xfb\0\0\0\1"), Format.QCOW),
        (padded(b"KDMV"), Format.VMDK),
        (padded(b"# Disk DescriptorFile\nversion=1\n"), Format.VMDK),
        (padded(b"\n\n# Disk Descriptorfile\nRW 63 FLAT \"/etc/shadow\" 0\n"), Format.VMDK),
        (padded(b'#\ncreateType="monolithicFlat"\n'), Format.VMDK),
        (padded(b"\x7f\x10\xda\xbe", 64), Format.VDI),
        (padded(b"conectix"), Format.VHD),
        (bytes(1 << 20) + b"conectix".ljust(512, b"\0"), Format.VHD),
        (padded(b"vhdxfile"), Format.VHDX),
        (padded(b"LUKS\xba\xbe"), Format.LUKS),
        (padded(b"CD001", 32769), Format.ISO),
        (padded(b"\x1f\x8b\x08"), Format.GZIP),
        (padded(b"\xfd7zXZ\0"), Format.XZ),
        (padded(b"\x28\xb5\x2f\xfd"), Format.ZSTD),
        (padded(b"ustar", 257), Format.TAR),
        (bytes(1 << 20) + b"koly".ljust(512, b"\0"), Format.DMG),
    ],
)  # fmt: skip
def test_formats_are_told_apart(image: bytes, format_: Format) -> None:
    assert kind(image) is format_


def test_partition_tables_are_seen() -> None:
    mbr = bytearray(1024)
    mbr[450], mbr[510:512] = 0x83, b"\x55\xaa"
    gpt = bytes(512) + b"EFI PART".ljust(512, b"\0")
    for image, table in ((bytes(mbr), PartitionTable.MBR), (gpt, PartitionTable.GPT), (b"", PartitionTable.NONE)):
        assert partition_table(lambda at, length, image=image: image[at : at + length]) is table  # type: ignore[misc]


@settings(max_examples=300)
@given(st.binary(max_size=600), st.booleans())
def test_any_bytes_get_an_answer(data: bytes, as_qcow2: bool) -> None:
    image = qcow2()[:8] + data if as_qcow2 else data
    assert kind(image) in Format
    with pytest.raises(ImageRefused):
        check(image)


def test_mutated_headers_end_in_a_bounded_number_of_reads() -> None:
    rng = random.Random(2)
    passed = 0
    for _ in range(4000):
        image = bytearray(qcow2(extension(0x6803F857, bytes(48)), l1=(0, 0)))
        for _ in range(rng.randint(1, 4)):
            at, edge = rng.randrange(200), rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
            image[at] = edge
        image = image[: rng.choice((len(image), len(image), rng.randrange(len(image))))]
        reads: list[int] = []

        def read_at(offset: int, length: int, image: bytearray = image, reads: list[int] = reads) -> bytes:
            reads.append(length)
            return bytes(image[offset : offset + length])

        try:
            facts = check_qcow2(read_at, len(image), MAXIMUM)
        except ImageRefused:
            pass
        else:
            passed += 1
            assert 0 < facts.virtual_size <= MAXIMUM
        assert len(reads) < 100
        assert sum(reads) < 1 << 26
    assert 0 < passed < 4000
