"""Live parts of pages: whatever changes while they ask, while the stream is cut, or while somebody works in them."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Route, expect
from tests.api.conftest import Cloud
from tests.browser.conftest import Tab

from zcloud.domain.instance import Instance, InstanceStatus
from zcloud.store import Tx

SignIn = Callable[..., Tab]
COUNT = 40


def _named(cloud: Cloud, name: str) -> Instance:
    with cloud.store.read() as tx:
        found = tx.instances.find(name, cloud.home.id)
    assert found is not None
    return found


def _set(cloud: Cloud, name: str, status: InstanceStatus) -> None:
    it = _named(cloud, name)

    def change(tx: Tx) -> None:
        tx.instances.update(it.id, status=status)
        tx.events.add("instance.running", project_id=cloud.home.id, resource_kind="instance", resource_id=it.id,
                      resource_name=it.name, actor="", message="It changed.", data={})  # fmt: skip

    cloud.store.transact(change)


def test_no_change_is_missed_though_the_stream_is_cut_again_and_again(tab: SignIn) -> None:
    it = tab(count=COUNT)
    page, cloud, cuts = it.page, it.site.cloud, 5
    left = list(range(cuts))

    def cut(route: Route) -> None:
        if not left:
            route.continue_()
            return
        number = left.pop()
        for each in range(number, COUNT, cuts):  # while nobody listens
            _set(cloud, f"n-{each:05}", InstanceStatus.STOPPED)
        route.fulfill(body="retry: 50\n\n", content_type="text/event-stream")

    page.route("**/live", cut)
    it.open("/instances?q=n-000")
    expect(page.locator("#list tbody tr")).to_have_count(COUNT)
    expect(page.locator("#list tbody tr", has_text="Stopped")).to_have_count(COUNT, timeout=20_000)
    assert left == []


def test_a_change_is_shown_though_its_page_was_being_asked_for(tab: SignIn) -> None:
    it = tab(count=COUNT)
    page, cloud = it.page, it.site.cloud
    it.open("/instances?q=n-00009")
    expect(page.locator("#live")).to_have_text("Live")
    waiting = list[Route]()

    def hold(route: Route) -> None:
        waiting.append(route) if not waiting else route.continue_()

    page.route("**/instances?q=n-00009*", hold)
    _set(cloud, "n-00009", InstanceStatus.PAUSED)
    while not waiting:
        page.wait_for_timeout(20)
    old = waiting[0].fetch()  # what the server says now
    _set(cloud, "n-00009", InstanceStatus.RUNNING)
    page.wait_for_timeout(1000)  # its message has come by then
    waiting[0].fulfill(response=old)
    expect(page.locator("#list tbody tr")).to_contain_text("Running")


def test_what_fails_leaves_the_page_as_it_was(tab: SignIn) -> None:
    it = tab(count=COUNT)
    page, cloud = it.page, it.site.cloud
    it.open("/instances?q=n-00012")
    expect(page.locator("#live")).to_have_text("Live")
    asked = list[str]()

    def fail(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(status=503, body="later")

    page.route("**/instances?q=n-00012*", fail)
    _set(cloud, "n-00012", InstanceStatus.PAUSED)
    while not asked:
        page.wait_for_timeout(20)
    expect(page.locator("#list tbody tr")).to_contain_text("n-00012")
    page.unroute("**/instances?q=n-00012*")
    expect(page.locator("#list tbody tr")).to_contain_text("Paused")
    it.troubles.clear()  # the answer was made to fail


def test_the_keys_stay_where_they_are_when_a_list_comes_anew(tab: SignIn) -> None:
    it = tab(count=COUNT)
    page, cloud = it.page, it.site.cloud
    it.open("/instances?q=n-0002")
    expect(page.locator("#live")).to_have_text("Live")
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(page.get_by_role("link", name="n-00021")).to_be_focused()
    _set(cloud, "n-00021", InstanceStatus.ERROR)
    expect(page.locator("#list tbody tr", has_text="n-00021")).to_contain_text("Error")
    expect(page.get_by_role("link", name="n-00021")).to_be_focused()
