"""Events and audit are numbered without gaps, in the order of their commits."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from tests import builders
from tests.threads import in_threads

from zcloud.domain.operation import Event
from zcloud.store import Store, Tx


def happen(tx: Tx, kind: str, *, project_id: str | None = None, resource_id: str = "r") -> None:
    tx.events.add(
        kind, resource_kind="instance", resource_id=resource_id, resource_name="web", project_id=project_id,
        actor="alice", message="It runs.", data={"state": "running"},
    )  # fmt: skip


def test_an_event_survives(store: Store) -> None:
    with store.write() as tx:
        happen(tx, "instance.state", project_id="p")
        now = tx.now
    with store.read() as tx:
        (event,) = tx.events.after(0)
    about = ("p", "instance", "r", "web", "alice", "It runs.", {"state": "running"})
    assert event == Event(1, now, "instance.state", *about)


def test_filters(store: Store) -> None:
    with store.write() as tx:
        assert (tx.events.first_seq(), tx.events.last_seq()) == (1, 0)
        for kind, project in (
            ("instance.state", "p"),
            ("instance.ready", "q"),
            ("host.lost", None),
            ("instancex", "p"),
        ):
            happen(tx, kind, project_id=project, resource_id=kind)
    with store.read() as tx:
        assert [each.seq for each in tx.events.after(0)] == [1, 2, 3, 4]
        assert [each.seq for each in tx.events.after(1, limit=2)] == [2, 3]
        assert [each.seq for each in tx.events.after(0, project_ids={"p"})] == [1, 4]
        assert [each.seq for each in tx.events.after(0, project_ids=set())] == []
        assert [each.seq for each in tx.events.after(0, kinds=["instance.", "host.lost"])] == [1, 2, 3]
        assert [each.seq for each in tx.events.after(0, resource_id="host.lost")] == [3]
        assert [each.seq for each in tx.events.newest(5, resource_id="host.lost")] == [3]
        assert tx.events.touched(2, 9, None) == [(3, "instance", "host.lost"), (4, "instance", "instancex")]
        assert [seq for seq, _, _ in tx.events.touched(0, 9, {"p"})] == [1, 4]
        assert [seq for seq, _, _ in tx.events.touched(0, 2, None)] == [1, 2]
        assert tx.events.newest(5, resource_id="host.lost", project_ids=set()) == []
        later = tx.now + timedelta(seconds=1)
    with store.write() as tx:
        assert tx.events.prune(later, 100) == 4
        assert (tx.events.first_seq(), tx.events.last_seq()) == (5, 4)
        happen(tx, "next")
    with store.read() as tx:
        assert [each.seq for each in tx.events.after(0)] == [5]


def test_what_is_undone_leaves_no_gap(store: Store) -> None:
    for fails in (False, True, False):
        try:
            with store.write() as tx:
                happen(tx, "x")
                tx.audit.add("POST /v1/x", actor="alice", outcome="ok")
                if fails:
                    raise ZeroDivisionError
        except ZeroDivisionError:
            pass
    with store.read() as tx:
        assert [each.seq for each in tx.events.after(0)] == [1, 2]
        assert [each.seq for each in tx.audit.before()] == [2, 1]


def test_a_reader_that_follows_misses_nothing(store: Store) -> None:
    """Writers commit in any order and some are undone; who reads after the last number seen gets every event."""
    writers, each_writes = 12, 15
    over = threading.Event()

    def write(name: int) -> None:
        for turn in range(each_writes):
            try:
                with store.write() as tx:
                    tx.projects.add(builders.project())
                    happen(tx, f"{name}.{turn}.a")
                    happen(tx, f"{name}.{turn}.b")
                    if turn % 5 == 4:
                        raise ZeroDivisionError
            except ZeroDivisionError:
                pass

    def follow() -> list[Event]:
        seen: list[Event] = []
        while True:
            last = over.is_set()
            with store.read() as tx:
                seen += tx.events.after(seen[-1].seq if seen else 0, limit=7)
                if last and tx.events.last_seq() == (seen[-1].seq if seen else 0):
                    return seen

    def write_all() -> list[Event]:
        in_threads([lambda name=name: write(name) for name in range(writers)])  # type: ignore[misc]
        over.set()
        return []

    seen, _ = in_threads([follow, write_all])
    expected = writers * each_writes * 4 // 5 * 2
    assert [event.seq for event in seen] == list(range(1, expected + 1))
    kinds = [event.kind for event in seen]
    assert len(set(kinds)) == expected
    assert all(kinds[at][:-1] == kinds[at + 1][:-1] for at in range(0, expected, 2)), "a transaction was torn apart"


def test_audit(store: Store) -> None:
    with store.write() as tx:
        for actor in ("alice", "bob", "alice"):
            tx.audit.add(
                "POST /v1/instances", actor=actor, outcome="ok", address="192.0.2.1", request_id="r", detail="d"
            )
        assert tx.audit.last_seq() == 0
    with store.read() as tx:
        assert [(each.seq, each.actor) for each in tx.audit.before(3)] == [(2, "bob"), (1, "alice")]
        assert [each.seq for each in tx.audit.before(actor="alice", limit=1)] == [3]
        assert tx.audit.last_seq() == 3
        later = tx.now + timedelta(seconds=1)
    with store.write() as tx:
        assert tx.audit.prune(later, 100) == 3


@pytest.mark.parametrize("topic", ["events", "operations"])
def test_subscribers_are_told_after_the_commit(store: Store, topic: str) -> None:
    told = threading.Event()
    other = threading.Event()
    cancel = store.signals.subscribe(topic, told.set)
    store.signals.subscribe("other", other.set)
    wait_for_silence(told)
    other.clear()

    def act(tx: Tx) -> None:
        if topic == "events":
            happen(tx, "x")
        else:
            tx.operations.add(builders.operation())

    with store.write() as tx:
        act(tx)
        assert not told.wait(0.05)
    assert told.wait(5)
    assert not other.is_set()
    wait_for_silence(told)
    with pytest.raises(ZeroDivisionError), store.write() as tx:  # noqa: PT012 - the error has to be inside
        act(tx)
        raise ZeroDivisionError
    with store.write() as tx:
        tx.projects.add(builders.project())
    assert not told.wait(0.2), "told of what was undone, or of something else"
    cancel()
    store.transact(act)
    assert not told.wait(0.2)


def wait_for_silence(told: threading.Event) -> None:
    """PostgreSQL's listener fires once when it begins to listen."""
    while told.wait(0.1):
        told.clear()


def test_a_subscriber_that_fails_does_not_reach_the_writer(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    told = threading.Event()

    def fail() -> None:
        raise ZeroDivisionError

    store.signals.subscribe("events", fail)
    store.signals.subscribe("events", told.set)
    with store.write() as tx:
        happen(tx, "x")
    assert told.wait(5)
    assert "a subscriber failed" in caplog.text


def test_what_is_forgotten_leaves_no_gap(store: Store) -> None:
    """The oldest go first, whatever their age says, in portions; what is left is whole."""
    for _ in range(10):
        store.transact(lambda tx: happen(tx, "host.up"))
    with store.write() as tx:
        ancient = tx.now - timedelta(days=9)
        assert tx.events.prune(ancient, 100) == 0
        assert tx.events.prune(ancient, 7, limit=2) == 2
        assert tx.events.prune(ancient, 7, limit=2) == 1
        assert tx.events.prune(ancient, 7, limit=2) == 0
    with store.read() as tx:
        assert [each.seq for each in tx.events.after(0)] == [4, 5, 6, 7, 8, 9, 10]
        assert [tx.events.missed(seq) for seq in (1, 2, 3, 10, 11)] == [True, True, False, False, True]
    with store.write() as tx:
        assert tx.events.prune(tx.now + timedelta(seconds=1), 100) == 7
    with store.read() as tx:
        assert (tx.events.first_seq(), tx.events.missed(9), tx.events.missed(10)) == (11, True, False)
