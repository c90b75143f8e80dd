"""What every request goes through: limits of its body, request ids, problems, revisions, the audit log."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.api.asks import ASKS, INSTANCE, stock
from tests.api.conftest import MAX_BODY, MAX_PIECE, Cloud

from zcloud.api.access import ROUTES, Scope
from zcloud.services.signin import Origin

MEMBERS = {"type", "title", "status", "code", "detail", "left", "hint", "request_id", "details"}
KEYED = {"Idempotency-Key": "launch-1"}
CHANGING = sorted(key for key, ask in ASKS.items() if key[0] != "GET" and ROUTES[key].scope is not Scope.PUBLIC)


def code_of(answer: Any) -> tuple[int, str]:
    """Give what a refusal is told apart by."""
    return answer.status_code, answer.json()["code"]


# -- Idempotency-Key ---------------------------------------------------------------------------


def test_a_request_that_is_being_answered_is_not_done_twice(cloud: Cloud) -> None:
    body, path = b'{"name": "fresh"}', "/v1/projects"
    headers = {**KEYED, "Content-Type": "application/json"}
    actor = cloud.parts.signin.authenticate(cloud.tokens["admin"], Origin(""))
    assert cloud.parts.idempotency.begin(actor, "launch-1", ("POST", path, ""), body) is None
    before = cloud.rows()
    assert code_of(cloud.call("admin", "POST", path, content=body, headers=headers)) == (409, "idempotency_in_flight")
    assert cloud.rows() == before
    cloud.parts.idempotency.abandon(actor, "launch-1")
    assert cloud.call("admin", "POST", path, content=body, headers=headers).status_code == 201


# -- If-Match ----------------------------------------------------------------------------------

REMOVED = [
    ("DELETE", "/v1/instances/{c.instance.id}"), ("POST", "/v1/instances/{c.instance.id}/start"),
    ("POST", "/v1/instances/{c.running.id}/stop"), ("POST", "/v1/instances/{c.running.id}/restart"),
    ("DELETE", "/v1/volumes/{c.volume.id}"), ("DELETE", "/v1/images/mine?project=default"),
    ("DELETE", "/v1/hosts/berta"), ("DELETE", "/v1/pools/idle"), ("DELETE", "/v1/networks/quiet"),
    ("DELETE", "/v1/projects/empty"), ("DELETE", "/v1/users/leaver"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), REMOVED)
def test_nothing_is_done_to_what_was_changed_meanwhile(cloud: Cloud, method: str, path: str) -> None:
    stock(cloud)
    named = path.format(c=cloud)
    noun = named.partition("?")[0].removesuffix("/start").removesuffix("/stop").removesuffix("/restart")
    seen = cloud.get(noun).headers["etag"]
    before = cloud.rows()
    assert code_of(cloud.call("admin", method, named, headers={"If-Match": '"77"'})) == (412, "revision_mismatch")
    assert cloud.rows() == before
    assert cloud.call("admin", method, named, headers={"If-Match": seen}).status_code in (202, 204)


# -- request ids and problems ------------------------------------------------------------------


def test_a_request_id_is_taken_over(cloud: Cloud) -> None:
    began = cloud.post("/v1/instances", INSTANCE, headers={"X-Request-Id": "mine-0001"})
    assert began.headers["x-request-id"] == "mine-0001"
    assert began.json()["operation"]["request_id"] == "mine-0001"
    entry = cloud.get("/v1/audit").json()["items"][0]
    assert (entry["request_id"], entry["action"]) == ("mine-0001", "POST /v1/instances")


@pytest.mark.parametrize("given", ["short", "x" * 65, "with space", "<script>alert(1)", "a;b=cdefgh", "é".encode() * 8])
@pytest.mark.parametrize("path", ["/healthz", "/v1/me", "/nosuch"])
def test_a_request_id_that_is_none_is_replaced(cloud: Cloud, path: str, given: str | bytes) -> None:
    answer = cloud.client.get(path, headers={"X-Request-Id": given})
    told = answer.headers["x-request-id"]
    assert told.encode() != (given.encode() if isinstance(given, str) else given)
    assert len(told) == 32 or len(told) == 36
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"


def problems(cloud: Cloud) -> Iterator[tuple[Any, int, str]]:
    """Give a refusal of each kind that a request can meet, with the status and code it must have."""
    yield cloud.post("/v1/projects", {}), 400, "invalid_input"
    yield cloud.client.get("/v1/me"), 401, "unauthenticated"
    yield cloud.post("/v1/login", {"name": "member", "password": "wrong"}), 401, "login_failed"
    yield cloud.get("/v1/users", "viewer"), 403, "forbidden"
    yield cloud.get("/v1/instances/nosuch"), 404, "not_found"
    yield cloud.get("/v2/instances"), 404, "not_found"
    yield cloud.call("admin", "DELETE", "/v1/me"), 405, "method_not_allowed"
    yield cloud.post("/v1/projects", {"name": "default"}), 409, "already_exists"
    yield cloud.post("/v1/instances/db/start"), 409, "wrong_state"
    yield cloud.call("admin", "DELETE", "/v1/images/debian-12"), 409, "in_use"
    yield cloud.post("/v1/instances", {**INSTANCE, "memory_mib": 1 << 20}), 409, "no_room"
    yield cloud.call("admin", "DELETE", "/v1/users/admin", headers={"If-Match": '"9"'}), 412, "revision_mismatch"
    yield cloud.post("/v1/projects", {"name": "x" * MAX_BODY}), 413, "payload_too_large"
    cloud.post("/v1/projects", {"name": "one"}, headers=KEYED)
    yield cloud.post("/v1/projects", {"name": "two"}, headers=KEYED), 422, "idempotency_mismatch"


def test_every_refusal_is_a_problem(cloud: Cloud) -> None:
    for answer, status, code in problems(cloud):
        told = answer.json()
        assert (answer.status_code, told["status"], told["code"]) == (status, status, code)
        assert answer.headers["content-type"] == "application/problem+json"
        assert told.keys() == MEMBERS
        assert told["type"] == f"urn:zcloud:error:{code}"
        assert told["request_id"] == answer.headers["x-request-id"]
        assert told["title"]
        assert told["detail"]
        assert ("www-authenticate" in answer.headers) == (status == 401)
        assert ("allow" in answer.headers) == (status == 405)


# -- bodies ------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT"])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_is_read_up_to_its_limit(cloud: Cloud, method: str, chunked: bool) -> None:
    path = {"POST": "/v1/projects", "PATCH": "/v1/projects/default"}.get(method, "/v1/projects/default/members/nobody")
    before, body = cloud.rows(), b'{"name": "' + b"x" * MAX_BODY + b'"}'
    content = iter([body[:100], body[100:]]) if chunked else body
    refused = cloud.call("admin", method, path, content=content)
    assert code_of(refused) == (413, "payload_too_large")
    assert cloud.rows() == before


def test_an_upload_is_read_up_to_its_limit(cloud: Cloud) -> None:
    waiting = stock(cloud).waiting.id
    path = f"/v1/images/{waiting}/upload?offset=0"
    before, body = cloud.rows(), bytes(MAX_PIECE) + b"x"
    for content in (body, iter([body[:-1], body[-1:]])):
        assert code_of(cloud.call("member", "PUT", path, content=content)) == (413, "payload_too_large")
    assert (cloud.rows(), list(cloud.upload_dir.glob(f"{waiting}*"))) == (before, [])


# -- the audit log -----------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "path"), CHANGING, ids=[" ".join(each) for each in CHANGING])
def test_what_changes_is_written_down_done_or_refused(cloud: Cloud, method: str, path: str) -> None:
    ask, stocked = ASKS[(method, path)], stock(cloud)
    for user in ("nobody", "admin"):
        answer = ask.send(cloud, stocked, user, method)
        with cloud.store.read() as tx:
            entry = tx.audit.before(None, limit=1, actor=None)[0]
        outcome = "ok" if answer.status_code < 400 else answer.json()["code"]
        if outcome == "ok" and ROUTES[(method, path)].part:
            assert entry.outcome != "ok"  # that of the first user: what the parts make is written down once
            continue
        assert (entry.actor, entry.action, entry.outcome) == (user, f"{method} {path}", outcome)
        assert entry.request_id == answer.headers["x-request-id"]
        assert entry.resource.startswith("/v1/")


def test_looking_is_not_written_down(cloud: Cloud) -> None:
    for path in ("/v1/instances", "/v1/instances/web", "/v1/events"):
        cloud.get(path)
    assert cloud.get("/v1/audit").json()["items"] == []
