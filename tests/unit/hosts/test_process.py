"""Programs on this machine: their end, their output, their deadline."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from zcloud.domain.errors import CommandFailed, DeadlineExceeded, HostUnreachable
from zcloud.hosts import process


def test_output_code_and_environment_are_the_programs_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "x")
    lines = process.run(["env"], timeout_s=5).stdout.decode().splitlines()
    assert dict(line.split("=", 1) for line in lines) == process.ENVIRONMENT
    done = process.run(["sh", "-c", "echo out; echo err >&2; exit 7"], timeout_s=5)
    assert done == (7, b"out\n", b"err\n")


def test_input_and_output_larger_than_any_pipe_flow_at_once() -> None:
    pieces = [os.urandom(1 << 20) for _ in range(5)]
    assert process.run(["cat"], iter(pieces), timeout_s=20).stdout == b"".join(pieces)


def test_a_program_that_does_not_read_its_input_ends_well() -> None:
    assert process.run(["true"], [b"x" * (1 << 20)] * 3, timeout_s=5).code == 0


def test_the_whole_group_is_killed_at_the_deadline() -> None:
    began = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        process.run(["sh", "-c", "sleep 31.7 & sleep 31.7"], timeout_s=0.3)
    assert time.monotonic() - began < 15
    deadline = time.monotonic() + 5
    while _runs("sleep\x0031.7\x00") and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _runs("sleep\x0031.7\x00")


def test_a_feed_that_breaks_kills_the_program() -> None:
    def feed() -> Iterator[bytes]:
        yield b"x"
        raise ValueError("the source broke")

    with pytest.raises(ValueError, match="source broke"):
        process.run(["sleep", "32.7"], feed(), timeout_s=30)
    assert not _runs("sleep\x0032.7\x00")


def test_too_much_output_is_an_error_and_errors_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "OUTPUT_LIMIT", 1000)
    with pytest.raises(CommandFailed, match="more than 1000"):
        process.run(["head", "-c", "2000", "/dev/zero"], timeout_s=5)
    noisy = process.run(["sh", "-c", "head -c 200000 /dev/zero >&2"], timeout_s=5)
    assert len(noisy.stderr) == 64 << 10


def test_an_absent_program_fails_and_says_so() -> None:
    done = process.run(["no-such-program"], timeout_s=5)
    assert done.code == 127
    assert b"no-such-program" in done.stderr


def test_a_caller_that_goes_away_ends_the_program() -> None:
    ours, theirs = socket.socketpair()
    threading.Timer(0.2, theirs.close).start()
    began = time.monotonic()
    with ours, pytest.raises(HostUnreachable):
        process.run(["sleep", "33.7"], timeout_s=30, caller=ours.fileno())
    assert time.monotonic() - began < 5


def test_a_killed_program_has_its_signal_as_code() -> None:
    assert process.run(["sh", "-c", "kill -9 $$"], timeout_s=5).code == -signal.SIGKILL


def _runs(arguments: str) -> bool:
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline") as file:
                if file.read().endswith(arguments):
                    return True
        except OSError:
            continue
    return False
