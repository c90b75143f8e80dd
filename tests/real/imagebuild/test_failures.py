"""A build that cannot go on says why and leaves nothing behind."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from zcloud.domain.errors import MirrorUnreachable
from zcloud.imagebuild.build import build_image, find_recipe

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="building an image needs root"),
    pytest.mark.skipif(shutil.which("mmdebstrap") is None, reason="mmdebstrap is not installed"),
]

PROGRAM = (
    "import sys; from pathlib import Path; from zcloud.imagebuild.build import *\n"
    "build_image(find_recipe('debian-12'), Path(sys.argv[1]), mirror=sys.argv[2])"
)


@pytest.fixture
def silent_mirror() -> Iterator[str]:
    """Give the address of a mirror that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/debian"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda each: each.name)
def test_an_interrupted_build_leaves_nothing_behind(tmp_path: Path, silent_mirror: str, number: signal.Signals) -> None:
    output = tmp_path / "image.qcow2"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    argv = [sys.executable, "-c", PROGRAM, str(output), silent_mirror]
    process = subprocess.Popen(argv, env=environment, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 30
    while not list(tmp_path.glob(".image.qcow2.*/tree")) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert list(tmp_path.glob(".image.qcow2.*/tree")), "the build never began"
    process.send_signal(number)
    assert process.wait(timeout=60) != 0
    assert not list(tmp_path.iterdir())


def test_a_mirror_that_is_not_there_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(MirrorUnreachable, match=f"127.0.0.1:{port}") as caught:
        build_image(find_recipe("debian-12"), tmp_path / "image.qcow2", mirror=f"http://127.0.0.1:{port}/debian")
    assert "--mirror" in caught.value.hint
    assert not list(tmp_path.iterdir())
