"""Claims never go over a capacity, whoever claims at once."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests import builders
from tests.conftest import NewUrl, open_store
from tests.threads import in_threads
from tests.unit.store.world import World

from zcloud.base.ids import new_id
from zcloud.domain.claims import BYTES, MEMORY_MIB, VCPUS, Claim, ProviderKind, ProviderRef, ProviderView
from zcloud.domain.errors import Busy, NoRoom, PoolFull
from zcloud.domain.people import Usage
from zcloud.domain.storage import GIB
from zcloud.store import GenerationMoved, Store, Tx


def host_ref() -> ProviderRef:
    return ProviderRef(ProviderKind.HOST, new_id())


def test_views_show_what_is_used(store: Store) -> None:
    host, pool = host_ref(), ProviderRef(ProviderKind.POOL, new_id())
    with store.write() as tx:
        tx.claims.set_capacity(host, {VCPUS: 8, MEMORY_MIB: 4096})
        tx.claims.set_capacity(pool, {BYTES: 100 * GIB})
        assert tx.claims.views(ProviderKind.HOST) == [ProviderView(host, 0, {VCPUS: 8, MEMORY_MIB: 4096}, {})]
        claims = [Claim(host, "a", VCPUS, 2), Claim(host, "b", VCPUS, 3), Claim(host, "a", MEMORY_MIB, 512)]
        tx.claims.claim({host: 0, pool: 0}, [*claims, Claim(pool, "a", BYTES, 60 * GIB)])
    with store.write() as tx:
        (view,) = tx.claims.views(ProviderKind.HOST)
        assert (view.generation, view.used, view.free(VCPUS)) == (1, {VCPUS: 5, MEMORY_MIB: 512}, 3)
        assert len(tx.claims.held_by("a")) == 3
        assert tx.claims.used_of_pools() == {pool.id: 60 * GIB}
        tx.claims.set_capacity(host, {VCPUS: 4})
        tx.claims.release("a", ProviderKind.HOST)
        assert tx.claims.held_by("a") == [Claim(pool, "a", BYTES, 60 * GIB)]
        tx.claims.release("a")
        assert tx.claims.views(ProviderKind.POOL)[0].used == {}
        assert tx.claims.views(ProviderKind.HOST) == [ProviderView(host, 1, {VCPUS: 4}, {VCPUS: 3})]
        tx.claims.remove_provider(host)
        assert not tx.claims.views(ProviderKind.HOST)
        assert not tx.claims.held_by("b")


def test_a_moved_generation_claims_nothing(store: Store) -> None:
    first, second = host_ref(), host_ref()
    with store.write() as tx:
        for ref in (first, second):
            tx.claims.set_capacity(ref, {VCPUS: 8})
        tx.claims.claim({second: 0}, [Claim(second, "a", VCPUS, 1)])
    with pytest.raises(GenerationMoved), store.write() as tx:
        tx.claims.claim({first: 0, second: 0}, [Claim(first, "b", VCPUS, 1), Claim(second, "b", VCPUS, 1)])
    with store.read() as tx:
        assert tx.claims.held_by("b") == []
        assert {view.ref: view.generation for view in tx.claims.views(ProviderKind.HOST)} == {first: 0, second: 1}


def test_the_sum_is_checked_even_at_the_right_generation(store: Store) -> None:
    host, pool = host_ref(), ProviderRef(ProviderKind.POOL, new_id())
    with store.write() as tx:
        tx.claims.set_capacity(host, {VCPUS: 2})
        tx.claims.set_capacity(pool, {BYTES: 10})
    for ref, resource, error in ((host, VCPUS, NoRoom), (host, MEMORY_MIB, NoRoom), (pool, BYTES, PoolFull)):
        with pytest.raises(error), store.write() as tx:
            tx.claims.claim({ref: 0}, [Claim(ref, "a", resource, 11)])
    with store.write() as tx:
        tx.claims.claim({host: 0}, [Claim(host, "a", VCPUS, 2)])
        tx.claims.claim({host: 1}, [Claim(host, "a", VCPUS, 1)])  # the step runs again with another size
        assert tx.claims.held_by("a") == [Claim(host, "a", VCPUS, 1)]
    with pytest.raises(ValueError, match="generation"), store.write() as tx:
        tx.claims.claim({}, [Claim(host, "a", VCPUS, 1)])


def place(tx: Tx, consumer: str, vcpus: int) -> None:
    """Take the first host with room, as a scheduler would; raises NoRoom."""
    for view in tx.claims.views(ProviderKind.HOST):
        if view.free(VCPUS) >= vcpus:
            tx.claims.claim({view.ref: view.generation}, [Claim(view.ref, consumer, VCPUS, vcpus)])
            return
    raise NoRoom("No host has room.")


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    hosts=st.lists(st.integers(1, 6), min_size=1, max_size=3),
    asked=st.lists(st.integers(1, 3), min_size=1, max_size=12),
)
def test_no_host_is_ever_overbooked(store: Store, hosts: list[int], asked: list[int]) -> None:
    asked = asked[:12]
    with store.write() as tx:
        for view in tx.claims.views(ProviderKind.HOST):
            tx.claims.remove_provider(view.ref)
        for vcpus in hosts:
            tx.claims.set_capacity(host_ref(), {VCPUS: vcpus})

    def attempt(vcpus: int) -> int:
        try:
            store.transact(lambda tx: place(tx, new_id(), vcpus))
        except NoRoom:
            return 0
        return vcpus

    got = in_threads([lambda vcpus=vcpus: attempt(vcpus) for vcpus in asked])  # type: ignore[misc]
    with store.read() as tx:
        views = tx.claims.views(ProviderKind.HOST)
    assert all(view.free(VCPUS) >= 0 for view in views)
    assert sum(view.used.get(VCPUS, 0) for view in views) == sum(got)
    refused = [vcpus for vcpus, taken in zip(asked, got, strict=True) if not taken]
    assert all(max(view.free(VCPUS) for view in views) < vcpus for vcpus in refused)


def test_fifty_at_once_and_room_for_forty(store: Store) -> None:
    host = host_ref()
    with store.write() as tx:
        tx.claims.set_capacity(host, {VCPUS: 40})

    def attempt() -> bool:
        try:
            store.transact(lambda tx: place(tx, new_id(), 1))
        except NoRoom:
            return False
        return True

    assert sum(in_threads([attempt] * 50)) == 40
    with store.read() as tx:
        assert tx.claims.views(ProviderKind.HOST) == [ProviderView(host, 40, {VCPUS: 40}, {VCPUS: 40})]


def test_whoever_never_gets_through_is_told(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zcloud.store.store._ATTEMPTS", 3)
    tries: list[Tx] = []

    def collide(tx: Tx) -> None:
        tries.append(tx)
        raise GenerationMoved("again")

    with pytest.raises(Busy, match="compete"):
        sqlite_store.transact(collide)
    assert len(tries) == 3


def test_two_that_wait_for_each_other_are_run_again(store: Store) -> None:
    hosts = builders.host(), builders.host()
    with store.write() as tx:
        for host in hosts:
            tx.hosts.add(host)
    attempts: list[str] = []
    both_began = threading.Barrier(2)

    def turn(tx: Tx, first: str, second: str) -> None:
        attempts.append(first)
        tx.hosts.update(first, bump=True)
        if len(attempts) <= 2 and tx.hosts._scope.is_postgres:
            both_began.wait(10)
        tx.hosts.update(second, bump=True)

    orders = [hosts, hosts[::-1]]
    in_threads([partial(store.transact, partial(turn, first=a.id, second=b.id)) for a, b in orders])
    with store.read() as tx:
        assert len(attempts) == (3 if tx.hosts._scope.is_postgres else 2)
        assert [tx.hosts.get(host.id).revision for host in hosts] == [3, 3]


def test_what_was_attempted_is_undone_alone(store: Store) -> None:
    host = host_ref()
    about = {"resource_kind": "host", "resource_id": host.id, "resource_name": "alpha"}
    with store.write() as tx:
        tx.claims.set_capacity(host, {VCPUS: 2})
        tx.events.add("before", **about)  # type: ignore[arg-type]
        for vcpus in (9, 1):
            with suppress(NoRoom), tx.attempt():
                tx.events.add(f"claim {vcpus}", **about)  # type: ignore[arg-type]
                tx.claims.claim({host: 0}, [Claim(host, "a", VCPUS, vcpus)])
    with store.read() as tx:
        assert tx.claims.views(ProviderKind.HOST) == [ProviderView(host, 1, {VCPUS: 2}, {VCPUS: 1})]
        assert [each.kind for each in tx.events.after(0)] == ["before", "claim 1"]


def test_a_process_that_was_stopped_too_long_runs_its_transaction_again(new_postgresql: NewUrl) -> None:
    store = open_store(new_postgresql())
    attempts: list[Tx] = []

    def stand_still(tx: Tx) -> None:
        attempts.append(tx)
        tx.settings.put("attempts", len(attempts))
        if len(attempts) == 1:
            tx._scope.connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 50")
            time.sleep(0.5)
        tx.settings.put("done", True)

    store.transact(stand_still)
    with store.read() as tx:
        assert tx._scope.connection.exec_driver_sql("SHOW idle_in_transaction_session_timeout").scalar() == "10s"
        assert tx.settings.get("attempts") == 2
    store.close()


def test_a_quota_is_not_passed_twice(store: Store) -> None:
    world = World(store)

    def attempt() -> bool:
        def create(tx: Tx) -> bool:
            if tx.claims.totals_by_project(world.project.id).instances >= 3:
                return False
            tx.instances.add(world.instance())
            return True

        return store.transact(create)

    assert sum(in_threads([attempt] * 10)) == 3
    with store.write() as tx:
        tx.volumes.add(builders.volume(world.project.id, world.pool.id, size=5 * GIB))
        assert tx.claims.totals_by_project(world.project.id) == Usage(3, 3, 1536, 5 * GIB)
        assert tx.claims.totals_by_project(new_id()) == Usage(0, 0, 0, 0)
