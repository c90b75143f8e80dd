"""What only happens on a terminal: questions, hidden passwords, the spinner, Ctrl-C."""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

import pexpect
import pytest
from tests.unit.cli.stub import Asked, instance, operation, step, stub

ACCEPTED = (202, {"operation": operation("queued"), "resource": {"kind": "instance", "id": "i1", "name": "web"}})


@pytest.fixture
def spawn(tmp_path: Path) -> Any:
    """Give a function that runs ``zcloud`` on a terminal."""

    def run(url: str, *arguments: str) -> Any:
        environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "ZCLOUD_URL": url, "LC_ALL": "C.UTF-8"}
        environment |= {"PYTHONPATH": os.pathsep.join(each for each in sys.path if each), "TERM": "xterm"}
        program = ["-c", "from zcloud.cli import main; main()", *arguments]
        child = pexpect.spawn(
            sys.executable, program, env=environment, encoding="utf-8", timeout=60, dimensions=(40, 120)
        )
        children.append(child)
        return child

    children: list[Any] = []
    yield run
    for child in children:
        child.close(force=True)


def ended(child: Any) -> int:
    """Wait for a command's end and give its exit code."""
    child.expect(pexpect.EOF)
    child.close()
    return int(child.exitstatus)


def test_a_password_is_asked_for_and_not_shown(spawn: Any, tmp_path: Path) -> None:
    with stub(lambda _asked: (201, {"secret": "zcs_x", "session": {}})) as server:
        child = spawn(server.url, "login")
        child.expect("User: ")
        child.sendline("alice")
        child.expect("Password: ")
        child.sendline("hunter2 secret")
        child.expect("Signed in")
        assert "hunter2" not in child.before
        assert ended(child) == 0
    assert json.loads(server.asked[0].body)["password"] == "hunter2 secret"
    assert json.loads((tmp_path / ".config/zcloud/cli.json").read_text())["token"] == "zcs_x"


@pytest.mark.parametrize(("answer", "code", "asked"), [("y", 0, 1), ("n", 130, 0), ("", 130, 0)])
def test_deleting_asks_first(spawn: Any, answer: str, code: int, asked: int) -> None:
    with stub(lambda _asked: ACCEPTED) as server:
        child = spawn(server.url, "delete", "web", "db", "--keep", "data", "--no-wait")
        child.expect(r"Delete web, db \(for good; disks are deleted too, but not data\)\? \[y/N\]: ")
        child.sendline(answer)
        assert ended(child) == code
    assert len(server.asked) == 2 * asked


def test_a_host_key_is_shown_and_asked_about(spawn: Any) -> None:
    host = {"id": "h1", "name": "b", "address": "10.0.0.2", "inventory": {"offered_fingerprint": "SHA256:abc"}}
    with stub(lambda asked: (202, ACCEPTED[1]) if asked.method == "POST" else (200, host)) as server:
        child = spawn(server.url, "host", "approve", "b", "--no-wait")
        child.expect("SHA256:abc")
        child.expect("ssh-keygen -lf")
        child.expect("Is it the same")
        child.sendline("n")
        assert ended(child) == 4
        assert [each.method for each in server.asked] == ["GET"]
        child = spawn(server.url, "host", "approve", "b", "--no-wait")
        child.expect("Is it the same")
        child.sendline("y")
        assert ended(child) == 0
    assert json.loads(server.asked[-1].body) == {"fingerprint": "SHA256:abc"}


def test_interrupting_a_wait_cancels_nothing_and_says_how_to_go_on(spawn: Any) -> None:
    waits, release = threading.Event(), threading.Event()

    def handle(asked: Asked) -> tuple[int, Any]:
        if asked.method == "POST":
            return ACCEPTED
        if waits.is_set():
            release.wait(10)
        waits.set()
        return 200, operation("running", step(1, "Make the disk", "running", ended_at=None, done=1, total=4))

    with stub(handle) as server:
        child = spawn(server.url, "start", "web")
        child.expect("Make the disk 25 %")  # the spinner's line
        child.sendintr()
        child.expect("zcloud operation wait op1")
        child.expect("zcloud operation cancel op1")
        assert ended(child) == 130
        release.set()
    assert not any("cancel" in each.target for each in server.asked)


def test_tables_are_coloured_on_a_terminal_only(spawn: Any) -> None:
    with stub(lambda _asked: (200, {"items": [instance("web")], "next_cursor": None})) as server:
        child = spawn(server.url, "list")
        child.expect("\x1b\\[32mrunning\x1b\\[0m")
        assert ended(child) == 0


def test_ssh_is_started_with_what_the_instance_is(spawn: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "bin" / "ssh"
    fake.parent.mkdir()
    fake.write_text('#!/bin/sh\nprintf "%s|" "$@"\nexit 7\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
    with stub(lambda _asked: (200, instance("web"))) as server:
        child = spawn(server.url, "ssh", "web", "--user", "root", "--", "ls", "-l")
        child.expect_exact("-l|root|--|10.0.0.5|ls|-l|")
        assert ended(child) == 7
