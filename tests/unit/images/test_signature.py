"""Signatures of checksum files, by gpgv in the confined child: a key of ours, and what an attacker would send."""

from __future__ import annotations

import hashlib
import os
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests import builders

from zcloud.base.config import Config, Images
from zcloud.domain.errors import ConfigInvalid, DownloadFailed
from zcloud.domain.image import ImageState
from zcloud.domain.operation import Operation, OperationStatus
from zcloud.drivers.guest.catalogue import load_catalogue, signing_keys
from zcloud.hosts.signature import check_signature
from zcloud.services.images import begin_import
from zcloud.store import Store, Tx
from zcloud.testing.cloud import ADMIN, FakeCloud

SUMS = b"0" * 64 + b"  disk.img\n"


@dataclass(frozen=True)
class Vendor:
    """Whoever signs: the public half of the key, and the signing."""

    keys: bytes
    sign: Callable[[bytes], bytes]


def _vendor(home: Path) -> Vendor:
    home.mkdir(mode=0o700)
    gpg = ["gpg", "--homedir", str(home), "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""]
    subprocess.run([*gpg, "--quick-gen-key", f"{home.name} <x@example.org>", "ed25519", "sign", "never"], check=True)

    def run(*argv: str, data: bytes = b"") -> bytes:
        return subprocess.run([*gpg, *argv], input=data, check=True, capture_output=True).stdout

    return Vendor(run("--export"), lambda data: run("--detach-sign", data=data))


@pytest.fixture(scope="module")
def vendor(tmp_path_factory: pytest.TempPathFactory) -> Vendor:
    return _vendor(tmp_path_factory.mktemp("g") / "vendor")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Vendor:
    return _vendor(tmp_path_factory.mktemp("g") / "stranger")


def test_the_vendors_signature_is_found_and_names_its_key(vendor: Vendor) -> None:
    fingerprint = check_signature(SUMS, vendor.sign(SUMS), vendor.keys)
    assert len(fingerprint) == 40
    assert fingerprint == check_signature(b"other", vendor.sign(b"other"), vendor.keys)


@pytest.mark.parametrize("wrong", ["stranger", "changed", "truncated", "empty", "no-keys", "noise", "two", "huge"])
def test_nothing_else_is_believed(vendor: Vendor, stranger: Vendor, wrong: str) -> None:
    good = vendor.sign(SUMS)
    data, signature, keys = {
        "stranger": (SUMS, stranger.sign(SUMS), vendor.keys),
        "changed": (SUMS.replace(b"0", b"1", 1), good, vendor.keys),
        "truncated": (SUMS, good[:-20], vendor.keys),
        "empty": (SUMS, b"", vendor.keys),
        "no-keys": (SUMS, good, b""),
        "noise": (SUMS, os.urandom(4096), vendor.keys),
        "two": (SUMS, good + stranger.sign(SUMS), vendor.keys),
        "huge": (SUMS, b"\xff" * (64 << 10), vendor.keys),
    }[wrong]
    with pytest.raises(DownloadFailed, match="not signed"):
        check_signature(data, signature, keys)


def test_every_signed_entry_of_the_catalogue_has_its_keys(tmp_path: Path) -> None:
    signed = {each.signed_by for each in load_catalogue().values() if each.signed_by}
    assert signed == {"ubuntu-cloud"}
    shown = subprocess.run(
        ["gpg", "--homedir", str(tmp_path), "--with-colons", "--show-keys"],
        input=signing_keys("ubuntu-cloud"),
        check=True,
        capture_output=True,
    ).stdout
    # https://help.ubuntu.com/community/UEC/Images, "UEC Image Automatic Signing Key"
    assert [line for line in shown.splitlines() if line.startswith(b"fpr:")] == [
        b"fpr:::::::::D2EB44626FDDC30B513D5BB71A5D6C4C7DB87C81:"
    ]
    with pytest.raises(ConfigInvalid):
        signing_keys(str(tmp_path / "none"))


@pytest.mark.parametrize("signs", ["vendor", "stranger", "nobody"])
def test_an_image_is_fetched_only_by_signed_checksums(
    signs: str, vendor: Vendor, stranger: Vendor, sqlite_store: Store, tmp_path: Path
) -> None:
    disk, web = bytes(510) + b"\x55\xaa", tmp_path / "web"
    web.mkdir()
    sums = f"{hashlib.sha256(disk).hexdigest()}  disk.img\n".encode()
    (web / "disk.img").write_bytes(disk)
    (web / "SUMS").write_bytes(sums)
    signature = {"vendor": vendor.sign(sums), "stranger": stranger.sign(sums), "nobody": bytes(1 << 20)}[signs]
    (web / "SUMS.gpg").write_bytes(signature)
    (tmp_path / "vendor.gpg").write_bytes(vendor.keys)
    cloud = FakeCloud(sqlite_store, Config(data_dir=tmp_path, images=Images(allow_private=("127.0.0.0/8",))))
    cloud.start()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(web))) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        base = f"http://127.0.0.1:{server.server_port}"
        source = {
            "kind": "catalogue", "name": "disk", "url": f"{base}/disk.img", "checksums_url": f"{base}/SUMS",
            "algorithm": "sha256", "checksum_entry": "disk.img", "signature_url": f"{base}/SUMS.gpg",
            "signed_by": str(tmp_path / "vendor.gpg"),
        }  # fmt: skip

        def begin(tx: Tx) -> Operation:
            facts = {"format": "raw", "digest": "", "size": 0, "virtual_size": 0}
            record = builders.image(name="disk", state=ImageState.IMPORTING, source=source, **facts)
            return begin_import(tx, ADMIN, tx.images.add(record))

        operation = cloud.store.transact(begin)
        ended = cloud.wait(operation)
        server.shutdown()
    image = cloud.read(lambda tx: tx.images.get(operation.resource_id))
    cloud.stop()
    code = "payload_too_large" if signs == "nobody" else "download_failed"
    if signs == "vendor":
        assert ended.status is OperationStatus.SUCCEEDED, ended.error
        assert (image.state, len(str(image.source["verified_by"]))) == (ImageState.READY, 40)
    else:
        assert (ended.status, (ended.error or {})["code"]) == (OperationStatus.FAILED, code)
        assert (image.state, "verified_by" in image.source) == (ImageState.ERROR, False)
    assert list(cloud.config.upload_dir.iterdir()) == []


class Quiet(SimpleHTTPRequestHandler):
    """Serves files and says nothing."""

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""
