"""Uploads that break off in the middle, on a real port: by the line, and by the client."""

from __future__ import annotations

import hashlib
import http.client
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.api.conftest import Cloud
from tests.api.serving import PROGRAM, Cli, serve

from zcloud.client import ApiError, Client
from zcloud.client.uploads import find_upload, send_file
from zcloud.services.arrivals import Arriving

_DEADLINE_S = 40
DATA = os.urandom(900_000)


def until(condition: Callable[[], bool]) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + _DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class Gate:
    """Lets so many batches of uploads be written, and then none until it is opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, batches: int) -> None:
        self.opened, self.reached = threading.Event(), threading.Event()
        self._left = batches
        append = Arriving.append

        def slow(arriving: Arriving, chunks: Sequence[bytes]) -> None:
            self._left -= 1
            if self._left < 0:
                self.reached.set()
                assert self.opened.wait(_DEADLINE_S)
            append(arriving, chunks)

        monkeypatch.setattr("zcloud.api.uploads._BATCH", 64 << 10)
        monkeypatch.setattr(Arriving, "append", slow)


def begin_piece(cloud: Cloud, url: str, path: str) -> http.client.HTTPConnection:
    """Send a part of a piece."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=_DEADLINE_S)
    connection.putrequest("PUT", path)
    for name, value in {**cloud.headers("member"), "Content-Length": "100000"}.items():
        connection.putheader(name, value)
    connection.endheaders(b"x" * 5000)
    return connection


def begin_upload(cloud: Cloud) -> str:
    """Make an image that waits for ``DATA``."""
    body = {"name": "mine", "project": "default", "source": {"kind": "upload", "size": len(DATA)}}
    return str(cloud.post("/v1/images", body, user="member").json()["id"])


def test_what_came_before_the_line_broke_is_kept(cloud: Cloud) -> None:
    image = begin_upload(cloud)
    path, part = f"/v1/images/{image}/upload", cloud.upload_dir / f"{image}.part"
    with serve(cloud.app) as url:
        half = begin_piece(cloud, url, f"{path}?offset=0")
        until(part.exists)
        second = cloud.call("member", "PUT", f"{path}?offset=0", content=b"second")
        assert (second.status_code, second.json()["code"]) == (409, "busy")
        half.close()
        until(lambda: cloud.get(path, user="member").json()["offset"] == 5000)
        until(lambda: cloud.call("member", "PUT", f"{path}?offset=5000", content=b"more").status_code == 200)
    assert part.read_bytes() == b"x" * 5000 + b"more"


def test_a_killed_command_is_gone_on_with(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = tmp_path / "disk.raw"
    disk.write_bytes(DATA)
    gate = Gate(monkeypatch, 3)
    with serve(cloud.app) as url:
        cli = Cli(tmp_path, url, {"ZCLOUD_TOKEN": cloud.tokens["member"]})
        words = ("image", "import", str(disk), "--no-wait")
        first = subprocess.Popen([*PROGRAM, *words], env=cli.env(), stderr=subprocess.DEVNULL)
        assert gate.reached.wait(_DEADLINE_S)
        first.send_signal(signal.SIGKILL)
        first.wait(_DEADLINE_S)
        gate.opened.set()
        until(lambda: "disk" in cli.ok("image", "uploads").out)
        again = cli.ok(*words)
        assert "Going on after" in again.err
        assert "No upload is unfinished" in cli.ok("image", "uploads").err
        image = cli.ok("image", "show", "disk", "-o", "json").json
    assert (cloud.upload_dir / f"{image['id']}.part").read_bytes() == DATA
    assert image["source"]["checksum"] == f"sha256:{hashlib.sha256(DATA).hexdigest()}"


def test_only_the_same_file_is_gone_on_with(cloud: Cloud, tmp_path: Path) -> None:
    image, disk = begin_upload(cloud), tmp_path / "disk"
    other = bytearray(DATA)
    other[90_000] ^= 1
    with serve(cloud.app) as url, Client(url, cloud.tokens["member"]) as client:
        client.send(f"/v1/images/{image}/upload", [DATA[:100_000]], 100_000, offset=0)
        for content, name, found in (
            (DATA, "mine", True),
            (bytes(other), "mine", False),
            (DATA[:-1], "mine", False),
            (DATA, "yours", False),
        ):
            disk.write_bytes(content)
            with disk.open("rb") as file:
                assert (find_upload(client, name, file) is not None) is found
        disk.write_bytes(DATA[:50_000])
        with disk.open("rb") as file, pytest.raises(ApiError) as caught:
            send_file(client, image, file)
    assert caught.value.code == "file_changed"
