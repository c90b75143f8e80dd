"""Snapshots by schedule: when, of what, how many are kept, and what is told where there can be none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests import builders
from tests.conftest import NewUrl

from zcloud.base.ids import new_id
from zcloud.domain.errors import AlreadyExists, InvalidInput, NotFound
from zcloud.domain.schedule import ScheduleSpec
from zcloud.domain.snapshot import MAX_SNAPSHOTS, Snapshot, SnapshotState
from zcloud.domain.storage import VolumeRole
from zcloud.services.schedules import Schedules
from zcloud.services.snapshots import Snapshots
from zcloud.store import Sealer, Store, Tx
from zcloud.testing.cloud import ADMIN, FakeCloud


class Hands:
    """A clock that is turned by hand; it begins at noon."""

    def __init__(self) -> None:
        self.time = datetime(2026, 11, 26, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return self.time.timestamp()

    def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


class Owner:
    """A cloud in which what is begun is done at once, by hand."""

    def __init__(self, store: Store, clock: Hands, place: Path) -> None:
        self.store, self.clock = store, clock
        self.cloud = FakeCloud(store, place, clock)
        self.host_id = self.cloud.add_host("alpha")
        self.schedules = Schedules(self.cloud.services)

    def add(self, name: str, *tags: str) -> str:
        def work(tx: Tx) -> str:
            home, pool = tx.projects.resolve("default").id, tx.pools.all()[0]
            made = tx.instances.add(builders.instance(home, self.host_id, None, name=name, tags=tags))
            root = builders.volume(home, pool.id, role=VolumeRole.ROOT, slot=0)
            tx.volumes.add(replace(root, instance_id=made.id))
            return made.id

        return self.store.transact(work)

    def make(self, **wanted: object) -> str:
        return self.schedules.create(ADMIN, "", ScheduleSpec(**wanted)).id  # type: ignore[arg-type]

    def after(self, hours: float, *, work: bool = True) -> None:
        """Turn the clock, and sweep until nothing more is begun."""
        self.clock.sleep(hours * 3600)
        for _ in range(5):
            self.schedules.sweep()
            if work:
                self.store.transact(_work)

    def names(self, id: str) -> list[str]:
        return [each.name for each in self.cloud.read(lambda tx: tx.snapshots.of_instance(id))]

    def missed(self) -> list[str]:
        events = self.cloud.read(lambda tx: tx.events.after(0))
        return [each.data["code"] for each in events if each.kind == "snapshot.missed"]


def _work(tx: Tx) -> None:
    """Do what the operations that hold instances are to do."""
    for instance in tx.instances.page(limit=100).items:
        if instance.operation_id is None:
            continue
        operation = tx.operations.get(instance.operation_id)
        assert operation.actor.startswith("schedule ")
        if operation.verb == "snapshot":
            tx.snapshots.update(operation.args["snapshot"], state=SnapshotState.READY)
        else:
            tx.snapshots.delete(operation.args["snapshot"])
        tx.instances.unlock(instance.id, operation.id)


@pytest.fixture
def owner(new_sqlite: NewUrl, tmp_path: Path) -> Iterator[Owner]:
    clock = Hands()
    store = Store(new_sqlite(), clock=clock, seal=Sealer(bytes(32)))
    yield Owner(store, clock, tmp_path)
    store.close()


def test_its_own_snapshots_only_and_as_many_as_are_kept(owner: Owner) -> None:
    web = owner.add("web")
    by_hand = Snapshots(owner.cloud.services).create(ADMIN, "", "web", "auto-20200101-0000")[0]
    owner.store.transact(lambda tx: tx.instances.unlock(web, tx.instances.get(web).operation_id or ""))
    owner.make(instance="web", every_h=6, keep=2)
    owner.after(5.9)
    assert owner.names(web) == [by_hand.name]
    for _ in range(3):
        owner.after(6)
    assert owner.names(web) == [by_hand.name, "auto-20261127-0554", "auto-20261127-1154"]
    owner.schedules.delete(ADMIN, "", "auto")
    owner.after(48)
    assert len(owner.names(web)) == 3
    owner.make(instance="web", every_h=6, keep=1)  # another one of the same name: those before are not its own
    owner.after(6)
    assert len(owner.names(web)) == 4


def test_an_old_one_goes_only_when_the_new_one_is_whole(owner: Owner) -> None:
    web = owner.add("web")
    owner.make(instance="web", every_h=1, keep=1)
    owner.after(1)
    owner.after(1, work=False)
    assert owner.names(web) == ["auto-20261126-1300", "auto-20261126-1400"]
    owner.after(0)
    assert owner.names(web) == ["auto-20261126-1400"]


def test_those_with_a_tag_daily_and_what_was_missed_once(owner: Owner) -> None:
    web, other = owner.add("web", "prod"), owner.add("other")
    owner.make(name="nightly", tag="prod", at="03:00", keep=5)
    later = owner.add("later", "prod")
    owner.after(14.9)
    assert owner.names(web) == []
    owner.after(0.2)
    owner.after(24 * 4)
    owner.after(1)
    assert owner.names(web) == owner.names(later) == ["nightly-20261127-0306", "nightly-20261201-0306"]
    assert owner.names(other) == [] == owner.missed()


def test_one_that_cannot_is_told_once_for_each_reason(owner: Owner) -> None:
    web = owner.add("web", "prod")
    good = owner.add("good", "prod")
    owner.make(tag="prod", every_h=1, keep=2)

    def fill(tx: Tx) -> None:
        for number in range(MAX_SNAPSHOTS):
            name = f"mine-{number}"
            tx.snapshots.add(Snapshot(new_id(), web, name, None, SnapshotState.READY, False, "x", tx.now))

    owner.store.transact(fill)
    owner.after(1)
    owner.after(1)
    assert owner.missed() == ["wrong_state"]
    assert (len(owner.names(web)), len(owner.names(good))) == (MAX_SNAPSHOTS, 2)
    [schedule] = owner.schedules.all(ADMIN, "")
    assert schedule.skipped == {web: "wrong_state"}
    owner.store.transact(lambda tx: tx.snapshots.delete(tx.snapshots.of_instance(web)[0].id))
    owner.after(1)
    assert owner.schedules.all(ADMIN, "")[0].skipped == {}
    assert len(owner.names(web)) == MAX_SNAPSHOTS


def test_a_busy_one_is_asked_again(owner: Owner) -> None:
    web = owner.add("web")
    owner.make(instance="web", at="13:00")
    operation = owner.store.transact(lambda tx: tx.operations.add(builders.operation(resource_id=web)))
    owner.store.transact(lambda tx: tx.instances.lock(web, operation.id))
    owner.after(1, work=False)
    assert (owner.names(web), owner.missed()) == ([], ["busy"])
    owner.store.transact(lambda tx: tx.instances.unlock(web, operation.id))
    owner.after(0.25)
    owner.after(1)
    assert (owner.names(web), owner.missed()) == (["auto-20261126-1315"], ["busy"])


def test_without_its_instance_a_schedule_is_gone(owner: Owner) -> None:
    web = owner.add("web")
    owner.make(instance="web", every_h=1)

    def remove(tx: Tx) -> None:
        for each in tx.volumes.of_instance(web):
            tx.volumes.delete(each.id)
        tx.instances.delete(web)

    owner.store.transact(remove)
    owner.after(1)
    assert owner.schedules.all(ADMIN, "") == []


@pytest.mark.parametrize(
    "wanted",
    [
        {"every_h": 6},
        {"instance": "web", "tag": "x", "every_h": 6},
        {"instance": "web"},
        {"instance": "web", "every_h": 6, "at": "03:00"},
        {"instance": "web", "at": "24:00"},
        {"instance": "web", "every_h": 6, "keep": 0},
        {"instance": "web", "every_h": 6, "keep": 25},
        {"instance": "web", "every_h": 100000},
        {"instance": "web", "every_h": 6, "name": "Un Name"},
        {"tag": "a b", "every_h": 6},
    ],
)
def test_what_makes_no_sense_is_refused(owner: Owner, wanted: dict[str, object]) -> None:
    owner.add("web")
    with pytest.raises(InvalidInput):
        owner.make(**wanted)
    assert owner.schedules.all(ADMIN, "") == []


def test_names(owner: Owner) -> None:
    owner.make(tag="a", every_h=1)
    owner.make(tag="a", every_h=2)
    assert [each.name for each in owner.schedules.all(ADMIN, "")] == ["auto", "auto-2"]
    with pytest.raises(AlreadyExists):
        owner.make(tag="b", every_h=1, name="auto")
    with pytest.raises(NotFound):
        owner.schedules.delete(ADMIN, "", "nobody")


def test_one_rhythm_takes_the_place_of_the_other_and_counts_from_the_last_round(owner: Owner) -> None:
    web = owner.add("web")
    made = owner.make(instance="web", every_h=6, keep=3)
    owner.after(6)
    changed = owner.schedules.change(ADMIN, "", "auto", {"at": "03:00", "keep": 1})
    assert (changed.every_h, changed.at, changed.keep) == (0, "03:00", 1)
    assert changed.due_at == datetime(2026, 11, 27, 3, tzinfo=UTC)
    owner.after(9)
    assert owner.names(web) == ["auto-20261127-0300"]
    assert owner.schedules.change(ADMIN, "", made, {"every_h": 2}).at == ""
    for wrong in ({"every_h": 0}, {"at": "25:00"}, {"keep": 0}, {"every_h": 2, "at": "03:00"}):
        with pytest.raises(InvalidInput):
            owner.schedules.change(ADMIN, "", made, wrong)
    assert owner.schedules.change(ADMIN, "", made, {}).every_h == 2
    with pytest.raises(NotFound):
        owner.schedules.change(ADMIN, "", "nobody", {"keep": 2})
