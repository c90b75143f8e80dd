"""Downloads as operations: paused and gone on with, broken links waited for, and what people are told meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from zcloud.base.config import Config, Images
from zcloud.domain.errors import WrongState
from zcloud.domain.image import ImageState
from zcloud.domain.operation import Operation, OperationStatus
from zcloud.services.images import Images as ImageService
from zcloud.services.images import ImageSpec
from zcloud.services.operations import Operations
from zcloud.store import Store
from zcloud.testing.cloud import ADMIN, FakeCloud
from zcloud.workflows.fetching import describe_pace

DATA = bytes(510) + b"\x55\xaa" + bytes(1 << 20)
_DEADLINE_S = 40


class Slow(BaseHTTPRequestHandler):
    """Sends the first half, and the second once ``gate`` is set."""

    gate = threading.Event()
    pause_s = 0.02  # so that it lasts longer than a download takes to look whether it was paused

    def do_GET(self) -> None:
        """Send it."""
        self.send_response(200)
        self.send_header("Content-Length", str(len(DATA)))
        self.end_headers()
        self.wfile.write(DATA[: 1 << 19])
        self.gate.wait(_DEADLINE_S)
        for at in range(1 << 19, len(DATA), 4096):
            self.wfile.write(DATA[at : at + 4096])
            time.sleep(self.pause_s)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    Slow.gate = threading.Event()
    with ThreadingHTTPServer(("127.0.0.1", 0), Slow) as server:
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/disk"
        Slow.gate.set()
        server.shutdown()
        thread.join(10)


@pytest.fixture
def cloud(sqlite_store: Store, tmp_path: Path) -> Iterator[FakeCloud]:
    made = FakeCloud(sqlite_store, Config(data_dir=tmp_path, images=Images(allow_private=("127.0.0.0/8",))))
    made.start()
    yield made
    made.stop()


def until(condition: Callable[[], bool]) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + _DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def begin(cloud: FakeCloud, url: str) -> tuple[ImageService, str, Operation]:
    """Begin a download and wait until its first half is there."""
    images = ImageService(cloud.services)
    source = {"kind": "url", "url": url, "checksum": "sha256:" + "0" * 64}
    image, operation = images.create(ADMIN, ImageSpec("disk", source, public=True))
    assert operation is not None
    part = cloud.config.upload_dir / f"{image.id}.part"
    until(lambda: part.exists() and part.stat().st_size == 1 << 19)
    return images, image.id, operation


def test_a_paused_download_can_be_cancelled(cloud: FakeCloud, url: str) -> None:
    images, image_id, operation = begin(cloud, url)
    with pytest.raises(WrongState):
        images.resume(ADMIN, image_id)
    images.pause(ADMIN, image_id)
    with pytest.raises(WrongState):
        images.pause(ADMIN, image_id)
    Slow.gate.set()
    until(lambda: cloud.read(lambda tx: tx.operations.get(operation.id)).status is OperationStatus.WAITING)
    Operations(cloud.services).cancel(ADMIN, operation.id)
    assert cloud.wait(operation).status is OperationStatus.CANCELLED
    assert cloud.read(lambda tx: tx.images.get(image_id)).state is ImageState.ERROR
    assert list(cloud.config.upload_dir.iterdir()) == []


def test_what_has_come_cannot_be_paused(cloud: FakeCloud, url: str) -> None:
    Slow.gate.set()
    images = ImageService(cloud.services)
    source = {"kind": "url", "url": url, "checksum": "sha256:" + "0" * 64}
    image, operation = images.create(ADMIN, ImageSpec("disk", source, public=True))
    assert operation is not None
    ended = cloud.wait(operation)
    assert (ended.status, (ended.error or {})["code"]) == (OperationStatus.FAILED, "download_failed")
    with pytest.raises(WrongState):
        images.pause(ADMIN, image.id)
    assert list(cloud.config.upload_dir.iterdir()) == []


@pytest.mark.parametrize(
    ("rate", "done", "whole", "told"),
    [
        (0.0, 1 << 20, None, "1.0 MiB"),
        (2.0 * (1 << 20), 1 << 20, 3 << 20, "1.0 of 3.0 MiB, 2.0 MiB/s, 1 s left"),
        (1.0 * (1 << 20), 0, 600 << 20, "0.0 of 600.0 MiB, 1.0 MiB/s, 10 min left"),
        (1.0 * (1 << 20), 0, 36000 << 20, "0.0 of 36000.0 MiB, 1.0 MiB/s, 10.0 h left"),
    ],
)
def test_the_pace_is_told(rate: float, done: int, whole: int | None, told: str) -> None:
    assert describe_pace(rate, done, whole) == told
