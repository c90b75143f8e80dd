"""A file system that never answers: what touches it hangs in the kernel and cannot be killed; nobody waits for it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from zcloud.domain.errors import DeadlineExceeded
from zcloud.hosts import process

# include/uapi/linux/fuse.h: the heads of a request and of an answer, and what answers INIT (of 7.22).
_REQUEST, _ANSWER, _INIT_ANSWER = struct.Struct("<IIQ"), struct.Struct("<IiQ"), struct.Struct("<IIIIHHI")


def _swallow(device: int) -> None:
    """Take requests, and answer none but the first."""
    _, _, unique = _REQUEST.unpack_from(os.read(device, 1 << 17))
    told = _INIT_ANSWER.pack(7, 22, 0, 0, 16, 12, 4096)
    os.write(device, _ANSWER.pack(_ANSWER.size + len(told), 0, unique) + told)
    with contextlib.suppress(OSError):  # it was unmounted
        while True:
            os.read(device, 1 << 17)


@pytest.fixture
def stalled(tmp_path: Path) -> Iterator[Path]:
    """Give a mount point below which nothing ever answers."""
    if os.geteuid() or not Path("/dev/fuse").exists():
        pytest.skip("a mount by FUSE takes root and /dev/fuse")
    place, device = tmp_path / "stalled", os.open("/dev/fuse", os.O_RDWR)
    place.mkdir()
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0".encode()
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.mount(b"stalled", bytes(place), b"fuse", 0, options) == 0, os.strerror(ctypes.get_errno())
    server = threading.Thread(target=_swallow, args=(device,), daemon=True)
    server.start()
    yield place
    subprocess.run(["umount", "-f", str(place)], check=False)
    subprocess.run(["umount", "-l", str(place)], check=False)
    server.join(10)
    os.close(device)


def test_a_command_that_cannot_be_killed_is_not_waited_for(stalled: Path) -> None:
    before = time.monotonic()
    with pytest.raises(DeadlineExceeded, match="did not end in time"):
        process.run(["stat", "-f", "--", str(stalled)], timeout_s=1)
    assert time.monotonic() - before < 30
    assert any(each.name == "waits for a hung process" for each in threading.enumerate())
