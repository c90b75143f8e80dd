"""Schedules of snapshots on pages: added, changed and deleted as by the API, and shown where they apply."""

from __future__ import annotations

from tests.web.conftest import Web

from zcloud.domain.schedule import SnapshotSchedule

NIGHTLY = {"name": "nightly", "of": "tag", "tag": "blue", "instance": "left over", "project": "default",
           "rhythm": "daily", "at": "03:00", "every_h": "6", "keep": "5"}  # fmt: skip


def schedules(web: Web) -> list[SnapshotSchedule]:
    with web.cloud.store.read() as tx:
        return tx.schedules.all()


def test_a_schedule_is_added_changed_shown_and_deleted(web: Web) -> None:
    assert "No schedule yet" in web.get("/schedules").text
    assert web.post("/schedules/new", user="member", data=NIGHTLY).headers["location"] == "/schedules"
    made = schedules(web)[0]
    assert (made.tag, made.instance_id, made.at, made.every_h, made.keep) == ("blue", None, "03:00", 0, 5)
    assert "daily at 03:00 UTC" in web.get("/schedules", user="viewer").text
    assert "nightly" not in web.get("/schedules", user="stranger").text

    page = web.get(f"/schedules/{made.id}").text
    assert 'value="daily" checked' in page
    assert web.post(f"/schedules/{made.id}", data={"rhythm": "hours", "every_h": "4", "keep": "2"}).status_code == 303
    assert [(each.at, each.every_h, each.keep) for each in schedules(web)] == [("", 4, 2)]

    assert web.post(f"/schedules/{made.id}/delete", user="viewer").status_code == 403
    assert web.post(f"/schedules/{made.id}/delete", user="stranger").status_code == 404
    assert web.post(f"/schedules/{made.id}/delete").status_code == 303
    assert schedules(web) == []


def test_an_instance_shows_the_schedules_that_apply_to_it(web: Web) -> None:
    web.post("/schedules/new", data=NIGHTLY)
    web.post("/schedules/new", data={**NIGHTLY, "name": "often", "of": "instance", "instance": "db", "tag": "blue"})
    blue, other = (web.get(f"/instances/{name}/snapshots").text for name in ("web", "db"))
    assert ("<b>nightly</b>" in blue, "<b>often</b>" in blue) == (True, False)
    assert ("<b>nightly</b>" in other, "<b>often</b>" in other) == (False, True)
    assert "because of the tag blue" in blue
    assert 'value="db"' in web.get("/schedules/new?instance=db&project=default").text


def test_a_refused_schedule_comes_back_as_it_was_filled_in(web: Web) -> None:
    refused = web.post("/schedules/new", data={**NIGHTLY, "keep": "99"})
    assert (refused.status_code, 'value="99"' in refused.text) == (400, True)
    assert schedules(web) == []
    web.post("/schedules/new", data=NIGHTLY)
    wrong = web.post(f"/schedules/{schedules(web)[0].id}", data={"rhythm": "daily", "at": "noon", "keep": "5"})
    assert (wrong.status_code, 'value="noon"' in wrong.text) == (400, True)
    assert web.get("/schedules/nope").status_code == 404
