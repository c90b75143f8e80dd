"""Every refusal is a problem of one shape, and says no more than it should."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from starlette.exceptions import HTTPException
from tests.api.conftest import Cloud

from zcloud.api.problems import STATUS, problem_response
from zcloud.domain.errors import Kind, LoginThrottled, ZcloudError, all_errors

MEMBERS = {"type", "title", "status", "code", "detail", "left", "hint", "request_id", "details"}


def test_every_kind_has_a_status() -> None:
    assert set(STATUS) == set(Kind)


@pytest.mark.parametrize("error", all_errors().values(), ids=str)
def test_every_error_becomes_a_problem(still: Cloud, monkeypatch: pytest.MonkeyPatch, error: type[ZcloudError]) -> None:
    def fail(*_: Any) -> Any:
        raise error("It happened.", left="This was left.", hint="Do that.", field="name")

    monkeypatch.setattr(type(still.parts.hosts), "all", fail)
    answer = still.get("/v1/hosts")
    told = answer.json()
    assert set(told) == MEMBERS
    assert answer.status_code == told["status"] == STATUS[error.kind]
    assert (told["code"], told["type"]) == (error.code, f"urn:zcloud:error:{error.code}")
    assert (told["detail"], told["left"], told["hint"]) == ("It happened.", "This was left.", "Do that.")
    assert told["details"] == {"field": "name"}


def test_what_nobody_expected_is_logged_and_not_told(
    still: Cloud, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any) -> Any:
        raise RuntimeError("postgresql://zcloud:hunter2@db/")

    monkeypatch.setattr(type(still.parts.hosts), "all", fail)
    with caplog.at_level(logging.ERROR):
        answer = still.get("/v1/hosts", headers={"X-Request-Id": "trace-me-12345"})
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "hunter2" not in answer.text
    assert answer.json()["request_id"] == "trace-me-12345"
    logged = [record for record in caplog.records if "trace-me-12345" in record.getMessage()]
    assert logged
    assert "hunter2" in str(logged[0].exc_info)


def test_a_failing_audit_is_an_error_of_the_server(still: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise RuntimeError("full")

    monkeypatch.setattr(type(still.parts.audit), "record", fail)
    answer = still.post("/v1/keys", {"name": "x"})
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/nothing", 404, "not_found"),
        ("GET", "/v1/instances/", 404, "not_found"),
        ("GET", "/v2/instances", 404, "not_found"),
        ("GET", "/docs", 404, "not_found"),
        ("GET", "/../../etc/passwd", 404, "not_found"),
        ("PUT", "/v1/instances", 405, "method_not_allowed"),
        ("TRACE", "/v1/me", 405, "method_not_allowed"),
        ("POST", "/v1/me", 405, "method_not_allowed"),
    ],
)
def test_paths_that_are_not_there(still: Cloud, method: str, path: str, status: int, code: str) -> None:
    answer = still.call("admin", method, path)
    assert (answer.status_code, answer.json()["code"], set(answer.json())) == (status, code, MEMBERS)
    if status == 405:
        assert answer.headers["allow"]


def test_a_throttled_login_says_when(cloud: Cloud) -> None:
    answer = problem_response(LoginThrottled("Wait.", retry_after_s=7), "r")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
    for _ in range(6):
        last = cloud.client.post("/v1/login", json={"name": "admin", "password": "wrong"})
    assert last.status_code == 429
    assert int(last.headers["retry-after"]) > 0
    right = cloud.client.post("/v1/login", json={"name": "admin", "password": "correct horse battery"})
    assert right.status_code == 429


def test_fields_are_named_and_values_are_not(still: Cloud) -> None:
    body = {"name": "canary-secret!", "password": ["canary-secret"], "extra": "canary-secret"}
    answer = still.post("/v1/users", body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_input")
    assert {each["field"] for each in answer.json()["details"]["fields"]} == {"name", "password", "extra"}
    assert "canary-secret" not in answer.text
    assert answer.json()["left"] == "Nothing was changed."


def test_answers_have_a_request_id_and_headers_that_protect(still: Cloud) -> None:
    for answer in (still.get("/v1/me"), still.get("/v1/nothing"), still.client.get("/healthz")):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-request-id"]
    assert still.get("/v1/me", headers={"X-Request-Id": "abc-12345"}).headers["x-request-id"] == "abc-12345"
    for hostile in ("short", "x" * 65, "a\x7fbcdefghi", "<script>alert(1)</script>"):
        assert still.get("/v1/me", headers={"X-Request-Id": hostile}).headers["x-request-id"] != hostile


def test_other_errors_of_the_framework_are_bad_requests() -> None:
    assert problem_response(HTTPException(400, "x"), "r").status_code == 400
