"""Making a backup: one moment of the store, and the files without which it is worth nothing."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import zcloud
from zcloud.backup.archive import Manifest, Writer
from zcloud.backup.envelope import MIN_PASSPHRASE
from zcloud.base.clock import Clock
from zcloud.base.config import Config
from zcloud.domain.errors import BackupFailed, InvalidInput
from zcloud.store import Store
from zcloud.store.portable import Export

CONFIGURATION = "zcloud.toml"
_KEYS = ("ssh", "tls")  # directories below the data directory


@dataclass(frozen=True, slots=True)
class Site:
    """What is backed up: an installation, by its configuration and the file that it came from (None: defaults)."""

    config: Config
    config_file: Path | None = None

    def files(self) -> dict[str, Path]:
        """Give the files that go along by their name in the backup."""
        data = self.config.data_dir
        found = {self.config.key_file.name: self.config.key_file}
        for name in _KEYS:
            found |= {f"{name}/{path.name}": path for path in sorted((data / name).glob("*")) if path.is_file()}
        if self.config_file is not None and self.config_file.exists():
            found[CONFIGURATION] = self.config_file
        return found


def create(
    site: Site, store: Store, sink: BinaryIO, clock: Clock, *, passphrase: bytes | None = None, images: bool = False
) -> Manifest:
    """Write a backup to ``sink``; a server may run meanwhile.

    Raises BackupFailed (a file cannot be read, the store is empty), InvalidInput (a short passphrase),
    StoreUnreachable.
    """
    if passphrase is not None and len(passphrase) < MIN_PASSPHRASE:
        raise InvalidInput(f"A passphrase has at least {MIN_PASSPHRASE} bytes.", field="passphrase")
    files = {name: _read(path) for name, path in site.files().items()}
    with store.export() as export:
        if export.revision is None:
            raise BackupFailed("The store is empty: there is nothing to back up.", hint="Is store_url right?")
        found = _images(site.config, export, include=images)
        manifest = Manifest(
            made_at=clock.now().isoformat(),
            version=zcloud.__version__,
            revision=export.revision,
            host=socket.gethostname(),
            zone=site.config.zone,
            store=site.config.url.partition(":")[0].partition("+")[0],
            rows=export.counts(),
            files=sorted(files),
            images=found,
        )
        writer = Writer(sink, passphrase)
        writer.manifest(manifest)
        for name, data in files.items():
            writer.small(f"files/{name}", data)
        for block in export.blocks():
            writer.block(block)
    for name, size in _included(found):
        with (site.config.image_dir / name).open("rb") as file:
            writer.stream(f"images/{name}", file, size)
    writer.finish()
    return manifest


def _images(config: Config, export: Export, *, include: bool) -> list[dict[str, Any]]:
    """Give the images that are ready, each file once; the missing ones are told, and not included."""
    names = {
        f"{row['digest']}.{row['format']}"
        for row in export.rows("images", "state", "digest", "format")
        if row["state"] == "ready"
    }
    found = []
    for name in sorted(names):
        path = config.image_dir / name
        size = path.stat().st_size if path.is_file() else -1
        found.append({"name": name, "size": size, "included": include and size >= 0})
    return found


def _included(images: Sequence[dict[str, Any]]) -> Iterator[tuple[str, int]]:
    return ((str(each["name"]), int(each["size"])) for each in images if each["included"])


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BackupFailed(f"{path} cannot be read: {error.strerror}.", hint="Run it as root.") from error
