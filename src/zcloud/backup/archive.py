"""The file: a tar that begins with its manifest and ends with a checksum of everything before.

    manifest.json            what it is a backup of (``Manifest``)
    files/...                keys, certificates, the configuration
    store/000000.json.gz     blocks of rows (``store.portable``), in the order in which they are added again
    images/DIGEST.FORMAT     image files, where they were asked for
    end.json                 number of members, SHA-256 over the names, sizes and bytes of all of them

A file without its end was not written to its end, and is refused.
"""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import io
import json
import re
import tarfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, BinaryIO, cast

from zcloud.backup.envelope import MAGIC, Decrypting, Encrypting, Sink
from zcloud.domain.errors import BackupLocked, BackupUnusable
from zcloud.store.portable import Block

FORMAT = 1
MANIFEST, END = "manifest.json", "end.json"
_MEMBER = re.compile(
    r"(?:manifest|end)\.json|files/(?:[A-Za-z0-9_-][A-Za-z0-9._-]*/)?[A-Za-z0-9_-][A-Za-z0-9._-]*"
    r"|store/\d{6,}\.json\.gz|images/[0-9a-f]{64}\.[a-z0-9]{1,8}"
)
_SMALL = 64 << 20  # bytes of a member that is read at once, unpacked
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup is of. Times are ISO 8601 in UTC; ``rows`` counts by table; ``images`` are name, size, included."""

    made_at: str
    version: str  # of zcloud
    revision: str  # of the store's schema
    host: str
    zone: str
    store: str  # sqlite or postgresql
    rows: Mapping[str, int]
    files: Sequence[str]
    images: Sequence[Mapping[str, Any]]
    format: int = FORMAT
    holds_secrets: bool = True


class Writer:
    """Writes a backup member by member; ``finish`` makes it whole."""

    def __init__(self, sink: BinaryIO, passphrase: bytes | None) -> None:
        self._envelope = Encrypting(sink, passphrase) if passphrase else None
        inner: Sink = self._envelope or sink
        self._tar = tarfile.open(  # noqa: SIM115 - closed by finish
            mode="w|", fileobj=cast("IO[bytes]", inner), format=tarfile.PAX_FORMAT
        )
        self._sum, self._members, self._blocks = hashlib.sha256(), 0, 0

    def manifest(self, manifest: Manifest) -> None:
        """Write what it is of: the first member."""
        self.small(MANIFEST, _json(dataclasses.asdict(manifest)))

    def small(self, name: str, data: bytes) -> None:
        """Write a member from memory."""
        self.stream(name, io.BytesIO(data), len(data))

    def block(self, block: Block) -> None:
        """Write rows."""
        packed = gzip.compress(_json(dataclasses.asdict(block)), compresslevel=5, mtime=0)
        self.small(f"store/{self._blocks:06}.json.gz", packed)
        self._blocks += 1

    def stream(self, name: str, source: BinaryIO, size: int) -> None:
        """Write a member of ``size`` bytes; raises BackupUnusable where the source has fewer."""
        info = tarfile.TarInfo(name)
        info.size, info.mode = size, 0o600
        summing = _Summing(source, self._sum, name, size)
        try:
            self._tar.addfile(info, cast("IO[bytes]", summing))
        except OSError as error:
            if summing.short:
                raise BackupUnusable(f"{name} became shorter while it was read.") from error
            raise
        self._members += 1

    def finish(self) -> None:
        """Write the end; nothing may follow."""
        end = _json({"members": self._members, "sha256": self._sum.hexdigest()})
        info = tarfile.TarInfo(END)
        info.size, info.mode = len(end), 0o600
        self._tar.addfile(info, io.BytesIO(end))
        self._tar.close()
        if self._envelope is not None:
            self._envelope.finish()


@dataclass(slots=True)
class Member:
    """One member while it is read."""

    name: str
    size: int
    source: _Summing

    def read(self) -> bytes:
        """Give a small member whole."""
        if self.size > _SMALL:
            raise BackupUnusable(f"{self.name} is larger than it may be.")
        with _plain_words():
            return self.source.read(self.size)

    def chunks(self) -> Iterator[bytes]:
        """Give a large member a piece at a time."""
        with _plain_words():
            while chunk := self.source.read(_CHUNK):
                yield chunk

    def block(self) -> Block:
        """Give the rows of a ``store/`` member."""
        try:
            with gzip.GzipFile(fileobj=io.BytesIO(self.read())) as packed:
                plain = packed.read(_SMALL + 1)
            tree = json.loads(plain)
            return Block(str(tree["table"]), tuple(tree["columns"]), tree["rows"])
        except (ValueError, KeyError, TypeError, OSError, EOFError, zlib.error) as error:
            raise BackupUnusable(f"{self.name} is damaged.") from error


class Reader:
    """Reads a backup from its beginning to its end, once; ``manifest`` is known at once.

    Raises BackupUnusable (anything is wrong with the file), BackupLocked (encrypted, and the passphrase is not it).
    """

    def __init__(self, source: BinaryIO, passphrase: bytes | None) -> None:
        self._tar = _open(source, passphrase)
        self._sum, self._members = hashlib.sha256(), 0
        with _plain_words():
            first = self._next()
            if first is None or first.name != MANIFEST:
                raise BackupUnusable("The file is not a backup of zcloud: it does not begin with a manifest.")
            self.manifest = _parse_manifest(first.read())

    def members(self) -> Iterator[Member]:
        """Give what follows the manifest; at the end the checksum is compared."""
        with _plain_words():
            while (member := self._next()) is not None:
                if member.name == END:
                    self._check(member)
                    return
                yield member
                member.source.drain()
                self._members += 1
        raise BackupUnusable("The backup is incomplete: its end is missing.")

    def _next(self) -> Member | None:
        info = self._tar.next()
        if info is None:
            return None
        file = self._tar.extractfile(info) if info.isreg() else None
        if file is None or not _MEMBER.fullmatch(info.name):
            raise BackupUnusable(f"The backup has a member that does not belong there: {info.name[:80]!r}.")
        checksum = hashlib.sha256() if info.name == END else self._sum  # the end does not count itself
        return Member(info.name, info.size, _Summing(cast("BinaryIO", file), checksum, info.name, info.size))

    def _check(self, end: Member) -> None:
        expected = json.loads(end.read())
        if expected != {"members": self._members + 1, "sha256": self._sum.hexdigest()}:
            raise BackupUnusable("The backup is damaged: its checksum is another one.")


class _Summing:
    """A source of known size whose bytes are counted in a checksum as they are read."""

    def __init__(self, source: BinaryIO, checksum: Any, name: str, size: int) -> None:
        self._source, self._sum, self._left = source, checksum, size
        self.short = False
        checksum.update(f"{name}\0{size}\0".encode())

    def read(self, size: int = -1, /) -> bytes:
        wanted = self._left if size < 0 else min(size, self._left)
        data = self._source.read(wanted)
        self.short = len(data) < wanted
        self._left -= len(data)
        self._sum.update(data)
        return data

    def drain(self) -> None:
        """Read what nobody wanted."""
        while self.read(_CHUNK):
            pass


@contextmanager
def _plain_words() -> Iterator[None]:
    """Turn what tar, JSON and zlib complain of into BackupUnusable."""
    try:
        yield
    except (tarfile.TarError, ValueError, KeyError, TypeError, EOFError, zlib.error) as error:
        raise BackupUnusable("The backup is damaged or incomplete.") from error


def is_encrypted(source: BinaryIO) -> bool:
    """Say whether a backup needs a passphrase; the source is at its beginning again afterwards."""
    found = source.read(len(MAGIC)) == MAGIC
    source.seek(0)
    return found


def _open(source: BinaryIO, passphrase: bytes | None) -> tarfile.TarFile:
    stream: Any = source
    if is_encrypted(source):
        if not passphrase:
            raise BackupLocked("The backup is encrypted.")
        source.seek(len(MAGIC))
        stream = Decrypting(source, passphrase)
    try:
        return tarfile.open(mode="r|", fileobj=stream)
    except tarfile.TarError as error:
        raise BackupUnusable("The file is not a backup of zcloud.") from error


def _parse_manifest(data: bytes) -> Manifest:
    tree = json.loads(data)
    if tree.get("format") != FORMAT:
        raise BackupUnusable(
            f"The backup has the format {str(tree.get('format'))[:20]!r}; this version reads {FORMAT}.",
            hint="It was made by another version of zcloud: restore it with that one.",
        )
    return Manifest(**tree)


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
