"""The list of instances as a person likes it: columns, saved filters, and how busy the rows are."""

from __future__ import annotations

import json
from datetime import timedelta
from urllib.parse import quote

import pytest
from tests.web.conftest import Web

from zcloud.domain.samples import pack
from zcloud.store import Tx
from zcloud.web.render import COOKIE
from zcloud.web.views import COLUMNS, COLUMNS_COOKIE, FILTERS_COOKIE, MAX_FILTERS


def head(text: str) -> list[str]:
    """Give which of the columns have a head, by what they are called."""
    row = text.partition("<thead")[2].partition("</thead>")[0]
    return [name for name, called in COLUMNS.items() if called in row]


def cookie(answer: object, name: str) -> str:
    value = next(each for each in answer.headers.get_list("set-cookie") if each.startswith(f"{name}="))  # type: ignore[attr-defined]
    return str(value).partition(";")[0].partition("=")[2].strip('"')


def test_the_columns_that_a_person_chose_are_shown(web: Web) -> None:
    assert "image" not in head(web.get("/instances").text)
    answer = web.post("/instances/columns", data={"column": ["image", "age", "nonsense"], "q": "web"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/instances?q=web")
    web.cloud.tokens["admin"] += f"; {COLUMNS_COOKIE}={cookie(answer, COLUMNS_COOKIE)}"
    assert head(web.get("/instances").text) == ["image", "age"]


def test_a_filter_is_saved_under_a_name_and_forgotten(web: Web) -> None:
    answer = web.post("/instances/filters", data={"name": "Blue & new", "q": "tag:blue"})
    kept = cookie(answer, FILTERS_COOKIE)
    web.cloud.tokens["admin"] += f"; {FILTERS_COOKIE}={kept}"
    text = web.get("/instances?q=tag:blue").text
    assert "Blue &amp; new" in text
    assert "Forget filter" in text
    answer = web.post("/instances/filters", data={"name": "Blue & new", "q": "tag:blue", "forget": "1"})
    assert cookie(answer, FILTERS_COOKIE) == quote("[]")


def test_only_so_many_filters_are_kept(web: Web) -> None:
    full = quote(json.dumps([[f"f{number}", "x"] for number in range(MAX_FILTERS)]))
    web.cloud.tokens["admin"] += f"; {FILTERS_COOKIE}={full}"
    assert web.post("/instances/filters", data={"name": "one more", "q": "x"}).status_code == 400
    assert web.post("/instances/filters", data={"name": "f1", "q": "other"}).status_code == 303


@pytest.mark.parametrize("kept", ["%5B", "%7B%7D", "%5B1%5D", "%5B%5B%22a%22%5D%5D", "null"])
def test_a_cookie_that_is_no_list_is_none(still: Web, kept: str) -> None:
    headers = {"Cookie": f"{COOKIE}={still.cloud.tokens['admin']}; {FILTERS_COOKIE}={kept}", "Accept": "text/html"}
    assert still.cloud.client.get("/instances", headers=headers).status_code == 200


def test_the_load_of_rows_is_that_of_what_one_may_see(web: Web) -> None:
    cloud = web.cloud
    ids = [cloud.running.id, cloud.foreign.id, "nope"]

    def work(tx: Tx) -> None:
        for tick in range(4):
            rows = [
                {"id": id, "vcpus": 1, "cpu_ns": int(tick * 15e9), "memory_kib": 4096, "rss_kib": 1024, "disks": {},
                 "nics": {}} for id in ids[:2]
            ]  # fmt: skip
            tx.samples.add(cloud.host.id, tx.now - timedelta(seconds=30 * (3 - tick)), pack(rows))

    cloud.store.transact(work)
    asked = "&".join(f"id={id}" for id in ids)
    told = web.get(f"/instances/loads?{asked}", user="member").json()
    assert told == {cloud.running.id: {"cpu": [50, 50, 50], "used": [25, 25, 25]}}
    assert len(web.get(f"/instances/loads?{asked}").json()) == 2
