"""Whoever waits for an operation's end hears of it, and of nothing before."""

from __future__ import annotations

import threading
from pathlib import Path

from zcloud.domain.instance import InstanceSpec
from zcloud.services.operations import Operations
from zcloud.store import Store
from zcloud.testing.cloud import ADMIN, FakeCloud


def test_an_end_is_told_at_once(sqlite_store: Store, tmp_path: Path) -> None:
    cloud, ended = FakeCloud(sqlite_store, tmp_path), threading.Event()
    cloud.add_host("alpha")
    cancel = Operations(cloud.services).watch(ended.set)
    spec = InstanceSpec(name="web", image="tiny", vcpus=1, memory_mib=256)
    operation = cloud.launch.launch(ADMIN, "", spec)[1]
    assert not ended.is_set()
    cloud.start()
    try:
        assert ended.wait(10)
        assert cloud.wait(operation).ended_at is not None
    finally:
        cancel()
        cloud.stop()
