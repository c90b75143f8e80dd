"""Events and the audit log on pages: the newest first, by area, thing and person, a page at a time."""

from __future__ import annotations

import re

from tests.web.conftest import Web


def happen(web: Web, kind: str, count: int, about: str = "x") -> None:
    with web.cloud.store.write() as tx:
        for number in range(count):
            tx.events.add(kind, project_id=web.cloud.home.id, resource_kind="host", resource_id=about,
                          resource_name="berta", actor="", message=f"{kind}-{number}.", data={})  # fmt: skip


def told(page: str) -> list[str]:
    return re.findall(r">([a-z]+\.[a-z]+-\d+)\.<", page)


def older(page: str) -> str:
    found = re.search(r'rel="next" href="([^"]*)"', page)
    return found[1].replace("&amp;", "&") if found else ""


def test_events_come_the_newest_first_a_page_at_a_time(web: Web) -> None:
    happen(web, "host.lost", 60)
    first = web.get("/events?area=host").text
    assert told(first) == [f"host.lost-{number}" for number in range(59, 9, -1)]
    rest = web.get(f"/events{older(first)}").text
    assert told(rest) == [f"host.lost-{number}" for number in range(9, -1, -1)]
    assert older(rest) == ""


def test_events_are_found_by_area_and_thing(web: Web) -> None:
    happen(web, "host.lost", 1)
    happen(web, "drift.power", 1, about="y")
    assert told(web.get("/events?area=drift").text) == ["drift.power-0"]
    assert told(web.get("/events?about=x").text) == ["host.lost-0"]
    assert "No event" in web.get("/events?about=nothing").text


def test_another_project_is_told_nothing(web: Web) -> None:
    happen(web, "host.lost", 1)
    assert told(web.get("/events", user="member").text) == ["host.lost-0"]
    assert told(web.get("/events", user="stranger").text) == []


def test_the_audit_log_is_for_admins_and_has_what_was_refused(web: Web) -> None:
    web.post("/hosts/new", user="member")
    page = web.get("/audit").text
    assert "POST /hosts/new" in page
    assert "forbidden" in page
    assert "POST /hosts/new" not in web.get("/audit?who=boris").text
    for user in ("member", "operator"):
        assert web.get("/audit", user=user).status_code == 403
        assert 'href="/audit"' not in web.get("/events", user=user).text
