"""What is old enough is forgotten, in portions that no writer waits long for; what still lives is not."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests import builders

from zcloud.base.config import Retention
from zcloud.domain.operation import OperationStatus
from zcloud.observer.chores import Chore, Chores
from zcloud.observer.retention import prune
from zcloud.store import Store, Tx

OLD = timedelta(days=100)


def _fill(tx: Tx) -> None:
    for age, status in (
        (OLD, OperationStatus.SUCCEEDED),
        (OLD, OperationStatus.BLOCKED),
        (timedelta(), OperationStatus.FAILED),
    ):
        ended = None if status is OperationStatus.BLOCKED else tx.now - age
        tx.operations.add(builders.operation(status=status, ended_at=ended))
    for number in range(25):
        tx.samples.add("h", tx.now - timedelta(hours=number), b"x")
        tx.audit.add("POST /", actor="a", outcome="ok")
        tx.events.add("host.up", resource_kind="host", resource_id="h", resource_name="h")


def test_in_portions(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.transact(_fill)
    writes = 0
    transact = store.transact

    def counted(work: object) -> object:
        nonlocal writes
        writes += 1
        return transact(work)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "transact", counted)
    prune(store, Retention(samples_h=10, events_rows=7, audit_rows=12), portion=4)
    with store.read() as tx:
        assert len(tx.samples.times("h", tx.now - OLD)) == 10
        assert [each.seq for each in tx.events.after(0)] == list(range(19, 26))
        assert [each.seq for each in tx.audit.before()] == list(range(25, 13, -1))
        left = {each.status for each in tx.operations.page(sort="created_at").items}
        assert left == {OperationStatus.BLOCKED, OperationStatus.FAILED}
    assert writes >= 15 / 4 + 18 / 4 + 13 / 4


def test_a_chore_that_fails_is_tried_again() -> None:
    class Now:
        """An executor that runs at once."""

        def submit(self, work: object, *arguments: object) -> object:
            from concurrent.futures import Future  # noqa: PLC0415

            done: Future[None] = Future()
            work(*arguments)  # type: ignore[operator]
            done.set_result(None)
            return done

    tried: list[str] = []

    def fail() -> None:
        tried.append("fail")
        raise OSError("no")

    chores = Chores([Chore("a", 10, fail), Chore("b", 1, lambda: tried.append("b"))], Now())  # type: ignore[arg-type]
    for now in (100.0, 100.5, 101.0, 110.0):
        chores.begin_due(now)
    assert tried == ["fail", "b", "b", "fail", "b"]
