"""The first page: sums of all that a person may see, what is the matter, and what to do first."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from tests import builders
from tests.web.conftest import Web

from zcloud.base.ids import new_id
from zcloud.domain.host import HostState
from zcloud.domain.instance import InstanceStatus
from zcloud.domain.operation import OperationStatus
from zcloud.domain.samples import pack
from zcloud.domain.storage import GIB
from zcloud.store import Tx

TOLD = {"code": "pool_full", "message": "The pool is full.", "left": "", "hint": "Free room.", "details": {}}


def test_the_root_leads_a_browser_to_it(still: Web) -> None:
    answer = still.get("/")
    assert (answer.status_code, answer.headers["location"]) == (303, "/overview")


def test_an_admin_sees_hosts_pools_addresses_and_every_instance_on_the_map(still: Web) -> None:
    text = still.get("/overview").text
    assert "1 host · 3 instances" in text
    assert len(re.findall(r'class="zc-cell ', text)) == 3
    assert all(f">{name}</a>" in text for name in ("anton", "local", "lan"))
    assert "<b>3</b> / 65533" in text


def test_a_member_sees_the_own_projects_quota_and_instances_only(still: Web) -> None:
    text = still.get("/overview", user="member").text
    assert len(re.findall(r'class="zc-cell ', text)) == 2
    assert "theirs" not in text
    assert "anton" not in text
    assert ">default</h2>" in text


def test_what_is_the_matter_is_told_with_what_to_do(web: Web) -> None:
    cloud = web.cloud

    def work(tx: Tx) -> None:
        tx.instances.update(cloud.instance.id, status=InstanceStatus.ERROR, error=TOLD)
        tx.hosts.update(cloud.host.id, state=HostState.LOST, state_reason="It fell silent.")
        tx.pools.update(cloud.pool.id, total=100 * GIB, available=GIB)
        failed = builders.operation(
            project_id=cloud.home.id, resource_id=cloud.running.id, resource_name="db", verb="stop",
            status=OperationStatus.FAILED, error={**TOLD, "code": "internal"}, created_at=tx.now,
        )  # fmt: skip
        tx.operations.add(failed)

    cloud.store.transact(work)
    text = web.get("/overview").text
    for told in ("It fell silent.", "It is 99% full.", "pool_full", "Free room.", "stop db"):
        assert told in text
    assert f'href="/instances/{cloud.instance.id}"' in text


def test_a_failure_of_long_ago_is_no_problem(web: Web) -> None:
    old = web.cloud.operation.created_at - timedelta(days=9)

    def work(tx: Tx) -> None:
        tx.operations.add(builders.operation(
            project_id=web.cloud.home.id, resource_id="x", resource_name="forgotten", status=OperationStatus.FAILED,
            error=TOLD, created_at=old,
        ))  # fmt: skip

    web.cloud.store.transact(work)
    assert "forgotten" not in web.get("/overview").text


@pytest.mark.parametrize(
    ("verb", "status", "told"),
    [
        ("import", OperationStatus.SUCCEEDED, False),
        ("import", OperationStatus.RUNNING, False),
        ("delete", OperationStatus.SUCCEEDED, False),
        ("delete", OperationStatus.CANCELLED, True),
        ("pause", OperationStatus.SUCCEEDED, True),
    ],
)
def test_a_failure_is_no_problem_once_the_same_was_asked_again_or_its_thing_is_gone(
    web: Web, verb: str, status: OperationStatus, told: bool
) -> None:
    def work(tx: Tx) -> None:
        import_ = builders.operation(
            project_id=web.cloud.home.id, resource_kind="image", resource_id="x", resource_name="retried",
            verb="import", status=OperationStatus.FAILED, error=TOLD, created_at=tx.now - timedelta(minutes=5),
        )  # fmt: skip
        tx.operations.add(import_)
        tx.operations.add(replace(import_, id=new_id(), verb=verb, status=status, error=None, created_at=tx.now))

    web.cloud.store.transact(work)
    problems = web.get("/overview").text.partition('id="problems"')[2].partition("</section>")[0]
    assert ("import retried" in problems) is told


def test_the_busiest_come_from_the_samples(web: Web) -> None:
    cloud = web.cloud

    def work(tx: Tx) -> None:
        for tick in range(3):
            guest = {"id": cloud.running.id, "vcpus": 2, "cpu_ns": int(tick * 30e9), "memory_kib": 1 << 20,
                     "rss_kib": 1 << 19, "disks": {}, "nics": {}}  # fmt: skip
            host = {"id": cloud.host.id, "user_ns": int(tick * 60e9), "system_ns": 0, "iowait_ns": 0,
                    "idle_ns": int(tick * 180e9), "memory_kib": 4 << 20, "available_kib": 1 << 20}  # fmt: skip
            tx.samples.add(cloud.host.id, tx.now - timedelta(seconds=30 * (2 - tick)), pack([guest, host]))

    cloud.store.transact(work)
    text = web.get("/overview").text
    assert "Load now <b>25 %</b>" in text
    assert "Used now <b>3 GiB</b>" in text
    assert re.search(r'>db</a><span class="zc-grow"></span><b>1</b><span class="zc-sub">512 MiB</span>', text)
    assert "db · Running · 50 %" in text


def test_an_empty_cloud_says_what_to_do_first(web: Web) -> None:
    def work(tx: Tx) -> None:
        for instance in tx.instances.on_host(web.cloud.host.id):
            for port in tx.ports.of_instance(instance.id):
                tx.ports.delete(port.id)
            tx.instances.delete(instance.id)
        for volume in tx.volumes.page(None, limit=9).items:
            tx.volumes.delete(volume.id)
        tx.pools.delete(web.cloud.pool.id)
        tx.hosts.delete(web.cloud.host.id)

    web.cloud.store.transact(work)
    assert "zcloud host add local --local" in web.get("/overview").text
