"""Groups over fake hosts: started in order, stopped the other way round, kept at a host's boot and shutdown."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.effects import until

from zcloud.domain.errors import Busy, InUse, InvalidInput, NotFound
from zcloud.domain.group import Otherwise, Until
from zcloud.domain.instance import Instance, InstanceSpec, InstanceStatus, NicRequest, Power, Ready
from zcloud.domain.operation import Operation, OperationStatus
from zcloud.ports import DomainState
from zcloud.services.groups import Groups, Place
from zcloud.services.guests import Guests
from zcloud.services.operations import Operations
from zcloud.services.trash import Trash
from zcloud.store import Store
from zcloud.testing.cloud import ADMIN, FakeCloud

_S = InstanceStatus


class Team:
    """A group ``shop`` of ``db``, ``app`` and ``web``, all off, on the host ``alpha``."""

    def __init__(self, cloud: FakeCloud) -> None:
        self.cloud = cloud
        self.host_id = cloud.add_host("alpha")
        self.groups, self.guests = Groups(cloud.services), Guests(cloud.services)
        self.groups.create(ADMIN, "", "shop")
        for order, name in enumerate(("db", "app", "web")):
            spec = InstanceSpec(name=name, image="tiny", vcpus=1, memory_mib=256, nics=(NicRequest(""),), start=False)
            self.done(cloud.launch.launch(ADMIN, "", spec)[1])
            self.place(name, Place(order))

    def place(self, name: str, place: Place) -> None:
        self.groups.put(ADMIN, "", "shop", name, place)

    def instance(self, name: str) -> Instance:
        return self.cloud.instances.show(ADMIN, "", name).instance

    def update(self, name: str, **changes: Any) -> None:
        self.cloud.store.transact(lambda tx: tx.instances.update(self.instance(name).id, **changes))

    def look(self, operation: Operation) -> Operation:
        return self.cloud.read(lambda tx: tx.operations.get(operation.id))

    def status(self) -> str:
        return " ".join(self.instance(name).status.value for name in ("db", "app", "web"))

    def done(self, operation: Operation) -> Operation:
        ended = self.cloud.wait(operation)
        assert ended.status is OperationStatus.SUCCEEDED, ended.error
        return ended

    def begun(self) -> list[str]:
        """Give what the host was asked to start or stop, in order."""
        names = {self.instance(name).id: name for name in ("db", "app", "web")}
        log = self.cloud.read(lambda tx: tx.events.after(0, limit=1000, kinds=["operation.started"]))
        told = [(each.message, names.get(each.resource_id)) for each in log]
        return [f"{message.split()[0].lower()} {name}" for message, name in told if name and "Create" not in message]


@pytest.fixture
def team(sqlite_store: Store, tmp_path: Path) -> Iterator[Team]:
    cloud = FakeCloud(sqlite_store, tmp_path)
    cloud.start()
    yield Team(cloud)
    cloud.stop()


def test_started_in_order_and_stopped_the_other_way_round(team: Team) -> None:
    started = team.done(team.groups.start(ADMIN, "", "shop"))
    assert team.status() == "running running running"
    parts = team.cloud.read(lambda tx: tx.operations.children(started.id))
    assert [each.resource_name for each in parts] == ["db", "app", "web"]
    assert all(earlier.ended_at <= later.created_at for earlier, later in itertools.pairwise(parts))  # type: ignore[operator]
    team.done(team.groups.stop(ADMIN, "", "shop"))
    assert team.status() == "stopped stopped stopped"
    assert team.begun() == [*("start db", "start app", "start web"), *("stop web", "stop app", "stop db")]
    assert team.cloud.read(lambda tx: tx.groups.find("shop").operation_id) is None  # type: ignore[union-attr]


def test_the_next_one_waits_until_the_guest_is_ready(team: Team) -> None:
    team.place("db", Place(0, Until.READY))
    operation = team.groups.start(ADMIN, "", "shop")
    until(lambda: team.instance("db").ready is Ready.WAITING)
    until(lambda: "Being started: db" in team.cloud.read(lambda tx: tx.operations.get(operation.id).wait_reason))
    assert team.status() == "running stopped stopped"
    team.update("db", ready=Ready.READY, observed={"ready_at": team.cloud.clock.now().isoformat()})
    team.done(operation)
    assert team.status() == "running running running"


@pytest.mark.parametrize("otherwise", list(Otherwise))
def test_one_that_cannot_start_keeps_the_others_off_or_not(team: Team, otherwise: Otherwise) -> None:
    team.place("db", Place(0, otherwise=otherwise))
    team.update("db", memory_mib=1 << 30)
    ended = team.cloud.wait(team.groups.start(ADMIN, "", "shop"))
    assert ended.status is OperationStatus.FAILED
    assert ended.error is not None
    assert ended.error["code"] == "group_incomplete"
    assert "db (" in ended.error["message"]
    team.update("db", memory_mib=256)
    operations = Operations(team.cloud.services)
    if otherwise is Otherwise.STOP:
        assert team.status() == "stopped stopped stopped"
        assert "Not started because of that: app, web" in ended.error["left"]
    else:
        assert team.status() == "stopped running running"
    (refused,) = [
        each for each in team.cloud.read(lambda tx: tx.operations.children(ended.id)) if each.resource_name == "db"
    ]
    assert refused.status is OperationStatus.FAILED
    team.done(operations.retry(ADMIN, refused.id))
    team.done(operations.retry(ADMIN, ended.id))
    assert team.status() == "running running running"


def test_a_paused_member_is_refused_with_what_to_do(team: Team) -> None:
    team.update("db", status=_S.PAUSED)
    ended = team.cloud.wait(team.groups.start(ADMIN, "", "shop"))
    assert ended.error is not None
    assert (ended.status, ended.error["code"]) == (OperationStatus.FAILED, "group_incomplete")
    assert "paused" in ended.error["message"]


def test_a_cancelled_start_leaves_what_runs(team: Team) -> None:
    team.place("db", Place(0, Until.READY))
    operation = team.groups.start(ADMIN, "", "shop")
    until(lambda: team.instance("db").ready is Ready.WAITING)
    team.cloud.store.transact(lambda tx: tx.operations.request_cancel(operation.id))
    assert team.cloud.wait(operation).status is OperationStatus.CANCELLED
    assert team.status() == "running stopped stopped"


def test_what_is_refused(team: Team) -> None:
    with pytest.raises(InvalidInput):
        team.place("db", Place(-1))
    with pytest.raises(InvalidInput):
        team.place("db", Place(1, delay_s=100_000))
    with pytest.raises(NotFound):
        team.groups.put(ADMIN, "", "shop", "nobody", Place(1))
    team.groups.create(ADMIN, "", "other")
    with pytest.raises(InUse, match="in the group shop"):
        team.groups.put(ADMIN, "", "other", "db", Place(1))
    with pytest.raises(InvalidInput, match="empty"):
        team.groups.start(ADMIN, "", "other")
    with pytest.raises(NotFound, match="not in the group"):
        team.groups.take_out(ADMIN, "", "other", "db")
    team.place("db", Place(0, Until.READY))
    operation = team.groups.start(ADMIN, "", "shop")
    with pytest.raises(Busy):
        team.groups.delete(ADMIN, "", "shop", None)
    with pytest.raises(Busy):
        team.place("db", Place(5))
    until(lambda: team.instance("db").ready is Ready.WAITING)
    team.cloud.store.transact(lambda tx: tx.operations.request_cancel(operation.id))
    team.cloud.wait(operation)


def test_an_instance_that_is_deleted_leaves_its_group(team: Team) -> None:
    team.done(team.cloud.instances.delete(ADMIN, "", "app"))
    assert [each.instance.name for each in team.groups.show(ADMIN, "", "shop").members] == ["db", "web"]
    team.done(Trash(team.cloud.services).delete(ADMIN, "", "web"))
    team.done(team.groups.start(ADMIN, "", "shop"))
    assert team.instance("db").status is _S.RUNNING


def test_a_host_that_goes_down_stops_the_last_first(team: Team) -> None:
    team.done(team.groups.start(ADMIN, "", "shop"))
    order = []
    while begun := team.guests.stop(ADMIN, "alpha", 30, in_order=True):
        order += [each.resource_name for each in begun]
        for each in begun:
            team.done(each)
    assert order == ["web", "app", "db"]


def boot(team: Team) -> None:
    """Let the host have been booted with all of the group to run again."""

    def work_on(name: str) -> None:
        team.update(name, status=_S.STOPPED, desired=Power.RUNNING, down_with="first")

    for name in ("db", "app", "web"):
        work_on(name)
    team.cloud.store.transact(lambda tx: tx.hosts.update(team.host_id, boot_id="second"))


def test_after_a_boot_each_waits_for_those_before_it(team: Team) -> None:
    team.place("db", Place(0, Until.READY))
    boot(team)
    (first,) = team.guests.resume()
    assert first.resource_name == "db"
    assert team.guests.resume() == []
    team.done(first)
    assert team.guests.resume() == []  # it is not ready yet
    team.update("db", ready=Ready.READY)
    for name in ("app", "web"):
        (operation,) = team.guests.resume()
        assert operation.resource_name == name
        team.done(operation)
    assert team.status() == "running running running"
    assert team.guests.resume() == []


def test_after_a_boot_those_who_need_what_failed_stay_off_and_that_is_told(team: Team) -> None:
    boot(team)
    team.update("db", memory_mib=1 << 30)
    assert team.guests.resume() == []
    while team.guests.resume():
        pass
    events = team.cloud.read(lambda tx: tx.events.after(0, limit=1000, kinds=["instance.not_resumed"]))
    assert "db ran before its host went down and was not started again: " in events[0].message
    assert "app ran before its host went down and was not started again: db, which it needs" in events[1].message
    assert team.status() == "stopped stopped stopped"
    assert team.cloud.read(lambda tx: tx.instances.gone_down()) == []


def test_guests_are_started_by_hand_in_order_too(team: Team) -> None:
    team.done(team.groups.start(ADMIN, "", "shop"))
    team.cloud.store.transact(lambda tx: tx.hosts.update(team.host_id, boot_id="first"))
    for each in team.guests.stop(ADMIN, "alpha", 30):
        team.done(each)
    (first,) = team.guests.start(ADMIN, "alpha")
    assert first.resource_name == "db"
    team.done(first)
    for name in ("app", "web"):  # the observer goes on with them
        (operation,) = team.guests.resume()
        assert operation.resource_name == name
        team.done(operation)
    assert team.cloud.links.hosts[team.host_id].hypervisor.domains[team.instance("web").id].state is DomainState.RUNNING


def test_a_rehearsal_names_those_who_would_go(team: Team) -> None:
    team.place("app", Place(2))
    assert team.groups.rehearse(ADMIN, "", "shop", "start") == [["db"], ["app", "web"]]
    team.done(team.cloud.instances.start(ADMIN, "", team.instance("db").id))
    team.done(team.cloud.instances.start(ADMIN, "", team.instance("web").id))
    assert team.groups.rehearse(ADMIN, "", "shop", "start") == [["app"]]
    assert team.groups.rehearse(ADMIN, "", "shop", "stop") == [["web"], ["db"]]
    team.groups.create(ADMIN, "", "nobody")
    with pytest.raises(InvalidInput, match="is empty"):
        team.groups.rehearse(ADMIN, "", "nobody", "start")
