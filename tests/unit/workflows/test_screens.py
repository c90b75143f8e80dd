"""Screens and keyboards of instances on fake hosts: pictures, keys, and when there are none."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from zcloud.domain.errors import DeadlineExceeded, HypervisorFailed, Throttled, WrongState
from zcloud.domain.instance import InstanceSpec
from zcloud.ports import Picture
from zcloud.services.direct import Direct
from zcloud.services.screens import Screens
from zcloud.store import Store
from zcloud.testing.cloud import ADMIN, FakeCloud

SPEC = InstanceSpec(name="web", image="tiny", vcpus=1, memory_mib=256)


@pytest.fixture
def cloud(sqlite_store: Store, tmp_path: Path) -> Iterator[FakeCloud]:
    made = FakeCloud(sqlite_store, tmp_path)
    made.start()
    made.add_host("alpha")
    yield made
    made.stop()


def screens(cloud: FakeCloud, **options: float) -> Screens:
    return Screens(cloud.services, Direct(cloud.links.link, **options))


def launch(cloud: FakeCloud, **changes: object) -> str:
    made, operation = cloud.launch.launch(ADMIN, "", replace(SPEC, **changes))  # type: ignore[arg-type]
    cloud.wait(operation)
    return made.id


def test_a_picture_and_keys(cloud: FakeCloud) -> None:
    id, mine = launch(cloud), screens(cloud)
    assert mine.picture(ADMIN, "", "web")[:4] == b"\x89PNG"
    with pytest.raises(Throttled) as soon:
        mine.picture(ADMIN, "", "web")
    assert soon.value.details["retry_after_s"] == 1
    mine.press(ADMIN, "", "web", keys=["ctrl-alt-del"])
    mine.press(ADMIN, "", "web", text="a\n")
    (link,) = cloud.links.hosts.values()
    assert link.hypervisor.typed[id] == [(29, 56, 111), (30,), (28,)]


def test_without_a_screen_it_says_what_to_do(cloud: FakeCloud) -> None:
    launch(cloud, headless=True)
    mine = screens(cloud)
    asks = (lambda: mine.picture(ADMIN, "", "web"), lambda: mine.press(ADMIN, "", "web", text="x"))
    for ask in asks:
        with pytest.raises(WrongState, match="headless") as refused:
            ask()
        assert "zcloud console web" in refused.value.hint


def test_a_dark_screen_is_told(cloud: FakeCloud) -> None:
    launch(cloud, start=False)
    with pytest.raises(WrongState, match="is stopped"):
        screens(cloud).picture(ADMIN, "", "web")


def test_a_hostile_picture_is_refused(cloud: FakeCloud) -> None:
    launch(cloud)
    (link,) = cloud.links.hosts.values()
    link.hypervisor.picture = Picture("image/x-portable-pixmap", b"P6\n99999 99999\n255\n")
    with pytest.raises(HypervisorFailed):
        screens(cloud).picture(ADMIN, "", "web")


def test_a_slow_host_holds_nobody_for_long(cloud: FakeCloud) -> None:
    launch(cloud)
    (host_id,) = cloud.links.hosts
    released = threading.Event()
    direct = Direct(cloud.links.link, timeout_s=0.05)
    for _ in range(2):
        with pytest.raises(DeadlineExceeded):
            direct.ask(host_id, lambda _: released.wait(20))
    with pytest.raises(Throttled):
        direct.ask(host_id, lambda _: None)
    released.set()
