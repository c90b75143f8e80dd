"""Every route that takes JSON, with bodies that are none, of another form, or with more than it knows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.api.asks import ASKS, stock
from tests.api.conftest import Cloud

OPTIONAL = {("POST", f"/v1/instances/{{ref}}/{verb}") for verb in ("stop", "restart", "console")}
TAKES_JSON = sorted({key for key, ask in ASKS.items() if ask.json is not None} | OPTIONAL)
STRICT = [key for key in TAKES_JSON if key[1] != "/v1/login"]  # a failed login is counted
NOT_JSON = (b"{", b"nonsense", b"\xff\xfe", b"[" * 30_000, b'{"a":' * 9000, b'{"a": ' + b"9" * 5000 + b"}", b"{} {}")
OTHER_FORMS = (b"[]", b'"text"', b"7", b"true", b"[{}]")
WRONG: tuple[Any, ...] = (
    "\ud800",
    1 << 200,
    1e308,
    -1,
    True,
    None,
    [],
    {},
    ["\0"],
    {"a": {"b": "c"}},
    "x" * 60_000,
    "../../etc",
    "a\nb",
)


def bodies(valid: dict[str, Any]) -> Iterator[bytes]:
    """Give bodies of which none is valid."""
    yield from (*NOT_JSON, *OTHER_FORMS)
    for name in ("surprise", "id", "__class__", "\ud800", "ü" * 500, ""):
        yield json.dumps({**valid, name: 1}).encode("utf-8", "surrogatepass")


@pytest.mark.parametrize(("method", "path"), TAKES_JSON, ids=[" ".join(each) for each in TAKES_JSON])
def test_what_is_not_the_route_s_body_changes_nothing(cloud: Cloud, method: str, path: str) -> None:
    ask, stocked = ASKS[(method, path)], stock(cloud)
    url, before = ask.path.format(c=cloud, s=stocked, u="admin"), cloud.rows()
    for body in bodies(ask.json or {}):
        answer = cloud.call("admin", method, url, content=body, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_input"), body[:80]
        assert answer.json()["detail"]
    assert cloud.rows() == before


@pytest.mark.parametrize(("method", "path"), STRICT, ids=[" ".join(each) for each in STRICT])
def test_wrong_values_are_refused_by_the_name_of_their_field(cloud: Cloud, method: str, path: str) -> None:
    ask, stocked = ASKS[(method, path)], stock(cloud)
    url = ask.path.format(c=cloud, s=stocked, u="admin")
    for field in ask.json or {}:
        for value in WRONG:
            before = cloud.rows()
            body = json.dumps({**ask.json, field: value}).encode("utf-8", "surrogatepass")
            answer = cloud.call("admin", method, url, content=body, headers={"Content-Type": "application/json"})
            assert answer.status_code < 500, f"{field}={value!r:.60}: {answer.text}"
            if answer.status_code == 400:
                assert field in str(answer.json()["details"]), f"{field}={value!r:.60}: {answer.text}"
            if answer.status_code >= 400:
                assert cloud.rows() == before, f"{field}={value!r:.60}"
