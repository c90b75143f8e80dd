"""What the rows promise: guarded by epoch, no wake-up is lost, locks go with the end."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests import builders
from tests.effects import look, queue

from zcloud.base.clock import SystemClock
from zcloud.domain.errors import Superseded, WrongState
from zcloud.domain.operation import Operation, OperationStatus
from zcloud.store import Store
from zcloud.store.operations import Due

HOUR = timedelta(hours=1)


def take(store: Store, operation: Operation, worker: str = "w1") -> Due:
    with store.write() as tx:
        taken = tx.operations.take(Due(operation.id, look(store, operation).epoch), worker)
    assert taken is not None
    return Due(taken.id, taken.epoch)


def test_only_the_first_takes_it(store: Store) -> None:
    operation = queue(store)
    with store.write() as tx:
        assert tx.operations.take(Due(operation.id, 0), "w1") is not None
    with store.write() as tx:
        assert tx.operations.take(Due(operation.id, 0), "w2") is None
    assert look(store, operation).worker_id == "w1"


def test_an_old_epoch_writes_nothing(store: Store) -> None:
    operation = queue(store)
    old = take(store, operation)
    take(store, operation, "w2")
    now = look(store, operation)
    with pytest.raises(Superseded), store.write() as tx:
        tx.operations.end(old, OperationStatus.SUCCEEDED)
    with pytest.raises(Superseded), store.write() as tx:
        tx.operations.park(old, OperationStatus.WAITING, "", tx.now + HOUR)
    with pytest.raises(Superseded), store.write() as tx:
        tx.operations.undo(old, {"code": "internal"})
    assert look(store, operation) == now


def test_a_wake_up_before_the_parking_is_not_lost(store: Store) -> None:
    operation = queue(store)
    due = take(store, operation)
    with store.write() as tx:
        tx.operations.wake_resource(operation.resource_kind, operation.resource_id)
    with store.write() as tx:
        tx.operations.park(due, OperationStatus.WAITING, "for the guest", tx.now + HOUR)
    with store.read() as tx:
        assert tx.operations.runnable(10) == [due]


def test_what_is_parked_is_due_at_its_time(store: Store) -> None:
    operation = queue(store)
    due = take(store, operation)
    wake_at = SystemClock().now() + HOUR
    with store.write() as tx:
        tx.operations.park(due, OperationStatus.BLOCKED, "silent", wake_at, "h1")
    with store.read() as tx:
        assert tx.operations.runnable(10) == []
        assert tx.operations.next_wake() == wake_at
    with store.write() as tx:
        tx.operations.wake_host("h2")
    with store.read() as tx:
        assert tx.operations.runnable(10) == []
    with store.write() as tx:
        tx.operations.wake_host("h1")
    with store.read() as tx:
        assert tx.operations.runnable(10) == [due]


def test_the_end_releases_the_locks_and_refuses_a_cancel(store: Store) -> None:
    operation = queue(store)
    due = take(store, operation)
    host = builders.host()
    with store.write() as tx:
        tx.hosts.add(host)
        tx.hosts.lock(host.id, operation.id)
    with store.write() as tx:
        tx.operations.end(due, OperationStatus.SUCCEEDED)
    with store.read() as tx:
        assert tx.hosts.locked_by(host.id) is None
    with pytest.raises(WrongState), store.write() as tx:
        tx.operations.request_cancel(operation.id)


def test_old_operations_are_forgotten(store: Store) -> None:
    ended, running = queue(store), queue(store)
    due = take(store, ended)
    with store.write() as tx:
        tx.operations.end(due, OperationStatus.FAILED, {"code": "internal"})
    with store.write() as tx:
        assert tx.operations.prune(tx.now + HOUR) == 1
        assert tx.operations.unfinished() == {running.id}
