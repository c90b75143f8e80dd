"""File systems of guests on fake hosts, frozen and thawed: on record first, and thawed by itself whatever happens."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from zcloud.domain.errors import InvalidInput, WrongState
from zcloud.domain.instance import Instance, InstanceSpec, InstanceStatus
from zcloud.domain.operation import Operation, OperationStatus
from zcloud.domain.reconcile import KEY
from zcloud.services.freezing import Freezing
from zcloud.services.instances import Instances
from zcloud.services.lifecycle import Lifecycle
from zcloud.store import Store
from zcloud.testing.cloud import ADMIN, FakeCloud


class Owner:
    """Whoever has ``web``, which runs."""

    def __init__(self, cloud: FakeCloud) -> None:
        self.cloud, self.freezing = cloud, Freezing(cloud.services)
        cloud.add_host("alpha")
        made, operation = cloud.launch.launch(
            ADMIN, "", InstanceSpec(name="web", image="tiny", vcpus=1, memory_mib=256)
        )
        self.id = made.id
        self.done(operation)
        (link,) = cloud.links.hosts.values()
        self.hypervisor = link.hypervisor

    def holds_still(self) -> bool:
        return self.hypervisor.domains[self.id].frozen

    @property
    def instance(self) -> Instance:
        return self.cloud.read(lambda tx: tx.instances.get(self.id))

    def freeze(self, seconds: int = 60) -> Operation:
        return self.cloud.wait(self.freezing.freeze(ADMIN, "", "web", seconds))

    def done(self, operation: Operation) -> None:
        ended = self.cloud.wait(operation)
        assert ended.status is OperationStatus.SUCCEEDED, ended.error

    def time_is_over(self) -> None:
        past = self.cloud.clock.now() - timedelta(seconds=1)
        self.cloud.store.transact(lambda tx: tx.instances.update(self.id, frozen_until=past))


@pytest.fixture
def owner(sqlite_store: Store, tmp_path: Path) -> Iterator[Owner]:
    cloud = FakeCloud(sqlite_store, tmp_path)
    cloud.start()
    yield Owner(cloud)
    cloud.stop()


def test_frozen_and_thawed(owner: Owner) -> None:
    assert owner.freeze().status is OperationStatus.SUCCEEDED
    assert owner.holds_still()
    assert owner.instance.is_frozen
    assert owner.freezing.sweep() == []
    owner.done(owner.freezing.thaw(ADMIN, "", "web"))
    assert not owner.holds_still()
    assert owner.instance.frozen_until is None


def test_meanwhile_it_is_left_alone(owner: Owner) -> None:
    owner.freeze()
    for verb in ("pause", "save"):
        with pytest.raises(WrongState, match="frozen until") as refused:
            Lifecycle(owner.cloud.services).act(ADMIN, "", "web", verb)
        assert "instance thaw web" in refused.value.hint
    with pytest.raises(WrongState, match="frozen until"):
        Instances(owner.cloud.services).stop(ADMIN, "", "web")
    with pytest.raises(WrongState, match="frozen until"):
        owner.freezing.freeze(ADMIN, "", "web", 5)
    owner.done(Instances(owner.cloud.services).delete(ADMIN, "", "web"))


def test_it_is_thawed_by_itself_once_its_time_is_over(owner: Owner) -> None:
    owner.freeze()
    owner.time_is_over()
    (operation,) = owner.freezing.sweep()
    assert owner.freezing.sweep() == []  # it is being thawed
    owner.done(operation)
    assert not owner.holds_still()
    assert owner.freezing.sweep() == []


def test_a_restored_server_thaws_nothing_until_it_is_told_to_go_on(owner: Owner) -> None:
    owner.freeze()
    owner.time_is_over()
    owner.cloud.store.transact(lambda tx: tx.settings.put(KEY, {"taken_at": "2026-01-01T00:00:00+00:00"}))
    assert owner.freezing.sweep() == []
    owner.cloud.store.transact(lambda tx: tx.settings.delete(KEY))
    (operation,) = owner.freezing.sweep()
    owner.done(operation)


def test_a_guest_that_does_not_answer_is_asked_again(owner: Owner) -> None:
    owner.freeze()
    owner.time_is_over()
    owner.hypervisor.silent.add(owner.id)
    (operation,) = owner.freezing.sweep()
    assert owner.cloud.wait(operation).status is OperationStatus.FAILED
    assert owner.instance.is_frozen
    owner.hypervisor.silent.clear()
    owner.time_is_over()
    (operation,) = owner.freezing.sweep()
    owner.done(operation)
    assert not owner.holds_still()


def test_one_that_went_off_frozen_is_forgotten(owner: Owner) -> None:
    owner.freeze()
    owner.hypervisor.destroy(owner.id)
    owner.cloud.store.transact(lambda tx: tx.instances.update(owner.id, status=InstanceStatus.STOPPED))
    owner.time_is_over()
    assert owner.freezing.sweep() == []
    assert owner.instance.frozen_until is None
    owner.done(Instances(owner.cloud.services).start(ADMIN, "", "web"))


def test_what_cannot_be_frozen_says_so_and_nothing_stays_frozen(owner: Owner) -> None:
    for seconds in (0, 601):
        with pytest.raises(InvalidInput):
            owner.freezing.freeze(ADMIN, "", "web", seconds)
    owner.hypervisor.silent.add(owner.id)
    ended = owner.freeze()
    assert ended.error is not None
    assert (ended.status, ended.error["code"]) == (OperationStatus.FAILED, "guest_silent")
    # Whether it is frozen is not known, and it cannot be asked: it is thawed as soon as it answers.
    owner.hypervisor.silent.clear()
    (operation,) = owner.freezing.sweep()
    owner.done(operation)
    assert owner.instance.frozen_until is None


def test_too_late_to_freeze_is_not_frozen(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    owner.cloud.stop()
    operation = owner.freezing.freeze(ADMIN, "", "web", 1)
    later = owner.cloud.clock.now() + timedelta(seconds=5)
    monkeypatch.setattr(type(owner.cloud.clock), "now", lambda _: later)
    owner.cloud.start()
    assert owner.cloud.wait(operation).status is OperationStatus.FAILED
    assert not owner.holds_still()
