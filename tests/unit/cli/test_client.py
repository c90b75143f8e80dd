"""The client: what is repeated and what is not, waiting, events, and where secrets may go."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.cli.stub import Asked, operation, stub

from zcloud.client import ApiError, Client, StreamEvent, check_url, parse_events, route
from zcloud.client.uploads import send_file


def test_reads_and_keyed_posts_are_repeated_when_the_connection_is_lost() -> None:
    count = itertools.count()

    def handle(_asked: Asked) -> tuple[int, object] | None:
        return None if next(count) % 2 == 0 else (200, {"ok": True})

    with stub(handle) as server, Client(server.url) as client:
        assert client.get("/v1/me") == {"ok": True}
        assert client.post("/v1/things", {"a": 1}) == {"ok": True}
    keys = [each.headers.get("Idempotency-Key") for each in server.asked]
    assert [each.method for each in server.asked] == ["GET", "GET", "POST", "POST"]
    assert keys[2]
    assert keys[2] == keys[3]


def test_other_changes_are_not_repeated() -> None:
    with stub(lambda _asked: None) as server, Client(server.url) as client:
        changes: list[Callable[[], Any]] = [
            lambda: client.delete("/v1/x"),
            lambda: client.patch("/v1/x", {}),
            lambda: client.put("/v1/x", 1),
        ]
        for change in changes:
            with pytest.raises(ApiError) as caught:
                change()
            assert caught.value.code == "server_unreachable"
    assert [each.method for each in server.asked] == ["DELETE", "PATCH", "PUT"]


def test_our_own_first_try_is_waited_for() -> None:
    answers: Iterator[tuple[int, Any] | None] = iter(
        [None, (409, {"code": "idempotency_in_flight"}), (202, {"operation": {}})]
    )
    with stub(lambda _asked: next(answers)) as server, Client(server.url) as client:
        assert client.post("/v1/instances", {}) == {"operation": {}}


def test_another_conflict_is_told_at_once() -> None:
    with (
        stub(lambda _asked: (409, {"code": "busy", "detail": "Busy.", "hint": "Wait."})) as server,
        Client(server.url) as client,
    ):
        with pytest.raises(ApiError) as caught:
            client.post("/v1/instances", {})
        assert (caught.value.status, caught.value.code, str(caught.value)) == (409, "busy", "Busy.")
        assert caught.value["hint"] == "Wait."
    assert len(server.asked) == 1


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b"\xff"])
def test_an_answer_that_is_no_problem_document_is_an_error_all_the_same(body: bytes) -> None:
    with stub(lambda _asked: (502, body)) as server, Client(server.url) as client, pytest.raises(ApiError) as caught:
        client.get("/v1/me")
    assert (caught.value.status, caught.value.code) == (502, "http_502")


def test_a_server_that_is_not_there_is_told_quickly() -> None:
    with stub(lambda _asked: (200, {})) as server:
        url = server.url
    with pytest.raises(ApiError) as caught:
        Client(url).get("/v1/me")
    assert caught.value.code == "server_unreachable"
    assert "zcloud serve" in caught.value["hint"]


@pytest.mark.parametrize("url", ["https://a.example:8443", "http://localhost:1", "http://127.9.9.9", "http://[::1]:80"])
def test_secrets_may_go_by_tls_or_stay_on_this_machine(url: str) -> None:
    check_url(url)


@pytest.mark.parametrize(
    "url",
    ["http://10.0.0.1", "http://127.evil.example", "http://127.0.0.1.evil.example", "ftp://localhost", "", "https://"],
)
def test_secrets_go_nowhere_else(url: str) -> None:
    with pytest.raises(ApiError):
        Client(url, "zcs_secret")


def test_pages_are_read_to_the_end() -> None:
    def handle(asked: Asked) -> tuple[int, object]:
        if "cursor=n2" in asked.target:
            return 200, {"items": [{"n": 3}], "next_cursor": None}
        return 200, {"items": [{"n": 1}, {"n": 2}], "next_cursor": "n2"}

    with stub(handle) as server, Client(server.url) as client:
        found = list(client.pages("/v1/x", tag=["a", "b c"], project=""))
    assert [each["n"] for each in found] == [1, 2, 3]
    assert server.asked[0].target == "/v1/x?limit=1000&tag=a&tag=b+c"


def test_waiting_tells_every_change_and_ends_with_the_operation() -> None:
    answers = iter([operation("queued"), operation("running"), operation("failed")])
    seen: list[str] = []
    with stub(lambda _asked: (200, next(answers))) as server, Client(server.url) as client:
        ended = client.wait("op1", lambda each: seen.append(each["status"]), step_s=7)
    assert (seen, ended["status"]) == (["queued", "running", "failed"], "failed")
    assert server.asked[0].target == "/v1/operations/op1?wait=7"


def test_events_go_on_where_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zcloud.client.http._EVENT_PAUSE_S", 0.0)
    parts = iter([b'id: 7\ndata: {"a": 1}\n\n', b"id: 8\ndata: x\n\nid: 9\nda"])
    with stub(lambda _asked: (200, next(parts))) as server, Client(server.url, "t") as client:
        stream = client.follow("6")
        assert [next(stream), next(stream)] == [StreamEvent("7", "message", {"a": 1}), StreamEvent("8", "message", "x")]
        stream.close()
    assert [each.headers["Last-Event-ID"] for each in server.asked] == ["6", "7"]


def test_event_streams_are_read_as_the_standard_says() -> None:
    lines = (
        b"retry: 2000\n\n: still here\n\nevent: k\ndata: a\ndata:b\nid: 1\n\ndata: c\n\nid: 5\n\ndata: lost".splitlines(
            True
        )
    )
    assert list(parse_events(lines)) == [StreamEvent("1", "k", "a\nb"), StreamEvent("1", "message", "c")]


def test_a_file_is_sent_in_pieces_from_where_it_is(tmp_path: Path) -> None:
    data = os.urandom((2 << 20) + 17)
    disk = tmp_path / "disk"
    disk.write_bytes(data)
    told: list[int] = []

    def answer(asked: Asked) -> tuple[int, Any]:
        if asked.method == "GET":
            return 200, {"offset": 100, "piece_max": 1 << 20}
        return (202, {"operation": {}}) if asked.method == "POST" else (200, {})

    with stub(answer) as server, Client(server.url) as client, disk.open("rb") as file:
        assert send_file(client, "i", file, told.append) == {"operation": {}}
    pieces = [each for each in server.asked if each.method == "PUT"]
    assert b"".join(each.body for each in pieces) == data[100:]
    assert [each.target for each in pieces] == [f"/v1/images/i/upload?offset={100 + (n << 20)}" for n in range(2)]
    assert json.loads(server.asked[-1].body) == {"sha256": hashlib.sha256(data).hexdigest()}
    assert told[-1] == len(data)


def test_names_cannot_lead_to_another_path() -> None:
    assert route("instances", "../users/a?b#c", "start") == "/v1/instances/..%2Fusers%2Fa%3Fb%23c/start"
