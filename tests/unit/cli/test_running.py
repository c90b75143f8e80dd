"""Commands as a whole, in this process: what is printed where, exit codes, settings, waiting."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from tests.unit.cli.stub import Asked, Handle, Stub, instance, operation, step, stub

from zcloud.cli.app import run
from zcloud.cli.base import Refusal
from zcloud.cli.commands.ssh import ssh_argv
from zcloud.cli.settings import save_config

REFUSALS = [
    {"host": "anton", "filter": "memory", "reason": "It has 1024 MiB left.", "nearest": "1024 MiB would fit."},
    {"host": "b\x1b[2J", "filter": "usable", "reason": "The host does not answer", "nearest": ""},
]


def sent(server: Stub) -> list[str | None]:
    """Give the secrets that a server was sent."""
    return [each.headers.get("Authorization") for each in server.asked]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give every test an empty home and no settings."""
    for name in ("ZCLOUD_URL", "ZCLOUD_TOKEN", "ZCLOUD_CA", "ZCLOUD_PROJECT", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def answers(*values: tuple[int, Any]) -> Handle:
    """Give a handler that answers these in turn."""
    left = iter(values)
    return lambda _asked: next(left)


def listing(*names: str, **changes: Any) -> tuple[int, Any]:
    """Give a list of instances."""
    return 200, {"items": [instance(name, **changes) for name in names], "next_cursor": None, "total": None}


def test_list_as_a_table_and_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    with stub(lambda _asked: listing("web", ready="waiting")) as server:
        assert run(["list", "--url", server.url]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[1].split()[:8] == ["web", "running", "waiting", "10.0.0.5", "anton", "2", "cpu", "4G"]
        assert run(["--url", server.url, "-o", "json", "list"]) == 0
        assert json.loads(capsys.readouterr().out)[0]["created_at"] == "2026-01-01T00:00:00Z"
        assert run(["list", "--url", server.url, "-o", "wide"]) == 0
        assert "PROJECT" in capsys.readouterr().out


def test_tcg_is_marked_with_the_reason_why_it_is_slow(capsys: pytest.CaptureFixture[str]) -> None:
    with stub(lambda _asked: listing("web", accel="tcg")) as server:
        assert run(["list", "--url", server.url]) == 0
    told = capsys.readouterr()
    assert "anton (tcg)" in told.out
    assert "without KVM" in told.err


def test_hostile_names_do_not_reach_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    evil = "\x1b]0;owned\x07\x9b2J\u202e"
    with stub(
        lambda _asked: listing("web", host=evil, image=evil, status=evil, tags=[evil], host_state=evil)
    ) as server:
        for form in ("table", "wide", "json", "yaml"):
            run(["list", "--url", server.url, "-o", form])
    told = capsys.readouterr()
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(told.out + told.err)


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, 64), (401, 1), (403, 1), (404, 3), (409, 4), (412, 4), (422, 64), (429, 1), (500, 1), (503, 1)],
)
def test_exit_codes(status: int, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    problem = {
        "code": "some_code",
        "detail": "It did not.",
        "left": "Nothing.",
        "hint": "Do this.",
        "request_id": "r-1",
    }
    with stub(lambda _asked: (status, problem)) as server:
        assert run(["whoami", "--url", server.url]) == code
    assert capsys.readouterr().err.splitlines() == [
        "Error: It did not.",
        "  What is left: Nothing.",
        "  What to do:   Do this.",
        "  Code:         some_code (request r-1)",
    ]


def test_no_room_lists_every_host(capsys: pytest.CaptureFixture[str]) -> None:
    problem = {"code": "no_room", "detail": "No host can take it. anton: …", "details": {"refusals": REFUSALS}}
    with stub(lambda _asked: (409, problem)) as server:
        assert run(["launch", "a", "--image", "i", "--url", server.url]) == 4
        told = capsys.readouterr()
        assert run(["explain", "a", "--image", "i", "--url", server.url]) == 4
    assert "  anton     It has 1024 MiB left.     1024 MiB would fit." in told.err.splitlines()
    assert r"b\x1b[2J" in told.err
    assert "NEAREST FIT" in capsys.readouterr().out


def test_a_token_goes_only_to_the_server_that_gave_it(monkeypatch: pytest.MonkeyPatch) -> None:
    me: dict[str, Any] = {"name": "a", "role": None, "projects": [], "zone": "z", "user_id": "u"}
    with stub(lambda _asked: (200, me)) as mine, stub(lambda _asked: (200, me)) as other:
        save_config({"url": mine.url, "token": "zcs_kept", "project": "lab"})
        assert run(["whoami"]) == 0
        assert run(["whoami", "--url", other.url]) == 0
        monkeypatch.setenv("ZCLOUD_TOKEN", "zct_given")
        assert run(["whoami", "--url", other.url]) == 0
    assert sent(mine) == ["Bearer zcs_kept"]
    assert sent(other) == [None, "Bearer zct_given"]


def test_a_broken_settings_file_is_told(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_config({})
    (home / ".config/zcloud/cli.json").write_text("{")
    assert run(["list"]) == 1
    assert "config_invalid" in capsys.readouterr().err


def test_steps_are_told_as_they_end(capsys: pytest.CaptureFixture[str]) -> None:
    done = step(1, "Make the disk", "done")
    accepted = {"operation": operation("queued"), "resource": {"kind": "instance", "id": "i1", "name": "web"}}
    flow = answers(
        (202, accepted),
        (200, operation("running", done, step(2, "Start it", "running"))),
        (200, operation("succeeded", done, step(2, "Start it", "done", detail="kvm"))),
    )
    with stub(flow) as server:
        assert run(["start", "web", "--url", server.url]) == 0
    told = capsys.readouterr()
    assert told.err.splitlines() == ["✓ Make the disk (1.5 s)", "✓ Start it: kvm (1.5 s)"]
    assert told.out == "web runs.\n"


def test_a_failed_operation_is_told_with_what_was_left(capsys: pytest.CaptureFixture[str]) -> None:
    error = {
        "code": "storage_failed",
        "message": "No disk.",
        "left": "Undone.",
        "hint": "Look.",
        "details": {"output": "a\x1bb"},
    }
    failed = operation("failed", step(1, "Make the disk", "undone"), error=error)
    with stub(answers((202, {"operation": failed}), (200, failed))) as server:
        assert run(["stop", "web", "--url", server.url]) == 1
    told = capsys.readouterr().err
    for text in ("↩ Make the disk", "Error: No disk.", r"| a\x1bb", "Undone.", "Look.", "storage_failed (request r1)",
                 "zcloud operation show op1"):  # fmt: skip
        assert text in told


def test_a_blocked_operation_says_what_it_waits_for(capsys: pytest.CaptureFixture[str]) -> None:
    flow = answers(
        (200, operation("blocked", wait_reason="anton does not answer")),
        (200, operation("blocked", wait_reason="anton does not answer")),
        (200, operation("succeeded")),
    )
    with stub(flow) as server:
        assert run(["operation", "wait", "op1", "--url", server.url]) == 0
    assert capsys.readouterr().err.splitlines() == ["blocked: anton does not answer"]


def test_launch_waits_until_the_guest_is_ready_or_says_why_not(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zcloud.cli.progress._READY_S", 0.01)
    accepted = (202, {"operation": operation("queued"), "resource": {"id": "i1"}})
    begin = (accepted, (200, operation("succeeded")), (200, instance("web", ready="waiting")))
    with stub(answers(*begin, (200, instance("web")))) as server:
        assert run(["launch", "web", "--image", "i", "--wait=ready", "--url", server.url]) == 0
    assert "zcloud ssh web" in capsys.readouterr().out
    with stub(answers(*begin, (200, instance("web", ready="failed", ready_detail="No network.")))) as server:
        assert run(["launch", "web", "--image", "i", "--wait=ready", "--url", server.url]) == 1
    assert "web is not ready: No network." in capsys.readouterr().err


def test_a_host_is_added_only_with_the_key_that_was_named(capsys: pytest.CaptureFixture[str]) -> None:
    host = {"id": "h1", "name": "b", "address": "10.0.0.2", "inventory": {"offered_fingerprint": "SHA256:right"}}
    scan = (
        (202, {"operation": operation("queued"), "resource": {"id": "h1"}}),
        (200, operation("succeeded")),
        (200, host),
    )
    enlist = ((202, {"operation": operation("queued")}), (200, operation("succeeded")))
    with stub(answers(*scan, *enlist)) as server:
        arguments = ["host", "add", "b", "10.0.0.2", "--url", server.url]
        assert run([*arguments, "--fingerprint", "SHA256:named"]) == 0
        assert json.loads(server.asked[3].body) == {"fingerprint": "SHA256:named"}
    with stub(answers(*scan)) as server:
        assert run(["host", "add", "b", "10.0.0.2", "--url", server.url]) == 4  # no terminal to ask on
    told = capsys.readouterr().err
    assert "SHA256:right" in told
    assert "zcloud host approve b" in told
    assert run(["host", "add", "b"]) == 64
    assert run(["host", "add", "b", "10.0.0.2", "--local"]) == 64


def test_tags_are_added_and_taken_away() -> None:
    def handle(asked: Asked) -> tuple[int, Any]:
        return 200, instance("web", tags=["old", "same"], revision=7)

    with stub(handle) as server:
        assert run(["instance", "tag", "--url", server.url, "--", "web", "+new", "-old"]) == 0
    assert json.loads(server.asked[1].body) == {"tags": ["new", "same"]}
    assert server.asked[1].headers["If-Match"] == '"7"'


def test_ssh_is_told_where_as_whom_and_which_key_to_expect(home: Path) -> None:
    argv = ssh_argv(instance("web"), ("uptime",), identity="/k")
    assert argv[0] == "ssh"
    assert argv[-5:] == ["-l", "debian", "--", "10.0.0.5", "uptime"]
    identity = "11111111-2222-4333-8444-555555555555"
    assert f'UserKnownHostsFile="{home}/.local/state/zcloud/known_hosts/{identity}"' in argv
    assert f"HostKeyAlias={identity}" in argv


@pytest.mark.parametrize("address", ["", "-oProxyCommand=x", "a.example", "10.0.0.5 -v"])
def test_ssh_takes_addresses_only(address: str) -> None:
    web = instance("web", address=address)
    with pytest.raises(Refusal):
        ssh_argv(web, ())
    assert ssh_argv(instance("web", address="10.0.0.9"), ())[-1] == "10.0.0.9"


def test_passwords_come_from_a_person_or_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    with stub(lambda _asked: (201, {})) as server:
        for arguments in (["login"], ["login", "--user", "a"], ["login", "--user", "a", "--password-stdin"],
                          ["login", "--password-stdin"], ["user", "add", "a"]):  # fmt: skip
            assert run([*arguments, "--url", server.url]) == 64
    assert server.asked == []


def test_signing_out_ends_the_kept_session_and_not_a_token(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setenv("ZCLOUD_TOKEN", "zct_given")
    with stub(lambda _asked: (401, {"code": "unauthenticated"})) as server:
        save_config({"url": server.url, "token": "zcs_kept", "project": "lab"})
        assert run(["logout"]) == 0
    assert sent(server) == ["Bearer zcs_kept"]
    assert json.loads((home / ".config/zcloud/cli.json").read_text()) == {"url": server.url, "project": "lab"}
