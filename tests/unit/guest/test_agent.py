"""The guest's agent is hostile: what it answers is bounded and cleaned, and nonsense is refused."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest

from zcloud.domain.errors import GuestRefused
from zcloud.drivers.guest.agent import (
    MAX_OUTPUT,
    Result,
    ask_command,
    ask_password,
    parse_filesystems,
    parse_handle,
    parse_pid,
    parse_piece,
    parse_result,
)


def coded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def test_what_is_asked() -> None:
    assert ask_password("root", "grün") == {"username": "root", "password": coded("grün".encode()), "crypted": False}
    asked = ask_command(["/bin/sh", "-c", "id"], "in")
    assert asked == {"path": "/bin/sh", "arg": ["-c", "id"], "capture-output": True, "input-data": coded(b"in")}
    assert "input-data" not in ask_command(["/bin/true"], "")


def test_a_command_s_end() -> None:
    assert parse_pid({"pid": 7}) == 7
    assert parse_result({"exited": False}) == Result(exited=False)
    ended = parse_result({"exited": True, "exitcode": 3, "out-data": coded(b"a"), "err-data": coded(b"b")})
    assert ended == Result(exited=True, code=3, out=b"a", err=b"b")
    killed = parse_result({"exited": True, "signal": 9, "out-data": coded(bytes(MAX_OUTPUT + 1))})
    assert (killed.signal, killed.code, len(killed.out), killed.truncated) == (9, None, MAX_OUTPUT, True)


def test_a_file_is_no_longer_than_asked_for() -> None:
    assert parse_handle(1000) == 1000
    assert parse_piece({"buf-b64": coded(b"hello")}, 3) == b"hel"
    assert parse_piece({}, 3) == b""


def test_file_systems_are_bounded_and_cleaned() -> None:
    told = [
        {"mountpoint": "/srv\x1b[2J" + "x" * 500, "type": 7, "name": "vdb", "disk": [{"serial": "s1"}, "x", {}]},
        {"mountpoint": "/", "type": "ext4", "used-bytes": True, "total-bytes": -1, "disk": "none"},
    ]
    root, srv = parse_filesystems(told)
    assert (root.mountpoint, root.kind, root.used, root.total, root.serials) == ("/", "ext4", None, None, ())
    assert srv.mountpoint.startswith("/srv?[2J")
    assert len(srv.mountpoint) <= 80
    assert (srv.kind, srv.serials) == ("", ("s1",))


@pytest.mark.parametrize(
    "nonsense", [None, 1, "x", [], {}, [1], {"pid": "7"}, {"pid": True}, {"pid": -1}, {"exited": 1}]
)
@pytest.mark.parametrize("parse", [parse_pid, parse_result])
def test_nonsense_is_refused(parse: Callable[[Any], Any], nonsense: Any) -> None:
    with pytest.raises(GuestRefused, match="no sensible answer"):
        parse(nonsense)


@pytest.mark.parametrize("nonsense", [None, {}, "x", [1], [None], [{}] * 3000])
def test_nonsense_of_file_systems_is_refused(nonsense: Any) -> None:
    with pytest.raises(GuestRefused):
        parse_filesystems(nonsense)


@pytest.mark.parametrize("nonsense", ["!", 5, ["x"], "é"])
def test_bytes_that_are_none_are_refused(nonsense: Any) -> None:
    with pytest.raises(GuestRefused):
        parse_piece({"buf-b64": nonsense}, 10)
    for handle in (True, "1", None, 1 << 70):
        with pytest.raises(GuestRefused):
            parse_handle(handle)
