"""A restored server over the API: it looks and tells, changes nothing, and goes on when an admin says so."""

from __future__ import annotations

from typing import Any

import pytest
from tests.api.asks import ASKS, stock
from tests.api.conftest import Cloud

from zcloud.api.access import ROUTES
from zcloud.domain.reconcile import KEY, Difference, DifferenceKind, Mode, report_key
from zcloud.store import Tx

MODE = Mode("m", "2026-01-01T10:20:30.5+00:00", "2026-01-02T00:00:00+00:00", ["o1"], [5, 1_000_000_001])
FOUND = [
    Difference(DifferenceKind.ORPHAN, "domain", f"id-{number}", f"vm-{number}", "anton", "nothing", "running", "left")
    for number in range(5)
]
CHANGING = sorted(key for key in ROUTES if key[0] in ("POST", "PUT", "PATCH", "DELETE"))


@pytest.fixture
def restored(cloud: Cloud) -> Cloud:
    """Give the cloud as a restore leaves it, its host not looked at yet."""
    cloud.store.transact(lambda tx: tx.settings.put(KEY, MODE.to_json()))
    return cloud


def _look(cloud: Cloud) -> None:
    def work(tx: Tx) -> None:
        report = {"looked_at": tx.now.isoformat(), "items": [each.to_json() for each in FOUND]}
        tx.settings.put(report_key(cloud.host.id), report)

    cloud.store.transact(work)


def test_every_change_is_refused_but_those_that_let_nobody_in(cloud: Cloud) -> None:
    stocked = stock(cloud)
    cloud.store.transact(lambda tx: tx.settings.put(KEY, MODE.to_json()))
    before, allowed = cloud.rows(), set()
    for method, path in CHANGING:
        if ROUTES[method, path].always:
            allowed.add((method, path))
            continue
        answer = ASKS[method, path].send(cloud, stocked, "admin", method)
        assert (answer.status_code, answer.json()["code"]) == (409, "reconciling"), (method, path)
        assert "reconcile finish" in answer.json()["hint"]
    assert cloud.rows() == before
    assert allowed == {
        ("POST", "/v1/login"), ("POST", "/v1/logout"), ("DELETE", "/v1/sessions/{id}"), ("DELETE", "/v1/tokens/{ref}"),
        ("PATCH", "/v1/users/{ref}"), ("POST", "/v1/instances/{ref}/console"), ("POST", "/v1/reconcile/finish"),
    }  # fmt: skip


def test_what_differs_page_by_page(restored: Cloud) -> None:
    state = restored.get("/v1/reconcile").json()
    assert (state["active"], state["operations"], state["unseen_hosts"]) == (True, ["o1"], ["anton"])
    _look(restored)
    assert restored.get("/v1/reconcile").json()["differences"] == 5
    pages = [restored.get("/v1/reconcile/differences?limit=2").json()]
    while pages[-1]["next_cursor"]:
        pages.append(restored.get(f"/v1/reconcile/differences?limit=2&cursor={pages[-1]['next_cursor']}").json())
    found = [each for page in pages for each in page["items"]]
    assert [each["resource_name"] for each in found] == [each.resource_name for each in FOUND]


@pytest.mark.parametrize("query", ["cursor=x", "cursor=-1", "cursor=99999999999999", "limit=0", "limit=9999"])
def test_bad_pages_are_refused(restored: Cloud, query: str) -> None:
    assert restored.get(f"/v1/reconcile/differences?{query}").status_code == 400


def test_the_end(restored: Cloud) -> None:
    refused = restored.post("/v1/reconcile/finish", {})
    assert (refused.status_code, refused.json()["code"]) == (409, "hosts_unseen")
    bodies: list[Any] = [{"anyway": "yes"}, {"anyway": 1}, {"what": True}, []]
    for body in bodies:
        assert restored.post("/v1/reconcile/finish", body).status_code == 400
    _look(restored)
    assert restored.post("/v1/reconcile/finish", {}).json()["active"] is False
    assert restored.post("/v1/keys", ASKS["POST", "/v1/keys"].json).is_success
    assert restored.get("/v1/reconcile/differences").json()["items"] == []
    events = restored.get("/v1/events?kind=server.").json()["items"]
    assert [each["kind"] for each in events] == ["server.reconciled"]


def test_hosts_that_do_not_answer_are_compared_later(restored: Cloud) -> None:
    state = restored.post("/v1/reconcile/finish", {"anyway": True}).json()
    assert (state["active"], state["pending_hosts"]) == (False, ["anton"])


def test_a_fenced_address_is_given_out_when_the_fence_is_lifted(cloud: Cloud) -> None:
    cloud.store.transact(lambda tx: tx.ports.fence(cloud.network.id, "10.9.0.1", "", cloud.host.id))
    with cloud.store.read() as tx:
        assert "10.9.0.1" in tx.ports.taken(cloud.network.id)
    assert cloud.call("admin", "DELETE", "/v1/networks/lan/fences/10.9.0.1").status_code == 204
    again = cloud.call("admin", "DELETE", "/v1/networks/lan/fences/10.9.0.1")
    assert (again.status_code, again.json()["code"]) == (404, "not_found")
    assert cloud.call("admin", "DELETE", "/v1/networks/lan/fences/x%20y").status_code == 400
    with cloud.store.read() as tx:
        assert "10.9.0.1" not in tx.ports.taken(cloud.network.id)
