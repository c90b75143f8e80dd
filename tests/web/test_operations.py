"""Operations on pages: found by what they are about, followed, cancelled, and explained where they failed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests import builders
from tests.web.conftest import Web

from zcloud.domain.errors import HypervisorFailed
from zcloud.domain.instance import InstanceSpec, NicRequest
from zcloud.domain.operation import Operation, OperationStatus
from zcloud.testing.cloud import ADMIN, IMAGE_BYTES, FakeCloud


def add(web: Web, **changes: Any) -> Operation:
    return web.cloud.store.transact(lambda tx: tx.operations.add(builders.operation(**changes)))


@pytest.fixture
def works(web: Web, tmp_path: Path) -> Iterator[FakeCloud]:
    """Give what runs the operations of the console's cloud, on a host of its own that can fail."""
    cloud = FakeCloud(web.cloud.store, tmp_path / "works")
    digest = hashlib.sha256(IMAGE_BYTES).hexdigest()
    (cloud.config.image_dir / f"{digest}.qcow2").write_bytes(IMAGE_BYTES)
    with web.cloud.store.write() as tx:
        tx.images.update(web.cloud.image.id, digest=digest)
        tx.operations.update(web.cloud.operation.id, status=OperationStatus.CANCELLED)  # it is about nothing
    cloud.start()
    yield cloud
    cloud.stop()


def test_a_failed_operation_is_explained_and_tried_again(web: Web, works: FakeCloud) -> None:
    host = works.add_host("alpha")
    works.links.hosts[host].hypervisor.fail("start", HypervisorFailed("no more file handles"))
    spec = InstanceSpec(
        name="new", image="debian-12", vcpus=1, memory_mib=256, nics=(NicRequest("alpha-net"),), host="alpha"
    )
    failed = works.wait(works.launch.launch(ADMIN, "", spec)[1])
    page = web.get(f"/operations/{failed.id}").text
    for text in ("no more file handles", "hypervisor_failed", "It broke at: Start", "was undone", "Ways out"):
        assert text in page
    answer = web.post(f"/operations/{failed.id}/retry")
    again = re.fullmatch(r"/operations/(.*)", answer.headers["location"])
    assert again
    assert f'href="/operations/{failed.id}"' in web.get(f"/operations/{again[1]}").text
    with web.cloud.store.read() as tx:
        assert works.wait(tx.operations.get(again[1])).status is OperationStatus.SUCCEEDED


def test_operations_are_found_by_kind_person_and_state(web: Web) -> None:
    add(web, resource_kind="image", resource_name="rocky", actor="anna", status=OperationStatus.FAILED)
    add(web, resource_kind="host", resource_name="berta", actor="boris", status=OperationStatus.CANCELLED)

    def names(query: str) -> set[str]:
        page = web.get(f"/operations?{query}").text
        return {name for name in ("rocky", "berta", "web") if f">{name}</a>" in page}

    assert names("") == {"rocky", "berta", "web"}
    assert names("kind=image") == {"rocky"}
    assert names("by=boris") == {"berta"}
    assert names("view=failed") == {"rocky"}
    assert names("view=unfinished") == {"web"}
    assert "Nothing fits the filter" in web.get("/operations?view=failed&by=boris").text


def test_what_cannot_be_cancelled_has_no_button(web: Web) -> None:
    fixed = add(web, may_cancel=False)
    assert "/cancel" not in web.get(f"/operations/{fixed.id}").text
    assert web.post(f"/operations/{fixed.id}/cancel").status_code == 409
    free = add(web)
    assert f"/operations/{free.id}/cancel" in web.get(f"/operations/{free.id}").text
    web.post(f"/operations/{free.id}/cancel")
    assert "It was asked to stop" in web.get(f"/operations/{free.id}").text
