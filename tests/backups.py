"""Backups in tests: made of a store in memory, restored into a fresh directory."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path

from zcloud.backup.create import Site, create
from zcloud.backup.restore import Restored, Target, restore
from zcloud.base.clock import SystemClock
from zcloud.base.config import Config
from zcloud.store import Store

PASSPHRASE = b"correct horse battery"


def furnish(config: Config) -> Config:
    """Put keys and certificates in place, as ``zcloud init`` does, with contents of no use."""
    for path, data in (
        (config.key_file, os.urandom(32)),
        (config.ssh_key, b"a private key"),
        (config.ssh_key.with_suffix(".pub"), b"a public key"),
        (config.tls_dir / "ca.pem", b"an authority"),
        (config.tls_dir / "ca.key", b"its key"),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return config


def back_up(store: Store, config: Config, *, passphrase: bytes | None = None, images: bool = False) -> bytes:
    """Give a backup."""
    sink = io.BytesIO()
    create(Site(config), store, sink, SystemClock(), passphrase=passphrase, images=images)
    return sink.getvalue()


def put_back(
    backup: bytes,
    config: Config,
    *,
    passphrase: bytes | None = None,
    replace: bool = False,
    fault: Callable[[str], object] = str,
) -> Restored:
    """Restore a backup."""
    config.data_dir.mkdir(parents=True, exist_ok=True)
    target = Target(config, SystemClock(), fault)
    return restore(target, io.BytesIO(backup), passphrase=passphrase, replace=replace)


def files_below(directory: Path) -> dict[str, bytes]:
    """Give every file below a directory by its path, but for the lock."""
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }
