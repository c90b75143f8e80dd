"""Hosts, pools, images and networks, operations and events in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tests import builders
from tests.api.conftest import THEIRS
from tests.browser.conftest import Tab
from tests.browser.test_console import findings

from zcloud.base.ids import new_id
from zcloud.domain.host import HostState
from zcloud.domain.operation import OperationStatus
from zcloud.store import Tx


def test_axe_finds_nothing_on_the_pages_of_infrastructure(tab: Callable[..., Tab]) -> None:
    light, dark = tab(color_scheme="light"), tab(color_scheme="dark")
    cloud = light.site.cloud
    paths = ["/hosts/new", f"/hosts/{cloud.host.id}", "/images/new", f"/images/{cloud.image.id}"]
    paths += ["/networks/new", f"/networks/{cloud.network.id}", f"/pools/{cloud.pool.id}", "/pools/new", "/audit"]
    paths += ["/media/new", "/schedules/new", "/schedules", f"/hosts/{cloud.host.id}/disks"]
    paths += [f"/hosts/{cloud.host.id}/disks/vdc?mount=/srv/fast&erase=1"]
    paths += ["/volumes/new", f"/volumes/{cloud.volume.id}", f"/instances/{cloud.instance.id}/change"]
    found = list[str]()
    for number, path in enumerate(paths):
        found += findings((light, dark)[number % 2].open(path))
    assert found == [], "\n".join(found)


def test_axe_finds_nothing_where_something_went_wrong(tab: Callable[..., Tab]) -> None:
    it = tab(count=3, color_scheme="dark")
    cloud, failed, uuid = it.site.cloud, new_id(), f"{THEIRS}-0000-4000-8000-000000000001"
    told = {
        "code": "no_room",
        "message": "The pool is full.",
        "left": "disk web-1",
        "hint": "Free room.",
        "details": {},
    }

    def go_wrong(tx: Tx) -> None:
        made = tx.operations.get(cloud.operation.id)
        tx.operations.add(replace(made, id=failed, status=OperationStatus.FAILED, ended_at=tx.now, error=told))
        tx.foreign.add(builders.foreign(cloud.host.id, uuid=uuid, name="Old Mail"))

    cloud.store.transact(go_wrong)
    paths = [f"/hosts/{cloud.host.id}/domains/{uuid}", f"/operations/{failed}", "/instances/nope", "/hosts/nope"]
    found = [each for path in paths for each in findings(it.open(path))]
    cloud.store.transact(lambda tx: tx.hosts.update(cloud.host.id, state=HostState.LOST, state_reason="It is silent."))
    for path in (
        f"/hosts/{cloud.host.id}",
        f"/hosts/{cloud.host.id}/loss",
        f"/instances/{cloud.running.id}",
        "/overview",
    ):
        found += findings(it.open(path))
    cloud.store.transact(lambda tx: tx.hosts.update(cloud.host.id, state=cloud.host.state, state_reason=""))
    it.troubles = [each for each in it.troubles if "404" not in each]  # two of them are not there
    assert found == [], "\n".join(found)


def test_axe_finds_nothing_in_a_form_that_was_refused(tab: Callable[..., Tab]) -> None:
    it, found = tab(count=3), list[str]()
    for path, fields in (
        ("/networks/new", {"name": "n", "cidr": "300.0.0.0/8"}),
        ("/launch", {"name": "Not a name"}),
        ("/users/new", {"name": "?"}),
    ):
        page = it.open(path)
        for name, value in fields.items():
            page.locator(f"main [name={name}]").first.fill(value)
        page.locator("main form [type=submit]").first.click()
        page.wait_for_load_state("networkidle")
        found += findings(page)
    it.troubles.clear()  # refusals are answers of 4xx
    assert found == [], "\n".join(found)
