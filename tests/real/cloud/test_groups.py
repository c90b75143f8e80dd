"""A group of real guests: the second starts when the first said that it is ready, and is stopped before it."""

from __future__ import annotations

from datetime import datetime, timedelta

from tests.real.cloud.conftest import ADMIN, Cloud

from zcloud.domain.group import Until
from zcloud.domain.instance import InstanceSpec, InstanceStatus, NicRequest, Ready
from zcloud.domain.operation import Operation
from zcloud.services.groups import Groups, Place

DELAY_S = 2


def test_started_one_after_the_other_and_stopped_the_other_way_round(cloud: Cloud) -> None:
    groups = Groups(cloud.runtime.services)
    groups.create(ADMIN, "", "shop")
    for order, name in enumerate(("shop-db", "shop-web")):
        spec = InstanceSpec(name=name, image="tiny", vcpus=1, memory_mib=128, nics=(NicRequest(""),), start=False)
        cloud.done(cloud.launch.launch(ADMIN, "", spec)[1])
        groups.put(ADMIN, "", "shop", name, Place(order, Until.READY, DELAY_S))

    db, web = _parts(cloud, cloud.done(groups.start(ADMIN, "", "shop"), 300))
    assert (db.resource_name, web.resource_name) == ("shop-db", "shop-web")
    ready_at = datetime.fromisoformat(cloud.instance("shop-db").observed["ready_at"])
    assert web.created_at >= ready_at + timedelta(seconds=DELAY_S)
    assert [cloud.instance(name).ready for name in ("shop-db", "shop-web")] == [Ready.READY, Ready.READY]

    first, second = _parts(cloud, cloud.done(groups.stop(ADMIN, "", "shop"), 300))
    assert (first.resource_name, second.resource_name) == ("shop-web", "shop-db")
    assert first.ended_at is not None
    assert first.ended_at <= second.created_at
    assert [cloud.instance(name).status for name in ("shop-db", "shop-web")] == [InstanceStatus.STOPPED] * 2
    for name in ("shop-db", "shop-web"):
        cloud.done(cloud.instances.delete(ADMIN, "", name))
    assert groups.show(ADMIN, "", "shop").members == ()
    groups.delete(ADMIN, "", "shop", None)


def _parts(cloud: Cloud, operation: Operation) -> list[Operation]:
    with cloud.runtime.store.read() as tx:
        return tx.operations.children(operation.id)
