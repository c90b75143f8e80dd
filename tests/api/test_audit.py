"""The audit log: every changing request of somebody known, done or refused."""

from __future__ import annotations

from tests.api.asks import INSTANCE
from tests.api.conftest import PASSWORD, Cloud


def entries(cloud: Cloud) -> list[tuple[str, str, str]]:
    """Give actor, action and outcome of each entry, oldest first."""
    found = cloud.get("/v1/audit?limit=1000").json()["items"]
    return [(each["actor"], each["action"], each["outcome"]) for each in reversed(found)]


def test_changes_and_refusals_are_written_down(cloud: Cloud) -> None:
    made = cloud.post("/v1/instances", INSTANCE, headers={"X-Request-Id": "request-0001"})
    cloud.post("/v1/instances", INSTANCE, "viewer")
    cloud.post("/v1/instances", {"name": "!"}, "member")
    cloud.call("member", "DELETE", f"/v1/instances/{cloud.foreign.id}")
    cloud.get("/v1/instances", "viewer")
    assert entries(cloud) == [
        ("admin", "POST /v1/instances", "ok"),
        ("viewer", "POST /v1/instances", "forbidden"),
        ("member", "POST /v1/instances", "invalid_input"),
        ("member", "DELETE /v1/instances/{ref}", "not_found"),
    ]
    first = cloud.get("/v1/audit?limit=1000").json()["items"][-1]
    assert (first["request_id"], first["address"]) == ("request-0001", "testclient")
    assert first["resource"] == made.json()["resource"]["url"]
    assert cloud.get("/v1/audit").json()["items"][0]["resource"] == f"/v1/instances/{cloud.foreign.id}"


def test_a_replay_is_written_down_as_one(cloud: Cloud) -> None:
    for _ in range(2):
        cloud.post("/v1/instances/web/start", headers={"Idempotency-Key": "k"})
    assert [outcome for _, _, outcome in entries(cloud)] == ["ok", "replayed"]


def test_logins_are_written_down(cloud: Cloud) -> None:
    for password in (PASSWORD, "wrong"):
        cloud.client.post("/v1/login", json={"name": "viewer", "password": password})
    assert entries(cloud) == [("viewer", "login", "ok"), ("viewer", "login", "login_failed")]


def test_strangers_do_not_fill_the_log(cloud: Cloud) -> None:
    for _ in range(3):
        assert cloud.client.post("/v1/instances", json=INSTANCE).status_code == 401
    assert entries(cloud) == []


def test_the_log_is_read_in_parts_and_by_actor(cloud: Cloud) -> None:
    for user in ("admin", "member", "viewer") * 3:
        cloud.post("/v1/keys", {}, user)
    seen, query = list[int](), "limit=4"
    while query:
        part = cloud.get(f"/v1/audit?{query}").json()
        seen += [each["seq"] for each in part["items"]]
        query = f"limit=4&cursor={part['next_cursor']}" if part["next_cursor"] else ""
    assert seen == sorted(seen, reverse=True)
    assert len(seen) == 9
    mine = cloud.get("/v1/audit?actor=member").json()["items"]
    assert {each["actor"] for each in mine} == {"member"}
