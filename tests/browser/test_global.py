"""Search by keys, the keys themselves, and notices that come by themselves."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from playwright.sync_api import expect
from tests.browser.conftest import Tab

from zcloud.base.ids import new_id
from zcloud.domain.instance import InstanceStatus
from zcloud.domain.operation import OperationStatus
from zcloud.store import Tx

SignIn = Callable[..., Tab]


def test_everything_is_found_by_keys_alone(tab: SignIn) -> None:
    page = tab().open("/hosts")
    page.keyboard.press("Control+k")
    page.keyboard.type("n-0001")
    expect(page.locator("#found a").first).to_contain_text("n-00010")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("n-00011")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("Search everything")


def test_an_operation_that_ended_is_a_notice_until_it_was_seen(tab: SignIn) -> None:
    it = tab()
    page, cloud = it.open("/hosts"), it.site.cloud
    expect(page.locator("#live")).to_have_text("Live")
    expect(page.locator("#new")).to_be_hidden()

    def end(tx: Tx) -> None:
        made = tx.operations.get(cloud.operation.id)
        over = replace(made, status=OperationStatus.SUCCEEDED, ended_at=tx.now, actor="admin")
        tx.operations.add(replace(over, id=new_id(), resource_name="shown-soon"))
        tx.events.add("instance.running", project_id=cloud.home.id, resource_kind="instance", resource_id=made.id,
                      resource_name="x", actor="", message="It runs.", data={})  # fmt: skip

    cloud.store.transact(end)
    expect(page.locator("#new")).to_have_text("1")
    page.get_by_role("button", name="Notices").click()
    expect(page.locator("#notices")).to_contain_text("shown-soon")
    page.reload()
    expect(page.locator("#noticelist")).to_have_attribute("data-new", re.compile("0"))


def test_what_changes_before_the_stream_opens_is_not_missed(tab: SignIn) -> None:
    it = tab()
    page, cloud = it.page, it.site.cloud
    page.route("**/live", lambda route: route.abort())
    it.open("/instances?q=n-00007")
    expect(page.locator("#live")).to_have_text("Not live")
    with cloud.store.read() as tx:
        found = tx.instances.find("n-00007", cloud.home.id)
    assert found is not None
    cloud.store.transact(lambda tx: tx.instances.update(found.id, status=InstanceStatus.STOPPED))
    page.unroute("**/live")
    expect(page.locator("#list tbody tr")).to_contain_text("Stopped", timeout=15_000)
    it.troubles.clear()  # the connection was cut on purpose
