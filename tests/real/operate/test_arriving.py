"""Images that arrive while the server is killed, by upload and by URL: they go on where they were."""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.real.operate.served import Served, until

from zcloud.client.uploads import send_file

DATA = os.urandom(24 << 20)[:-2] + b"\x55\xaa"
DIGEST = hashlib.sha256(DATA).hexdigest()
_LONG_S = 120


class Web(ThreadingHTTPServer):
    """A server of ``DATA`` with ETag and ranges, that stops after ``until_byte`` of it till ``gate`` is set."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.ranges: list[str | None] = []
        self.until_byte = 8 << 20
        self.gate, self.reached = threading.Event(), threading.Event()

    @property
    def url(self) -> str:
        """Give where the image is."""
        return f"http://127.0.0.1:{self.server_port}/disk.raw"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients are killed here on purpose."""


class _Handler(BaseHTTPRequestHandler):
    server: Web

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""

    def do_GET(self) -> None:
        """Send what is asked for."""
        wanted = self.headers.get("Range")
        self.server.ranges.append(wanted)
        start = int(re.findall(r"\d+", wanted)[0]) if wanted else 0
        self.send_response(206 if wanted else 200)
        self.send_header("ETag", '"one"')
        self.send_header("Content-Length", str(len(DATA) - start))
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{len(DATA) - 1}/{len(DATA)}")
        self.end_headers()
        if start < self.server.until_byte:
            self.wfile.write(DATA[start : self.server.until_byte])
            self.server.reached.set()
            self.server.gate.wait(_LONG_S)
        self.wfile.write(DATA[max(start, self.server.until_byte) :])


@pytest.fixture
def web() -> Iterator[Web]:
    with Web() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield server
        server.gate.set()
        server.shutdown()
        thread.join(10)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    base = tmp_path_factory.mktemp("arriving")
    (base / "home").mkdir()
    made = Served(base / "server", base / "home")
    with made.config.open("a") as config:
        config.write('[workers]\nheartbeat_s = 0.3\n[images]\nallow_private = ["127.0.0.0/8"]\nmax_piece = 4194304\n')
    made.zcloud("init", "--config", str(made.config), "--password-file", str(made.base / "password"))
    made.start((made.base / "password").read_text())
    yield made
    made.stop()


def kept(server: Served, digest: str) -> bytes:
    """Give the file that an image became."""
    return (server.data / "images" / f"{digest}.raw").read_bytes()


def test_an_upload_goes_on_after_the_server_was_killed(server: Served, tmp_path: Path) -> None:
    disk = tmp_path / "disk.raw"
    disk.write_bytes(DATA)
    killed: list[int] = []

    def kill_once(done: int) -> None:
        if done > (9 << 20) and not killed:
            killed.append(done)
            server.kill()
            server.start()

    with server.client() as client:
        source = {"kind": "upload", "size": len(DATA)}
        image = client.post("/v1/images", {"name": "sent", "source": source})["id"]
        with disk.open("rb") as file:
            answer = send_file(client, image, file, kill_once)
        assert killed
        ended = client.wait(answer["operation"]["id"], timeout_s=_LONG_S)
        assert ended["status"] == "succeeded", ended
        assert kept(server, client.get(f"/v1/images/{image}")["digest"]) == DATA
    assert list((server.data / "uploads").iterdir()) == []


def test_a_download_goes_on_after_a_pause_and_a_kill(server: Served, web: Web) -> None:
    server.zcloud("image", "import", web.url, "--name", "pulled", "--checksum", f"sha256:{DIGEST}", "--no-wait")
    part = next(iter(until(lambda: list((server.data / "uploads").glob("*.part")), _LONG_S)))
    until(lambda: part.stat().st_size == 8 << 20, _LONG_S)
    operation = server.json("operation", "list")[0]
    server.kill()
    web.until_byte = 16 << 20
    server.start()
    until(lambda: len(web.ranges) == 2, _LONG_S, server.log)
    until(lambda: part.stat().st_size == 16 << 20, _LONG_S)
    server.zcloud("image", "pause", "pulled")
    web.gate.set()  # its next byte lets it look
    until(lambda: server.json("operation", "show", operation["id"])["status"] == "waiting", _LONG_S)
    shown = server.json("operation", "show", operation["id"])
    assert "zcloud image resume pulled" in shown["wait_reason"]
    assert server.json("image", "show", "pulled")["state"] == "paused"
    rest = part.stat().st_size
    server.zcloud("image", "resume", "pulled")
    assert web.ranges == [None, f"bytes={8 << 20}-", f"bytes={rest}-"]
    assert server.json("image", "show", "pulled")["state"] == "ready"
    assert kept(server, DIGEST) == DATA
    assert list((server.data / "uploads").iterdir()) == []
    (step,) = [each for each in server.json("operation", "show", operation["id"])["steps"] if each["name"] == "fetch"]
    assert step["done"] == step["total"] == len(DATA)
    assert "MiB" in step["detail"]
