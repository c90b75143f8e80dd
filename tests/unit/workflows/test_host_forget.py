"""A lost host is forgotten with all that only it had; one that answers is not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from zcloud.domain.errors import Forbidden, InUse, WrongState
from zcloud.domain.host import HostState
from zcloud.domain.instance import DiskRequest, Instance, InstanceSpec, NicRequest
from zcloud.domain.operation import Operation, OperationStatus
from zcloud.domain.people import Actor, Role
from zcloud.observer.foreign import ForeignWatch
from zcloud.ports import DomainState
from zcloud.services.forgetting import Forgetting
from zcloud.services.groups import Groups, Place
from zcloud.services.hosts import Hosts
from zcloud.store import Store, Tx
from zcloud.testing.cloud import ADMIN, FakeCloud

_OPERATOR = Actor(user_id="u-op", user_name="op", role=Role.OPERATOR)


@pytest.fixture
def cloud(sqlite_store: Store, tmp_path: Path) -> Iterator[FakeCloud]:
    made = FakeCloud(sqlite_store, tmp_path)
    made.start()
    made.add_host("alpha")
    made.add_host("beta", address="192.168.78")
    yield made
    made.stop()


def _launch(cloud: FakeCloud, name: str, host: str) -> Instance:
    spec = InstanceSpec(
        name=name,
        image="tiny",
        vcpus=1,
        memory_mib=256,
        host=host,
        nics=(NicRequest(""),),
        disks=(DiskRequest(1 << 30),),
    )
    instance, operation = cloud.launch.launch(ADMIN, "", spec)
    assert cloud.wait(operation).status is OperationStatus.SUCCEEDED
    return instance


def _lose(cloud: FakeCloud, name: str) -> str:
    def work(tx: Tx) -> str:
        host = tx.hosts.resolve(name)
        tx.hosts.update(host.id, state=HostState.LOST, state_since=tx.now)
        return host.id

    return cloud.store.transact(work)


def _block(cloud: FakeCloud, operation: Operation) -> None:
    later = cloud.clock.now() + timedelta(days=1)
    cloud.store.transact(lambda tx: tx.operations.update(operation.id, status=OperationStatus.BLOCKED, wake_at=later))


def test_what_only_it_had_goes_and_nothing_else(cloud: FakeCloud) -> None:
    web, other = _launch(cloud, "web", "alpha"), _launch(cloud, "other", "beta")
    groups, forgetting = Groups(cloud.services), Forgetting(cloud.services)
    group = groups.create(ADMIN, "", "team").group.id
    for order, each in enumerate((web, other)):
        groups.put(ADMIN, "", group, each.id, Place(order))
    host_id = _lose(cloud, "alpha")
    cloud.stop()
    _block(cloud, stop := cloud.instances.stop(ADMIN, "", web.id))
    cloud.start()

    plan = forgetting.plan(ADMIN, "alpha")
    assert [each.name for each in plan.there.instances] == ["web"]
    assert [each.id for each in plan.there.operations] == [stop.id]
    assert (plan.claimed["vcpus"], plan.claimed["memory_mib"]) == (1, 256)
    assert plan.claimed["bytes"] == sum(each.size for each in plan.there.volumes) > 1 << 30

    assert cloud.wait(forgetting.forget(ADMIN, "alpha")).status is OperationStatus.SUCCEEDED
    ended = cloud.read(lambda tx: tx.operations.get(stop.id))
    assert ended.status is OperationStatus.FAILED
    assert ended.error is not None
    assert ended.error["code"] == "host_forgotten"
    with cloud.store.read() as tx:
        assert [each.name for each in tx.hosts.all()] == ["beta"]
        assert [each.name for each in tx.instances.all()] == ["other"]
        assert {each.instance_id for each in tx.volumes.all()} == {other.id}
        assert [each.name for each in tx.pools.all()] == ["beta-pool"]
        assert [each.name for each in tx.networks.all()] == ["beta-net"]
        assert tx.claims.held_by(web.id) == []
        kinds = {each.kind: each for each in tx.events.after(0, limit=1000)}
        assert kinds["instance.lost"].project_id == web.project_id
        assert kinds["host.forgotten"].data["instances"] == 1
    assert [each.instance.name for each in groups.show(ADMIN, "", group).members] == ["other"]

    # It comes back as another host: what it runs is seen, and goes on.
    link = cloud.links.hosts[host_id]
    again = cloud.add_host("again", address="192.168.79")
    ForeignWatch(cloud.store).run(again, link)
    assert cloud.read(lambda tx: [each.uuid for each in tx.foreign.on_host(again).values()]) == [web.id]
    assert link.hypervisor.domains[web.id].state is DomainState.RUNNING


def test_one_that_answers_is_not_forgotten(cloud: FakeCloud) -> None:
    forgetting, hosts = Forgetting(cloud.services), Hosts(cloud.services)
    with pytest.raises(WrongState, match="alpha is up"):
        forgetting.plan(ADMIN, "alpha")
    with pytest.raises(WrongState, match="alpha is up"):
        forgetting.forget(ADMIN, "alpha")
    _lose(cloud, "alpha")
    with pytest.raises(Forbidden):
        forgetting.forget(_OPERATOR, "alpha")
    with pytest.raises(InUse):
        hosts.remove(ADMIN, "alpha")
    assert hosts.show(ADMIN, "alpha").state is HostState.LOST


def test_one_that_fell_silent_while_it_was_removed(cloud: FakeCloud) -> None:
    """Its own operation waits for it, and ends."""
    forgetting = Forgetting(cloud.services)
    cloud.stop()
    enlist = Hosts(cloud.services).refresh(ADMIN, "alpha")
    cloud.store.transact(lambda tx: tx.hosts.update(tx.hosts.resolve("alpha").id, state=HostState.REMOVING))
    _block(cloud, enlist)
    operation = forgetting.forget(ADMIN, "alpha")
    with pytest.raises(WrongState, match="removing"):
        forgetting.forget(ADMIN, "alpha")
    cloud.start()
    assert cloud.wait(operation).status is OperationStatus.SUCCEEDED
    assert cloud.read(lambda tx: tx.operations.get(enlist.id)).status is OperationStatus.FAILED
