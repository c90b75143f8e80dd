"""Requests that come twice, and changes that cross: Idempotency-Key and If-Match."""

from __future__ import annotations

from typing import Any

import pytest
from tests.api.asks import INSTANCE
from tests.api.conftest import Cloud
from tests.threads import in_threads

from zcloud.domain.errors import StorageFailed

KEY = {"Idempotency-Key": "the-same-one"}


def test_the_same_key_gives_the_same_answer_and_one_instance(cloud: Cloud) -> None:
    first = cloud.post("/v1/instances", INSTANCE, headers=KEY)
    rows = cloud.rows()
    again = cloud.post("/v1/instances", INSTANCE, headers=KEY)
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.content == first.content
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["content-type"] == "application/json"
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert cloud.rows() == rows


def test_a_refusal_is_given_again_too(cloud: Cloud) -> None:
    first = cloud.post("/v1/instances/web/stop", headers=KEY)
    again = cloud.post("/v1/instances/web/stop", headers=KEY)
    assert (first.json()["code"], first.status_code) == ("wrong_state", 409)
    assert again.content == first.content
    assert again.status_code == 409


@pytest.mark.parametrize(
    ("path", "body"),
    [("/v1/instances", {**INSTANCE, "name": "other"}), ("/v1/instances?dry_run=true", INSTANCE), ("/v1/flavors", {})],
)
def test_another_request_with_the_key_is_refused(cloud: Cloud, path: str, body: Any) -> None:
    cloud.post("/v1/instances", INSTANCE, headers=KEY)
    rows = cloud.rows()
    other = cloud.post(path, body, headers=KEY)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")
    assert cloud.rows() == rows


def test_keys_belong_to_their_user(cloud: Cloud) -> None:
    assert cloud.post("/v1/instances", INSTANCE, headers=KEY).status_code == 202
    other = cloud.post("/v1/instances", {**INSTANCE, "name": "mine"}, "member", headers=KEY)
    assert other.status_code == 202
    assert "idempotency-replayed" not in other.headers


@pytest.mark.parametrize("key", ["", "a b", "x" * 129, "\x7f", "tab\tbed"])
def test_unusable_keys_are_refused(cloud: Cloud, key: str) -> None:
    rows = cloud.rows()
    answer = cloud.post("/v1/instances", INSTANCE, headers={"Idempotency-Key": key})
    assert (answer.status_code, answer.json()["details"]["field"]) == (400, "Idempotency-Key")
    assert cloud.rows() == rows


def test_of_many_at_once_one_is_done(cloud: Cloud) -> None:
    answers = in_threads([lambda: cloud.post("/v1/instances", INSTANCE, headers=KEY) for _ in range(8)])
    codes = {answer.status_code for answer in answers}
    assert 202 in codes
    assert codes <= {202, 409}
    assert {each.json()["code"] for each in answers if each.status_code == 409} <= {"idempotency_in_flight"}
    assert len(cloud.get("/v1/instances?search=new").json()["items"]) == 1


def test_after_a_servers_error_the_key_is_free(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise StorageFailed("The disk is away.")

    with monkeypatch.context() as patch:
        patch.setattr(type(cloud.parts.launch), "launch", fail)
        assert cloud.post("/v1/instances", INSTANCE, headers=KEY).status_code == 503
    assert cloud.post("/v1/instances", INSTANCE, headers=KEY).status_code == 202


def test_an_answer_with_a_secret_is_not_kept(cloud: Cloud) -> None:
    for path, body in (("/v1/tokens", {"name": "ci"}), ("/v1/instances/db/console", {})):
        headers = {"Idempotency-Key": path}
        first = cloud.post(path, body, headers=headers)
        assert first.status_code == 201
        rows = cloud.rows()
        again = cloud.post(path, body, headers=headers)
        assert (again.status_code, again.json()["code"]) == (409, "already_exists")
        assert cloud.rows() == rows


SINGLE = {
    "/v1/instances/web": {"protected": True},
    "/v1/hosts/anton": {"cpu_ratio": 2.0},
    "/v1/pools/local": {"overcommit": 2.0},
    "/v1/networks/lan": {"search": "lan.test"},
    "/v1/projects/other": {"description": "theirs"},
    "/v1/users/viewer": {"role": "viewer"},
}


@pytest.mark.parametrize("path", SINGLE)
def test_a_change_needs_the_revision_that_was_read(cloud: Cloud, path: str) -> None:
    etag = cloud.get(path).headers["etag"]
    assert etag == '"1"'
    changed = cloud.call("admin", "PATCH", path, json=SINGLE[path], headers={"If-Match": etag})
    assert (changed.status_code, changed.headers["etag"]) == (200, '"2"')
    for stale in (etag, '"99"', "2", 'W/"2"', '"x"', '"1", "2"'):
        before = cloud.get(path).content
        for method in ("PATCH", "DELETE"):
            body = SINGLE[path] if method == "PATCH" else None
            late = cloud.call("admin", method, path, json=body, headers={"If-Match": stale})
            assert (late.status_code, late.json()["code"]) == (412, "revision_mismatch"), (method, stale)
        assert cloud.get(path).content == before
    assert cloud.call("admin", "PATCH", path, json=SINGLE[path], headers={"If-Match": "*"}).status_code == 200


@pytest.mark.parametrize(("name", "verb"), [("web", "start"), ("db", "stop"), ("db", "restart")])
def test_power_heeds_the_revision(cloud: Cloud, name: str, verb: str) -> None:
    rows = cloud.rows()
    path = f"/v1/instances/{name}/{verb}"
    assert cloud.post(path, headers={"If-Match": '"7"'}).status_code == 412
    assert cloud.rows() == rows
    assert cloud.post(path, headers={"If-Match": '"1"'}).status_code == 202
