"""``zcloud init``: directories, keys, certificates, the store, the first admin. Run again, it adds what is missing."""

from __future__ import annotations

import logging
import os
import socket
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from zcloud.backup.create import Site
from zcloud.base import pki
from zcloud.base.clock import Clock, SystemClock
from zcloud.base.config import Config
from zcloud.base.ids import new_id, new_secret
from zcloud.domain.instance import Flavor
from zcloud.domain.people import Project, Quota, Role
from zcloud.domain.storage import GIB
from zcloud.imagebuild.kernel import fetch_kernel
from zcloud.imagebuild.probekit import build_probe_kit
from zcloud.main.files import write_private
from zcloud.main.upgrade import bring_up_to_date
from zcloud.main.wiring import open_store
from zcloud.services.passwords import hash_password
from zcloud.services.people import add_user
from zcloud.store import Store, Tx

_log = logging.getLogger(__name__)

ADMIN = "admin"
FLAVORS = (
    Flavor("tiny", 1, 512, 4 * GIB),
    Flavor("small", 1, 2048, 10 * GIB),
    Flavor("medium", 2, 4096, 20 * GIB),
    Flavor("large", 4, 8192, 40 * GIB),
    Flavor("xlarge", 8, 16384, 80 * GIB),
)


@dataclass(frozen=True, slots=True)
class Prepared:
    """What ``prepare`` made; ``password`` is the first admin's, empty where there was one already."""

    authority: Path
    certificate: Path
    key: Path
    password: str


def prepare(config: Config, clock: Clock | None = None) -> Prepared:
    """Make everything that a server needs before it starts; what is there stays as it is."""
    clock = clock or SystemClock()
    config.data_dir.mkdir(parents=True, exist_ok=True, mode=0o750)
    ensure_probe_kit(config)
    for directory in (config.image_dir, config.upload_dir, config.tls_dir, config.ssh_key.parent):
        directory.mkdir(parents=True, exist_ok=True, mode=0o750)
    _ensure_file(config.key_file, os.urandom(32))
    _ensure_ssh_key(config.ssh_key)
    authority = pki.ensure_authority(config.tls_dir, clock.now())
    certificate, key = pki.ensure_server(config.tls_dir, server_names(config), clock.now())
    bring_up_to_date(Site(config), clock, _log.warning)
    store = open_store(config, clock)
    try:
        store.migrate()
        return Prepared(authority, certificate, key, _seed(store))
    finally:
        store.close()


def ensure_probe_kit(config: Config) -> None:
    """Have the kernel and initramfs of the KVM probe."""
    if not (config.probe_dir / "sha256").exists():
        build_probe_kit(fetch_kernel(), config.probe_dir)


def server_names(config: Config) -> tuple[str, ...]:
    """Give the names and addresses that the server's certificate is for."""
    listen = () if config.server.listen in ("0.0.0.0", "::") else (config.server.listen,)  # noqa: S104
    names = ("localhost", "127.0.0.1", "::1", *listen, socket.gethostname(), *config.server.names)
    return tuple(dict.fromkeys(name for name in names if name))


def _seed(store: Store) -> str:
    """Add the first project, the flavors and the first admin; gives the admin's new password, or nothing."""
    password = new_secret(15)

    def work(tx: Tx) -> bool:
        if tx.users.find(ADMIN) is not None:
            return False
        tx.projects.add(Project(new_id(), "default", "What has no project of its own.", Quota(), tx.now, 1))
        for flavor in FLAVORS:
            tx.flavors.add(flavor)
        add_user(tx, ADMIN, hash_password(password), Role.ADMIN)
        return True

    return password if store.transact(work) else ""


def _ensure_ssh_key(path: Path) -> None:
    if path.exists():
        return
    key = ed25519.Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    _ensure_file(path.with_suffix(".pub"), public + b" zcloud\n")
    _ensure_file(path, private)


def _ensure_file(path: Path, data: bytes) -> None:
    if not path.exists():
        write_private(path, data)
