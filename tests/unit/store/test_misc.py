"""Remembered answers, settings, samples."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests import builders
from tests.threads import in_threads
from tests.unit.store.world import World

from zcloud.domain.errors import IdempotencyInFlight, IdempotencyMismatch
from zcloud.domain.instance import InstanceStatus, Ready
from zcloud.domain.operation import OperationStatus
from zcloud.store import OBSERVER_LEASE, QueueFacts, Store, StoredAnswer

ANSWER = StoredAnswer(202, {"Location": "/v1/operations/1"}, '{"id": "1"}')


def test_an_answer_is_given_again(store: Store) -> None:
    with store.write() as tx:
        assert tx.idempotency.begin("alice", "k", "f") is None
        assert tx.idempotency.begin("bob", "k", "other") is None
        with pytest.raises(IdempotencyInFlight):
            tx.idempotency.begin("alice", "k", "f")
        tx.idempotency.finish("alice", "k", ANSWER)
        assert tx.idempotency.begin("alice", "k", "f") == ANSWER
        with pytest.raises(IdempotencyMismatch):
            tx.idempotency.begin("alice", "k", "g")
        tx.idempotency.abandon("alice", "k")  # answered: kept
        tx.idempotency.abandon("bob", "k")
        assert tx.idempotency.begin("alice", "k", "f") == ANSWER
        assert tx.idempotency.begin("bob", "k", "f") is None


def test_one_of_many_equal_requests_is_answered(store: Store) -> None:
    def begin() -> bool:
        try:
            with store.write() as tx:
                return tx.idempotency.begin("alice", "k", "f") is None
        except IdempotencyInFlight:
            return False

    assert sum(in_threads([begin] * 8)) == 1


def test_old_answers_and_stuck_requests_go(store: Store) -> None:
    with store.write() as tx:
        tx.idempotency.begin("alice", "answered", "f")
        tx.idempotency.finish("alice", "answered", ANSWER)
        tx.idempotency.begin("alice", "stuck", "f")
        now = tx.now
    with store.write() as tx:
        past, future = now - timedelta(hours=1), now + timedelta(seconds=1)
        assert tx.idempotency.prune(past, in_flight_before=past) == 0
        assert tx.idempotency.prune(past, in_flight_before=future) == 1
        assert tx.idempotency.begin("alice", "answered", "f") == ANSWER
        assert tx.idempotency.prune(future) == 1


def test_settings(store: Store) -> None:
    with store.write() as tx:
        assert tx.settings.get("a") is None
        assert tx.settings.get("a", 3) == 3
        tx.settings.put("a", {"b": [1, None, "ü"]})
        tx.settings.put("a", {"b": [2, None, "ü"]})
        assert tx.settings.get("a") == {"b": [2, None, "ü"]}
        tx.settings.delete("a")
        assert tx.settings.get("a") is None


def test_samples(store: Store) -> None:
    ticks = [builders.NOW + timedelta(seconds=seconds) for seconds in range(5)]
    with store.write() as tx:
        for number, tick in enumerate(ticks):
            tx.samples.add("h", tick, bytes([number]))
        tx.samples.add("h", ticks[0], b"again")
        tx.samples.add("other", ticks[0], b"x")
        found = tx.samples.range("h", ticks[0], ticks[2])
        assert found == [(ticks[0], b"again"), (ticks[1], b"\x01")]
        assert tx.samples.latest("h", ticks[2]) == b"\x04"
        assert tx.samples.latest("h", ticks[4] + timedelta(seconds=1)) is None
        assert tx.samples.latest("nosuch", ticks[0]) is None
        assert tx.samples.prune(ticks[1]) == 2
        assert tx.samples.range("h", ticks[0], ticks[4] + timedelta(days=1))[0] == (ticks[1], b"\x01")


def test_the_observer_s_last_sign_of_life(store: Store) -> None:
    with store.write() as tx:
        assert tx.settings.observer_beat() is None
        tx.settings.put(OBSERVER_LEASE, {"beaten_at": builders.NOW.isoformat()})
        assert tx.settings.observer_beat() == builders.NOW


def test_what_there_is_to_do(store: Store) -> None:
    with store.write() as tx:
        assert tx.operations.queue() == QueueFacts({}, None)
        for status, seconds in (("queued", 7), ("queued", 3), ("blocked", 1), ("succeeded", 0)):
            made = builders.NOW + timedelta(seconds=seconds)
            tx.operations.add(builders.operation(status=OperationStatus(status), created_at=made))
        counts = {OperationStatus.QUEUED: 2, OperationStatus.BLOCKED: 1}
        assert tx.operations.queue() == QueueFacts(counts, builders.NOW + timedelta(seconds=3))


def test_all_instances_at_a_glance(store: Store) -> None:
    world = World(store)
    with store.write() as tx:
        for name, status in (("b", InstanceStatus.RUNNING), ("a", InstanceStatus.STOPPED)):
            made = builders.instance(world.project.id, world.host.id, world.image.id, name=name, status=status)
            tx.instances.add(made)
        rows = tx.instances.gauges()
    assert [(row.name, row.status, row.ready) for row in rows] == [
        ("a", InstanceStatus.STOPPED, Ready.NONE),
        ("b", InstanceStatus.RUNNING, Ready.NONE),
    ]
    assert {(row.project_id, row.host_id) for row in rows} == {(world.project.id, world.host.id)}
