"""What every page has: search, notices, a policy with a place for reports; and what another project has is nowhere."""

from __future__ import annotations

import json
import logging
import re
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from tests.web.conftest import Web

from zcloud.base.ids import new_id
from zcloud.domain.operation import Operation, OperationStatus
from zcloud.web import reports


def found(web: Web, text: str, user: str = "admin") -> str:
    """Give what the field in the head of a page shows."""
    return str(web.get("/search", user=user, params={"q": text}, headers={"HX-Request": "true"}).text)


@pytest.mark.parametrize(
    ("text", "name"),
    [("web", "web"), ("10.9.0.11", "db"), ("ANTON", "anton"), ("loc", "local"), ("debian", "debian-12"),
     ("lan", "lan"), ("defau", "default"), ("membe", "member")],
)  # fmt: skip
def test_an_admin_finds_everything(still: Web, text: str, name: str) -> None:
    assert f"<b>{name}</b>" in found(still, text)


def test_a_member_finds_what_they_may_see(still: Web) -> None:
    assert "<b>web</b>" in found(still, "web", "member")
    for text in ("anton", "local", "member", "theirs"):
        assert "Nothing fits" in found(still, text, "member"), text


def test_what_was_typed_is_text(still: Web) -> None:
    page = still.get("/search", params={"q": "<script>x"}).text
    assert "<script>x" not in page
    assert "Nothing fits" in page


def test_another_projects_instance_is_nowhere(still: Web) -> None:
    id, name = still.cloud.foreign.id, still.cloud.foreign.name
    for path in (f"/instances/{id}", f"/instances/{id}/console", f"/instances/{id}/events", f"/instances/{name}"):
        assert still.get(path, user="member").status_code == 404, path
    for path in ("/instances", f"/instances?q={name}", "/overview", "/notices", "/operations", f"/search?q={name}"):
        assert f">{name}<" not in still.get(path, user="member").text
        assert id not in still.get(path, user="member").text
    assert still.post(f"/instances/{id}/console", user="member").status_code == 404
    told = still.post("/instances/confirm", user="member", data={"id": id, "verb": "stop"}).text
    assert name not in told


def test_notices_are_ones_own_and_new_until_they_were_seen(web: Web) -> None:
    with web.cloud.store.write() as tx:
        for actor, when in (("member", tx.now), ("admin", tx.now)):
            made = tx.operations.get(web.cloud.operation.id)
            tx.operations.add(_ended(made, f"of-{actor}", actor, when))
    page = web.get("/notices", user="member")
    assert 'data-new="1"' in page.text
    assert "of-member" in page.text
    assert "of-admin" not in page.text
    seen = web.post("/notices/seen", user="member").headers["set-cookie"]
    cookie = re.findall(r"zcloud-seen=([^;]+)", seen)[0].strip('"')
    again = web.cloud.client.get(
        "/notices",
        headers={"Accept": "text/html", "Cookie": f"zcloud-session={web.cloud.tokens['member']}; zcloud-seen={cookie}"},
    )
    assert 'data-new="0"' in again.text


def _ended(made: Operation, name: str, actor: str, when: datetime) -> Operation:
    ended_at = when - timedelta(seconds=5)
    return replace(
        made, id=new_id(), resource_name=name, actor=actor, status=OperationStatus.SUCCEEDED, ended_at=ended_at
    )


REPORT = {
    "csp-report": {"effective-directive": "script-src", "blocked-uri": "https://evil.example/x\n\x1b[31m", "x": 1}
}


def test_a_refusal_of_the_policy_is_reported_and_logged(still: Web, caplog: pytest.LogCaptureFixture) -> None:
    assert "report-uri /csp-report" in still.get("/instances").headers["content-security-policy"]
    with caplog.at_level(logging.WARNING):
        assert still.cloud.client.post("/csp-report", content=json.dumps(REPORT)).status_code == 204
    assert "script-src" in caplog.text
    assert "\x1b" not in caplog.text


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"csp-report": 1}', "[" * 8000, "\xff"])
def test_what_is_no_report_is_nothing(still: Web, caplog: pytest.LogCaptureFixture, body: str) -> None:
    assert still.cloud.client.post("/csp-report", content=body.encode("latin-1")).status_code == 204
    assert "policy" not in caplog.text


def test_reports_are_bounded_in_size_and_number(still: Web) -> None:
    assert still.cloud.client.post("/csp-report", content=b"x" * 9000).status_code == 413
    budget = reports.Budget(2)
    assert [budget.spend(now) for now in (1.0, 2.0, 3.0, 61.0)] == [True, True, False, True]
