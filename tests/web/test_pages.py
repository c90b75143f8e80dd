"""Every page is there for those whom the API's access table lets, and is whole, safe HTML."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from starlette.routing import Route
from tests.web.conftest import Web

from zcloud.domain.instance import InstanceStatus
from zcloud.web import assets
from zcloud.web.app import PAGES
from zcloud.web.instances import parse_filter, round_up
from zcloud.web.words import GLYPHS, NAVIGATION

LISTS = [entry.path for entry in NAVIGATION]
TEMPLATES = Path(assets.__file__).with_name("templates")
UNSTYLED = {"pf-v6-c-table__td", "pf-v6-c-tabs__item-text"}  # only variants that we leave out have rules for them
CLASS = re.compile(r"pf-v6-[a-z0-9_-]*[a-z0-9]")


def paths(web: Web) -> list[str]:
    id, operation = web.cloud.instance.id, web.cloud.operation.id
    return [
        *LISTS,
        *(f"/instances/{id}{more}" for more in ("", "/change", "/console", "/events", "/move", "/snapshots", "/xml")),
        f"/operations/{operation}",
        "/launch",
        "/media/new",
        "/schedules/new",
        f"/projects/{web.cloud.home.id}",
        "/projects/new",
        "/search?q=web",
        "/users/member",
        "/users/new",
        f"/volumes/{web.cloud.volume.id}/move",
        f"/hosts/{web.cloud.host.id}/disks",
        f"/hosts/{web.cloud.host.id}/disks/vdb?mount=/srv/fast",
        *infrastructure(web),
    ]


def infrastructure(web: Web) -> list[str]:
    cloud = web.cloud
    things = {
        "hosts": cloud.host.id,
        "images": cloud.image.id,
        "networks": cloud.network.id,
        "pools": cloud.pool.id,
        "volumes": cloud.volume.id,
    }
    return [path for name, id in things.items() for path in (f"/{name}/new", f"/{name}/{id}")]


def test_every_page_is_shown_to_an_admin(still: Web) -> None:
    for path in paths(still):
        answer = still.get(path)
        assert answer.status_code == 200, f"{path}: {answer.text}"
        assert answer.text.rstrip().endswith("</html>")


def test_a_page_has_nothing_that_its_policy_refuses(still: Web) -> None:
    for path in [*paths(still), "/signin", "/instances/nope"]:
        answer = still.get(path)
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert not re.search(r'\s(style|on[a-z]+)="|<style|<script(?![^>]*\ssrc=)', answer.text), path
        assert not re.findall(r'(?:src|href)="(?:https?:)?//', answer.text), path


def test_nobody_is_asked_to_sign_in_and_sent_back(still: Web) -> None:
    answer = still.get("/instances?q=web", user="")
    assert (answer.status_code, answer.headers["location"]) == (303, "/signin?next=%2Finstances%3Fq%3Dweb")


def test_what_another_project_has_is_not_there(still: Web) -> None:
    foreign = still.cloud.foreign
    assert still.get(f"/instances/{foreign.id}", user="member").status_code == 404
    assert foreign.name not in still.get("/instances", user="member").text
    assert foreign.name in still.get("/instances", user="stranger").text


def test_who_may_not_look_at_hosts_neither_sees_nor_reaches_them(still: Web) -> None:
    answer = still.get("/hosts", user="member")
    assert answer.status_code == 403
    assert "forbidden" in answer.text
    assert 'href="/hosts"' not in answer.text


def test_the_list_filters_and_says_when_nothing_fits(still: Web) -> None:
    found = still.get("/instances?q=tag:blue").text
    assert ">web</a>" in found
    assert ">db</a>" not in found
    assert "Nothing fits the filter" in still.get("/instances?q=nothing-like-this").text
    assert still.get("/instances?q=state:odd").status_code == 400


def test_what_people_wrote_is_text(still: Web) -> None:
    answer = still.get('/instances?q="><script>alert(1)</script>')
    assert "<script>alert" not in answer.text
    assert "&lt;script&gt;" in answer.text


def test_a_filter_is_read() -> None:
    query = parse_filter("web tag:blue tag:new host:anton state:running a:b")
    assert (query.search, query.tags, query.host) == ("web a:b", ("blue", "new"), "anton")
    assert query.status == (InstanceStatus.RUNNING,)


@pytest.mark.parametrize(("value", "top"), [(0, 1), (1, 1), (1.2, 2), (3, 5), (7, 10), (120, 200)])
def test_an_axis_ends_at_a_round_number(value: float, top: float) -> None:
    assert round_up(value) == top


def test_every_state_of_an_instance_has_a_mark() -> None:
    assert {each.value for each in InstanceStatus} <= GLYPHS.keys()


def test_a_file_is_kept_for_ever_under_its_digest(still: Web) -> None:
    answer = still.get(assets.address("zcloud.css"))
    assert answer.status_code == 200
    assert "immutable" in answer.headers["cache-control"]
    assert still.get("/static/0/../render.py").status_code == 404


def test_every_class_of_patternfly_that_a_template_names_is_in_its_sheet() -> None:
    """After a class is used for the first time, scripts/assets has to be run."""
    sheet = (Path(assets.__file__).with_name("static") / "vendor" / "patternfly.css").read_text()
    there = set(CLASS.findall(sheet))
    for template in TEMPLATES.glob("*.html"):
        named = set(CLASS.findall(template.read_text()))
        assert named - there - UNSTYLED == set(), f"{template.name}: run scripts/assets"


def test_every_class_of_our_sheet_is_used() -> None:
    sheet = assets.files()["zcloud.css"].body.decode()
    files = [*TEMPLATES.glob("*.html"), *TEMPLATES.parent.glob("static/*.js"), *TEMPLATES.parent.glob("*.py")]
    used = {name for file in files for name in re.findall(r"zc-[a-z0-9-]+", file.read_text())}
    used |= {f"zc-{each.tone}" for each in GLYPHS.values()}
    begun = tuple(name for name in used if name.endswith("-"))  # the rest is a value
    there = set(re.findall(r"\.(zc-[a-z0-9-]+)", sheet))
    assert sorted(name for name in there - used if not name.startswith(begun)) == [], "take it out of static/styles"


def test_every_sheet_is_sent() -> None:
    sent = assets.files()["zcloud.css"].body
    sheets = list((Path(assets.__file__).with_name("static") / "styles").glob("*.css"))
    assert sheets
    assert [sheet.name for sheet in sheets if sheet.read_bytes() not in sent] == [], "name it in assets.py"


def test_a_selector_has_one_place_in_our_sheet() -> None:
    """Outside media queries, where a rule begins at the line's begin; rules of one selector are one rule."""
    rules = re.findall(r"^([^\s@][^{}@;]*?)\s*\{", assets.files()["zcloud.css"].body.decode(), re.MULTILINE)
    assert rules
    assert sorted({rule for rule in rules if rules.count(rule) > 1}) == []


def test_every_symbol_that_is_drawn_is_there() -> None:
    icons = (Path(assets.__file__).with_name("static") / "vendor" / "icons.svg").read_text()
    drawn = {each.icon for each in NAVIGATION} | {f"s-{each.shape}" for each in GLYPHS.values()}
    for template in TEMPLATES.glob("*.html"):
        drawn |= set(re.findall(r"icon\('([a-z0-9-]+)'", template.read_text()))
    assert [name for name in sorted(drawn) if f'id="{name}"' not in icons] == []


def test_each_path_is_served_once() -> None:
    served = [(route.path, *sorted(route.methods or ())) for route in PAGES if isinstance(route, Route)]
    assert len(served) == len(set(served))


def test_an_instance_without_ports_is_listed_with_the_address_that_its_guest_has(web: Web) -> None:
    seen = [{"mac": "52:54:00:00:00:01", "address": "10.9.0.77", "sources": {}}]
    with web.cloud.store.write() as tx:
        for port in tx.ports.of_instance(web.cloud.instance.id):
            tx.ports.delete(port.id)
        tx.instances.update(web.cloud.instance.id, observed={"addresses": seen})
    assert "<code>10.9.0.77</code>" in web.get(f"/instances/{web.cloud.instance.id}").text


def test_the_newest_events_of_an_instance_are_shown_first(web: Web) -> None:
    it = web.cloud.instance
    with web.cloud.store.write() as tx:
        for number in range(210):
            tx.events.add("instance.created", project_id=it.project_id, resource_kind="instance", resource_id=it.id,
                          resource_name=it.name, actor="x", message=f"number-{number}.", data={})  # fmt: skip
    told = re.findall(r"number-(\d+)\.", web.get(f"/instances/{it.id}/events").text)
    assert told == [str(number) for number in range(209, 9, -1)]
