"""The file: what was written is read, and nothing else is."""

from __future__ import annotations

import io
import json
import random
import tarfile

import pytest
from tests.backups import PASSPHRASE

from zcloud.backup.archive import Manifest, Reader, Writer
from zcloud.backup.envelope import MAGIC, Decrypting, Encrypting
from zcloud.domain.errors import BackupLocked, BackupUnusable
from zcloud.store.portable import Block

BLOCK = Block("users", ("id", "name"), [["1", "a\u00e9"], ["2", None]])
MANIFEST = Manifest("2026-01-01T00:00:00+00:00", "0.1.0", "0001", "here", "cloud", "sqlite", {"users": 2}, ["k"], [])


def written(passphrase: bytes | None = None) -> bytes:
    sink = io.BytesIO()
    writer = Writer(sink, passphrase)
    writer.manifest(MANIFEST)
    writer.small("files/secret.key", b"\0" * 32)
    writer.block(BLOCK)
    writer.stream(f"images/{'0' * 64}.qcow2", io.BytesIO(bytes(range(256)) * 1000), 256_000)
    writer.finish()
    return sink.getvalue()


def read(data: bytes, passphrase: bytes | None = None) -> tuple[Manifest, dict[str, bytes]]:
    reader = Reader(io.BytesIO(data), passphrase)
    return reader.manifest, {member.name: b"".join(member.chunks()) for member in reader.members()}


@pytest.mark.parametrize("passphrase", [None, PASSPHRASE])
def test_what_was_written_is_read(passphrase: bytes | None) -> None:
    data = written(passphrase)
    manifest, members = read(data, passphrase)
    assert manifest == MANIFEST
    assert members["files/secret.key"] == b"\0" * 32
    assert members[f"images/{'0' * 64}.qcow2"] == bytes(range(256)) * 1000
    reader = Reader(io.BytesIO(data), passphrase)
    assert [each.block() for each in reader.members() if each.name.startswith("store/")] == [BLOCK]
    assert (b"an\xc3\xa9" in data, data.startswith(MAGIC)) == (False, passphrase is not None)


def test_a_plain_one_is_a_tar_that_everybody_can_list() -> None:
    with tarfile.open(fileobj=io.BytesIO(written())) as archive:
        assert archive.getnames() == [
            "manifest.json", "files/secret.key", "store/000000.json.gz", f"images/{'0' * 64}.qcow2", "end.json",
        ]  # fmt: skip
        assert {member.mode for member in archive.getmembers()} == {0o600}


@pytest.mark.parametrize("passphrase", [None, PASSPHRASE])
def test_one_that_is_cut_off_anywhere_is_refused(passphrase: bytes | None) -> None:
    """tar pads the end with zeros: only what is cut off beyond the last member is nothing."""
    data = written(passphrase)
    end = len(data) if passphrase else data.rindex(b"sha256")
    for length in [0, 1, 100, 511, 512, 600, len(data) // 2, end - 1, *random.Random(1).sample(range(end), 12)]:
        with pytest.raises((BackupUnusable, BackupLocked)):
            read(data[:length], passphrase)


@pytest.mark.parametrize("passphrase", [None, PASSPHRASE])
def test_one_changed_byte_is_found(passphrase: bytes | None) -> None:
    data = written(passphrase)
    sealed = len(data) if passphrase else data.rindex(b"images/")
    for place in random.Random(2).sample(range(sealed), 20):
        changed = bytearray(data)
        changed[place] ^= 0x41
        try:
            found = read(bytes(changed), passphrase)
        except (BackupUnusable, BackupLocked):
            continue
        assert found == read(data, passphrase)  # a byte of tar's own that means nothing


def test_frames_can_be_neither_left_out_nor_moved() -> None:
    sink = io.BytesIO()
    encrypting = Encrypting(sink, PASSPHRASE)
    encrypting.write(bytes(300_000))
    encrypting.finish()
    data, frame = sink.getvalue(), (64 << 10) + 16
    head = data.index(b"\n", len(MAGIC)) + 1
    frames = [data[at : at + frame] for at in range(head, len(data), frame)]
    assert len(frames) == 5

    def opened(parts: list[bytes]) -> bytes:
        source = io.BytesIO(data[len(MAGIC) : head] + b"".join(parts))
        return Decrypting(source, PASSPHRASE).read(1 << 20)

    assert opened(frames) == bytes(300_000)
    for broken in (frames[:-1], frames[1:], [frames[1], frames[0], *frames[2:]], [*frames, frames[-1]], []):
        with pytest.raises((BackupUnusable, BackupLocked)):
            opened(broken)


def test_wrong_and_missing_passphrases() -> None:
    data = written(PASSPHRASE)
    with pytest.raises(BackupLocked, match="wrong"):
        read(data, b"another passphrase")
    with pytest.raises(BackupLocked, match="encrypted"):
        read(data)


@pytest.mark.parametrize("header", [b"{}", b"[]", b"x", b'{"n": 1e9}', b'{"n": 2097152, "r": 8, "p": 1}'])
def test_hostile_headers(header: bytes) -> None:
    with pytest.raises(BackupUnusable):
        read(MAGIC + header + b"\n" + bytes(100), PASSPHRASE)


@pytest.mark.parametrize("name", ["../etc/passwd", "/etc/passwd", "files/../../x", "files/a/b/c", "images/x", "what"])
def test_hostile_members(name: str) -> None:
    sink = io.BytesIO()
    writer = Writer(sink, None)
    writer.manifest(MANIFEST)
    writer.small(name, b"x")
    writer.finish()
    with pytest.raises(BackupUnusable, match="belong"):
        read(sink.getvalue())


def test_links_are_refused() -> None:
    sink = io.BytesIO()
    with tarfile.open(mode="w", fileobj=sink) as archive:
        link = tarfile.TarInfo("manifest.json")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    with pytest.raises(BackupUnusable):
        read(sink.getvalue())


@pytest.mark.parametrize("data", [b"", b"hello", bytes(10240), b"SQLite format 3\0" + bytes(5000)])
def test_other_files(data: bytes) -> None:
    with pytest.raises(BackupUnusable):
        read(data)


def test_another_format() -> None:
    sink = io.BytesIO()
    writer = Writer(sink, None)
    writer.small("manifest.json", json.dumps({"format": 2}).encode())
    writer.finish()
    with pytest.raises(BackupUnusable, match="format '2'"):
        read(sink.getvalue())
