"""``zcloud console`` against the real tunnel, on a terminal."""

from __future__ import annotations

import dataclasses
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pexpect
import pytest
from tests.api.conftest import Cloud
from tests.api.serving import PROGRAM, Cli, serve

from zcloud.api.app import create_app
from zcloud.domain.errors import InUse
from zcloud.services.tickets import Grant
from zcloud.tunnel import Tunnel


class Echo:
    """A guest that writes what is typed, in upper case."""

    def __init__(self) -> None:
        self._data = b"login: "
        self._more = threading.Condition()
        self.closed = False

    def read(self, limit: int = 65536) -> bytes:
        """Give what there is, when there is something."""
        with self._more:
            self._more.wait_for(lambda: self._data or self.closed, timeout=20)
            found, self._data = self._data[:limit], self._data[limit:]
            return found

    def write(self, data: bytes) -> None:
        """Take keys."""
        with self._more:
            self._data += data.upper()
            self._more.notify_all()

    def close(self) -> None:
        """End."""
        with self._more:
            self.closed = True
            self._more.notify_all()


@pytest.fixture
def guests() -> list[Echo]:
    """Give the consoles that were opened."""
    return []


@pytest.fixture
def url(cloud: Cloud, guests: list[Echo]) -> Iterator[str]:
    """Serve the cloud with consoles that one can have at a time."""

    def open_console(grant: Grant, force: bool) -> Echo:
        taken = guests and not guests[-1].closed
        if grant.ticket.kind == "serial" and taken and not force:
            raise InUse("Somebody has the console open.")
        guests.append(Echo())
        return guests[-1]

    console = Tunnel(cloud.parts.tickets, open_console).route()
    with serve(create_app(dataclasses.replace(cloud.parts, console=console)), ws="websockets-sansio") as served:
        yield served


def spawn(cloud: Cloud, url: str, home: Path, *arguments: str) -> Any:
    """Run ``zcloud console`` on a terminal."""
    environment = Cli(home, url, {"ZCLOUD_TOKEN": cloud.tokens["admin"], "TERM": "xterm"}).env()
    return pexpect.spawn(sys.executable, [*PROGRAM[1:], "console", *arguments], env=environment, timeout=20)


def test_bytes_go_both_ways_until_the_person_leaves(cloud: Cloud, url: str, tmp_path: Path, guests: list[Echo]) -> None:
    child = spawn(cloud, url, tmp_path, "db")
    child.expect_exact(b"login: ")
    child.send(b"root\x03\r")  # Ctrl-C is the guest's
    child.expect_exact(b"ROOT\x03\r")
    child.send(b"x" * 3000)
    child.expect_exact(b"X" * 3000)
    child.send(b"\x1d")
    child.expect_exact(b"The console is closed.")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    assert len(guests) == 1


def test_a_taken_console_is_refused_unless_it_is_taken_over(cloud: Cloud, url: str, tmp_path: Path) -> None:
    first = spawn(cloud, url, tmp_path, "db")
    first.expect_exact(b"login: ")
    second = spawn(cloud, url, tmp_path, "db")
    second.expect_exact(b"Somebody has the console open.")
    second.expect_exact(b"--force")
    second.expect(pexpect.EOF)
    second.close()
    assert second.exitstatus == 4
    third = spawn(cloud, url, tmp_path, "db", "--force")
    third.expect_exact(b"login: ")
    for child in (first, third):
        child.send(b"\x1d")
        child.expect(pexpect.EOF)
        child.close()


def test_a_stopped_instance_has_no_console(cloud: Cloud, url: str, tmp_path: Path) -> None:
    child = spawn(cloud, url, tmp_path, "web")
    child.expect_exact(b"wrong_state")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 4


def test_a_viewer_of_ones_own_reaches_the_screen(cloud: Cloud, url: str, tmp_path: Path) -> None:
    file = tmp_path / "db.vv"
    child = spawn(cloud, url, tmp_path, "db", "--vnc", "--vv", str(file))
    child.expect(rb"vnc://127\.0\.0\.1:(\d+)")
    port = int(child.match[1])
    child.expect_exact(b"remote-viewer")
    assert f"type=vnc\nhost=127.0.0.1\nport={port}\n" in file.read_text()
    assert file.stat().st_mode & 0o077 == 0
    for _ in range(2):  # each viewer has a ticket of its own, and both may be there
        with socket.create_connection(("127.0.0.1", port), timeout=20) as viewer:
            viewer.sendall(b"x" * 200_000)  # more than a frame may hold
            received = b""
            while len(received) < 200_007:
                received += viewer.recv(65536)
            assert received == b"login: " + b"X" * 200_000
    child.sendintr()
    child.expect_exact(b"The screen is closed.")
    child.expect(pexpect.EOF)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=20)


def test_a_screen_that_is_not_there_is_refused_before_a_viewer_comes(cloud: Cloud, url: str, tmp_path: Path) -> None:
    child = spawn(cloud, url, tmp_path, "db", "--spice")
    child.expect_exact(b"has no SPICE console: its screen is reached by VNC")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 4
