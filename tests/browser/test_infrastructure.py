"""Hosts, pools, images and networks, operations and events in a real browser."""

from __future__ import annotations

from collections.abc import Callable

from tests.browser.conftest import Tab
from tests.browser.test_console import findings


def test_axe_finds_nothing_on_the_pages_of_infrastructure(tab: Callable[..., Tab]) -> None:
    light, dark = tab(color_scheme="light"), tab(color_scheme="dark")
    cloud = light.site.cloud
    paths = ["/hosts/new", f"/hosts/{cloud.host.id}", "/images/new", f"/images/{cloud.image.id}"]
    paths += ["/networks/new", f"/networks/{cloud.network.id}", f"/pools/{cloud.pool.id}", "/pools/new", "/audit"]
    paths += ["/volumes/new", f"/volumes/{cloud.volume.id}", f"/instances/{cloud.instance.id}/change"]
    found = list[str]()
    for number, path in enumerate(paths):
        found += findings((light, dark)[number % 2].open(path))
    assert found == [], "\n".join(found)
