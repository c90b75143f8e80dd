"""The console as a person uses it, in a real browser."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from tests import builders
from tests.api.conftest import PASSWORD
from tests.browser.conftest import Tab

from zcloud.domain.instance import InstanceStatus
from zcloud.store import Tx
from zcloud.web.views import COLUMNS, COLUMNS_COOKIE
from zcloud.web.words import NAVIGATION

SignIn = Callable[..., Tab]
AXE = Path(__file__).with_name("axe.min.js").read_text()
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


def findings(page: Page) -> list[str]:
    """Give what axe finds, each with its rule and first place."""
    page.evaluate(AXE)
    found = page.evaluate(f"axe.run(document, {json.dumps(RULES)}).then((told) => told.violations)")
    return [
        f"{page.url} {each['id']}: {each['nodes'][0]['html'][:160]} {each['nodes'][0]['failureSummary'][:200]}"
        for each in found
    ]


def test_a_person_signs_in_and_finds_an_instance(tab: SignIn) -> None:
    it = tab(user="")
    page = it.open("/")
    page.fill("#name", "admin")
    page.fill("#password", PASSWORD)
    page.click("button[type=submit]")
    expect(page.locator("#live")).to_have_text("Live")
    page.keyboard.press("/")
    page.keyboard.type("n-00012")
    page.locator("#found").get_by_role("link", name="n-00012").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("n-00012")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_on_any_page(tab: SignIn, theme: str) -> None:
    it = tab(color_scheme=theme)
    id, operation = it.site.cloud.running.id, it.site.cloud.operation.id
    more = [f"/instances/{id}", f"/instances/{id}/events", f"/operations/{operation}", "/instances?q=nothing-fits"]
    more += ["/launch", "/launch?source=install", f"/instances/{id}/snapshots", f"/instances/{id}/clone"]
    more += ["/search?q=n-0000", "/projects/default", "/users/new", "/users/member"]
    found = list[str]()
    for path in [*(entry.path for entry in NAVIGATION), *more]:
        found += findings(it.open(path))
    assert found == [], "\n".join(found)


def test_axe_finds_nothing_on_a_phone(tab: SignIn) -> None:
    it = tab(viewport={"width": 390, "height": 844})
    page = it.open("/instances")
    found = findings(page)
    assert found == [], "\n".join(found)
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= 390
    page.get_by_role("button", name="Menu").click()
    page.get_by_role("link", name="Operations").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Operations")


def test_instances_are_stopped_after_one_confirmation(tab: SignIn) -> None:
    it = tab(count=30)
    page = it.open("/instances?q=n-0000")
    for number in (0, 1):
        page.get_by_role("checkbox", name=f"Select n-0000{number}").check()
    page.get_by_role("checkbox", name="Select n-00006").check()
    page.get_by_role("button", name="Stop…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading")).to_have_text("Stop 2 instances")
    expect(dialog).to_contain_text("n-00006 will be left alone")
    dialog.get_by_role("button", name="Stop").click()
    expect(page.locator("#toasts")).to_contain_text("Stop: 2 instances")
    expect(page.locator("#list tbody tr").first).to_contain_text("Stopping")


def test_a_row_changes_by_itself(tab: SignIn) -> None:
    it = tab(count=30)
    page = it.open("/instances?q=n-00007")
    expect(page.locator("#live")).to_have_text("Live")
    expect(page.locator("#list tbody tr")).to_contain_text("Paused")
    cloud = it.site.cloud

    with cloud.store.read() as tx:
        found = tx.instances.find("n-00007", cloud.home.id)
    assert found is not None

    def change(tx: Tx) -> None:
        tx.instances.update(found.id, status=InstanceStatus.RUNNING)
        tx.events.add(
            "instance.running", project_id=cloud.home.id, resource_kind="instance", resource_id=found.id,
            resource_name=found.name, actor="", message="It runs again.", data={},
        )  # fmt: skip

    cloud.store.transact(change)
    expect(page.locator("#list tbody tr")).to_contain_text("Running")


def test_times_stay_the_viewer_s_when_a_part_comes_anew(tab: SignIn) -> None:
    it = tab(timezone_id="Asia/Tokyo")
    page = it.open(f"/instances/{it.site.cloud.running.id}")
    part = page.locator("[data-live] time:not([data-age])").first
    part.evaluate("each => each.closest('[data-live]').setAttribute('data-old', '')")
    part.evaluate("each => htmx.trigger(each.closest('[data-live]'), 'live')")
    expect(page.locator("[data-old]")).to_have_count(0)
    expect(part).not_to_contain_text("UTC")


def test_what_went_wrong_is_told_with_what_to_do(tab: SignIn) -> None:
    page = tab().open("/instances?view=problems")
    page.locator("#list tbody a").first.click()
    trouble = page.get_by_role("alert")
    expect(trouble).to_contain_text("The pool local is full.")
    expect(trouble).to_contain_text("Free room.")
    expect(trouble).to_contain_text("no_room")


@pytest.mark.parametrize("count", [0, 10000])
def test_a_list_of_any_length_is_a_page(tab: SignIn, count: int) -> None:
    it = tab(user="admin", count=count)
    page = it.open("/instances")
    expect(page.locator("#foot")).to_contain_text(f"of {count + 3}")
    assert page.evaluate("document.querySelectorAll('*').length") < 3000
    if count:
        page.get_by_role("link", name="Next page").click()
        expect(page.locator("#list tbody tr")).to_have_count(50)


def test_light_and_dark_are_kept(tab: SignIn) -> None:
    page = tab(color_scheme="light").open("/hosts")
    page.get_by_role("button", name="Light or dark").click()
    expect(page.locator("html")).to_have_class(re.compile("pf-v6-theme-dark"))
    page.reload()
    expect(page.locator("html")).to_have_class(re.compile("pf-v6-theme-dark"))


def test_an_instance_is_stopped_from_its_own_page(tab: SignIn) -> None:
    page = tab(count=5).open("/instances/db")
    expect(page.locator(".zc-itabs [aria-current]")).to_have_text("Overview")
    page.get_by_role("button", name="Stop…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading")).to_have_text("Stop 1 instance")
    dialog.get_by_role("button", name="Stop").click()
    expect(page.locator("#toasts")).to_contain_text("Stop: 1 instance")


def test_an_instance_is_launched_where_the_page_said(tab: SignIn) -> None:
    page = tab(count=5).open("/launch")
    page.fill("#name", "n-new")
    expect(page.locator("#plan")).to_contain_text("zcloud launch n-new")
    expect(page.locator("#plan .zc-cand.on")).to_contain_text("anton")
    page.get_by_role("button", name="Add disk").click()
    page.locator("[name=disk_size]").fill("lots")
    expect(page.locator("[data-told=disk_size]")).to_contain_text("is not a number of GiB")
    page.get_by_role("button", name="Remove this disk").click()
    expect(page.locator("[data-told=disk_size]")).to_be_hidden()
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("n-new")
    expect(page.locator(".zc-opbox")).to_contain_text("No worker has begun yet.")


def test_a_system_is_installed_with_answers_out_of_a_file(tab: SignIn, tmp_path: Path) -> None:
    it = tab(count=5)
    it.site.cloud.store.transact(lambda tx: tx.images.add(builders.image(name="netinst", format="iso")))
    page = it.open("/launch")
    expect(page.get_by_label("Answers", exact=True)).to_be_hidden()
    page.get_by_label("Install from a CD").check()
    expect(page.get_by_label("Another public key")).to_be_hidden()
    answers = tmp_path / "ks.cfg"
    answers.write_text("text\nautopart\npoweroff\n")
    page.get_by_label("Load a file").set_input_files(answers)
    page.fill("#name", "n-installed")
    page.fill("[name=root]", "10")
    expect(page.locator("#plan")).to_contain_text("Answers: kickstart.")
    page.get_by_label("Answers", exact=True).fill("no answers")
    expect(page.locator("[data-told=answers]")).to_contain_text("is no preseed, kickstart")
    page.get_by_label("Load a file").set_input_files([])
    page.get_by_label("Load a file").set_input_files(answers)
    expect(page.locator("#plan")).to_contain_text("Answers: kickstart.")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("n-installed")
    expect(page.locator(".zc-opbox")).to_contain_text("Install")


def test_the_list_is_walked_and_explained_by_keys(tab: SignIn) -> None:
    page = tab(count=5).open("/instances")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("to the next instance")
    page.keyboard.press("Escape")
    expect(page.locator("#dialog")).to_be_hidden()
    page.keyboard.press("j")
    expect(page.get_by_role("link", name="db")).to_be_focused()
    page.keyboard.press("x")
    expect(page.locator("#bulk")).to_contain_text("1 selected")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("db")


@pytest.mark.parametrize("width", [1024, 1280, 1440])
def test_names_are_seen_whatever_columns_there_are(tab: SignIn, width: int) -> None:
    it = tab(count=5, viewport={"width": width, "height": 800})
    it.page.context.add_cookies([{"name": COLUMNS_COOKIE, "value": ".".join(COLUMNS), "url": it.site.url}])
    expect(it.open("/instances").get_by_role("link", name="n-00001")).to_be_visible()


def test_columns_are_chosen(tab: SignIn) -> None:
    page = tab(count=5).open("/instances")
    page.get_by_text("Columns", exact=True).click()
    page.get_by_role("checkbox", name="Image").check()
    page.get_by_role("checkbox", name="Tags", exact=True).uncheck()
    page.get_by_role("button", name="Show these").click()
    expect(page.get_by_role("columnheader", name="Image")).to_be_visible()
    expect(page.get_by_role("columnheader", name="Tags")).to_have_count(0)
