"""The observer as a whole: what it sees, when, and that one at a time is active."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from tests import builders
from tests.conftest import NewUrl, open_store
from tests.unit.observer.conftest import FAST, Watched, wait_for

from zcloud.base.clock import SystemClock
from zcloud.base.config import Observer as Settings
from zcloud.domain.errors import NotFound
from zcloud.domain.host import HostState
from zcloud.domain.instance import InstanceStatus, Ready
from zcloud.domain.samples import unpack
from zcloud.domain.storage import PoolState
from zcloud.drivers import registry
from zcloud.drivers.network.guard import Guard
from zcloud.drivers.network.guard_rules import Difference, GuardedPort
from zcloud.observer.heal import Healer
from zcloud.observer.lease import Lease
from zcloud.ports import DomainState
from zcloud.store import OBSERVER_LEASE
from zcloud.testing.cloud import ADMIN


@contextmanager
def observing(watched: Watched, settings: Settings = FAST) -> Iterator[None]:
    observer = watched.observer(settings)
    observer.start()
    try:
        wait_for(lambda: observer.active and watched.hypervisor.calls["list_domains"])
        yield
    finally:
        observer.stop()


def status(watched: Watched, expected: InstanceStatus) -> bool:
    return watched.instance().status is expected


def test_an_event_is_followed_by_a_look(watched: Watched) -> None:
    instance = watched.launch()
    with observing(watched):
        watched.hypervisor.crash(instance.id)
        wait_for(lambda: status(watched, InstanceStatus.STOPPED))
        watched.hypervisor.start(instance.id)
        wait_for(lambda: status(watched, InstanceStatus.RUNNING))
        watched.hypervisor.define(watched.hypervisor.domains[instance.id].xml.replace("<title>", "<title>x"))
        wait_for(lambda: watched.events("drift.definition"))
        watched.hypervisor.destroy(instance.id)
        watched.hypervisor.undefine(instance.id)
        wait_for(lambda: status(watched, InstanceStatus.MISSING))


def test_a_lost_event_is_made_up_for_by_the_listing(watched: Watched) -> None:
    instance = watched.launch()
    with observing(watched, Settings(interval_s=0.3, lease_s=2.0)):
        watched.hypervisor.domains[instance.id].state = DomainState.SHUTOFF  # and no event
        wait_for(lambda: status(watched, InstanceStatus.STOPPED))


def test_events_lost_with_the_connection(watched: Watched) -> None:
    """What happened while the host was away is read from listing and definitions when it is back."""
    one, two = watched.launch("one"), watched.launch("two")
    with observing(watched):
        watched.pool.set(watched.host_id, HostState.LOST, "ssh is silent")
        wait_for(lambda: watched.events("host.lost"))
        watched.hypervisor.domains[one.id].state = DomainState.SHUTOFF
        domain = watched.hypervisor.domains[two.id]
        domain.xml = domain.xml.replace("<title>", "<title>edited ")
        assert watched.instance("one").status is InstanceStatus.RUNNING
        watched.pool.set(watched.host_id, HostState.UP)
        wait_for(lambda: watched.instance("one").status is InstanceStatus.STOPPED)
        wait_for(lambda: watched.events("drift.definition"))
        assert watched.events("host.lost") == ["alpha is lost: ssh is silent"]
        assert watched.events("host.up") == ["alpha is up."]


def test_a_host_that_was_not_reached_yet_is_not_called_lost(watched: Watched) -> None:
    watched.pool.set(watched.host_id, None)
    observer = watched.observer()
    observer.start()
    wait_for(lambda: observer.active)
    watched.pool.set(watched.host_id, HostState.UP)
    wait_for(lambda: watched.hypervisor.calls["list_domains"])
    observer.stop()
    assert watched.events("host.lost") == []


def test_degraded_is_told_once_and_its_reason_kept_fresh(watched: Watched) -> None:
    with observing(watched):
        for reason in ("libvirt is silent", "libvirt takes no connection"):
            watched.pool.set(watched.host_id, HostState.DEGRADED, reason)
            wait_for(lambda reason=reason: _host(watched).state_reason == reason)  # type: ignore[misc]
        assert _host(watched).state is HostState.DEGRADED
        assert len(watched.events("host.degraded")) == 1


def _host(watched: Watched):  # type: ignore[no-untyped-def]
    return watched.cloud.read(lambda tx: tx.hosts.get(watched.host_id))


def test_a_full_pool_pauses_and_space_lets_go_on(watched: Watched) -> None:
    instance = watched.launch()
    disk = watched.link.shell.disk
    with observing(watched, Settings(interval_s=0.2, lease_s=2.0)):
        disk.used = disk.total
        watched.hypervisor.pause(instance.id)
        wait_for(lambda: status(watched, InstanceStatus.PAUSED))
        assert "no space is left" in watched.instance().observed["power_detail"]
        disk.used = 0
        wait_for(lambda: status(watched, InstanceStatus.RUNNING))
        assert watched.instance().observed["paused_for"] == ""


def test_paused_by_hand_stays_paused(watched: Watched) -> None:
    instance = watched.launch()
    with observing(watched, Settings(interval_s=0.2, lease_s=2.0)):
        watched.hypervisor.pause(instance.id, "user")
        wait_for(lambda: status(watched, InstanceStatus.PAUSED))
        ticks = watched.hypervisor.calls["stats"]
        wait_for(lambda: watched.hypervisor.calls["stats"] > ticks + 2)
        assert status(watched, InstanceStatus.PAUSED)


def test_one_pool_in_trouble_does_not_stop_the_counters(watched: Watched) -> None:
    watched.launch()
    watched.cloud.store.transact(
        lambda tx: [
            tx.pools.update(each.id, options={"path": "/gone"}, state=PoolState.READY) for each in tx.pools.all()
        ]
    )
    with observing(watched, Settings(interval_s=0.2, lease_s=2.0)):
        wait_for(lambda: watched.cloud.read(lambda tx: tx.samples.times(watched.host_id, tx.now - timedelta(hours=1))))


def test_a_tick_has_the_host_s_own_counters_and_each_guest_s(watched: Watched) -> None:
    instance = watched.launch()
    with observing(watched, Settings(interval_s=0.2, lease_s=2.0)):
        blob = wait_for(lambda: watched.cloud.read(lambda tx: tx.samples.latest(watched.host_id, builders.NOW)))
    assert blob is not None
    rows = {row["id"]: row for row in unpack(blob)}
    assert rows.keys() == {watched.host_id, instance.id}
    assert rows[watched.host_id]["idle_ns"] > rows[watched.host_id]["user_ns"]
    assert watched.cloud.read(lambda tx: tx.samples.latest(watched.host_id, tx.now + timedelta(hours=1))) is None


def test_a_guest_that_is_never_ready_fails_at_its_deadline(watched: Watched) -> None:
    instance = watched.launch()
    watched.hypervisor.silent.add(instance.id)
    with observing(watched):
        wait_for(lambda: watched.instance().ready_detail)
        assert watched.instance().ready is Ready.WAITING
        watched.cloud.store.transact(lambda tx: tx.instances.update(instance.id, ready_deadline=tx.now))
        wait_for(lambda: watched.instance().ready is Ready.FAILED)
    assert "Not ready in time" in watched.instance().ready_detail


def test_a_guest_deleted_while_it_is_asked_is_no_trouble(
    watched: Watched, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look at guests that are not ready goes on with the next one, and nothing of it is in the log."""
    gone, other = watched.launch("gone"), watched.launch("other")
    watched.hypervisor.silent.add(other.id)
    ask = watched.hypervisor.agent

    def vanish(uuid: str, command: str, *rest: Any, **options: Any) -> Any:
        if uuid == gone.id and command != "guest-ping":
            raise NotFound(f"libvirt has no domain {uuid}.")
        return ask(uuid, command, *rest, **options)

    monkeypatch.setattr(watched.hypervisor, "agent", vanish)
    with observing(watched):
        wait_for(lambda: watched.instance("other").ready_detail)
    assert [each.message for each in caplog.records if "failed" in each.message] == []


def test_what_was_taken_away_by_hand_is_put_back(watched: Watched) -> None:
    watched.launch()
    [port] = watched.cloud.read(lambda tx: tx.ports.on_host(watched.host_id))
    [network] = watched.cloud.read(lambda tx: tx.networks.all())
    driver, guard = registry.network(network, watched.link), registry.guard(watched.link)
    with observing(watched, Settings(heal_interval_s=0.2, lease_s=2.0)):
        guard.remove()
        wait_for(lambda: guard.elements() == registry.guarded(network, port).elements())
        wait_for(lambda: watched.events("host.healed"))
        for lease in watched.link.shell.list_files(f"/var/lib/libvirt/dnsmasq/zcloud/{network.id}"):
            watched.link.shell.remove(lease.path)
        assert driver.lacking([port]) == [port]
        wait_for(lambda: driver.lacking([port]) == [])
        wait_for(lambda: len(watched.events("host.healed")) == 2)
    assert port.tap in watched.events("host.healed")[0]
    assert port.address in watched.events("host.healed")[1]


def test_what_is_put_back_for_an_instance_that_is_deleted_meanwhile_goes_again(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = watched.launch()
    [network] = watched.cloud.read(lambda tx: tx.networks.all())
    driver, guard = registry.network(network, watched.link), registry.guard(watched.link)
    compare, healer = Guard.compare_ports, Healer(watched.cloud.store)

    def delete_first(self: Guard, expected: Iterable[GuardedPort]) -> Difference:
        monkeypatch.undo()
        watched.cloud.wait(watched.cloud.instances.delete(ADMIN, "", instance.id))
        return compare(self, expected)

    monkeypatch.setattr(Guard, "compare_ports", delete_first)
    healer.run(watched.host_id, watched.link)
    assert driver.list_ports() != frozenset()  # a healer cannot know
    healer.run(watched.host_id, watched.link)
    assert not guard.elements()
    assert not driver.list_ports()


def test_loosened_elements_of_our_ports_go_and_strange_taps_stay(watched: Watched) -> None:
    watched.launch()
    [port] = watched.cloud.read(lambda tx: tx.ports.on_host(watched.host_id))
    guard = registry.guard(watched.link)
    lines = [f'add element bridge zcloud macs {{ "{tap}" . 52:54:00:00:00:99 }}' for tap in (port.tap, "zc00000000000")]
    watched.link.shell.nft.apply("\n".join(lines))
    with observing(watched, Settings(heal_interval_s=0.2, lease_s=2.0)):
        wait_for(lambda: watched.events("host.healed"))
    taps = {element.key for element in guard.elements() if element.set == "macs"}
    assert taps == {(port.tap, port.mac), ("zc00000000000", "52:54:00:00:00:99")}


def test_a_host_that_left_is_forgotten(watched: Watched) -> None:
    with observing(watched):
        watched.cloud.store.transact(lambda tx: tx.hosts.update(watched.host_id, state=HostState.REMOVING))
        wait_for(lambda: watched.pool.forgotten == [watched.host_id])


def test_usage_comes_from_the_samples(watched: Watched) -> None:
    watched.launch()
    with observing(watched, Settings(interval_s=0.2, lease_s=2.0)):
        usage = wait_for(lambda: _usage_of_two_ticks(watched))
    assert usage.now.cpu == 0.0
    assert usage.hour[-1].seconds > 0


def _usage_of_two_ticks(watched: Watched):  # type: ignore[no-untyped-def]
    usage = watched.cloud.instances.usage(ADMIN, "", "web")
    return usage if usage.now is not None else None


# -- one at a time ----------------------------------------------------------------------------


def test_one_of_two_observers_is_active(watched: Watched) -> None:
    first, second = watched.observer(), watched.observer()
    first.start()
    wait_for(lambda: first.active)
    second.start()
    with pytest.raises(TimeoutError):
        wait_for(lambda: second.active, 1.0)
    instance = watched.launch()
    watched.hypervisor.crash(instance.id)
    wait_for(lambda: watched.events("instance.stopped"))
    first.stop()
    wait_for(lambda: second.active)
    watched.hypervisor.start(instance.id)
    wait_for(lambda: watched.events("drift.power"))
    second.stop()
    assert len(watched.events("instance.stopped")) == len(watched.events("drift.power")) == 1


class Hand:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._real = SystemClock()
        self._began = self._real.now()

    def now(self):  # type: ignore[no-untyped-def]
        return self._began + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self._real.sleep(seconds)


def test_a_lease_is_taken_over_when_its_heartbeat_ran_out(new_url: NewUrl) -> None:
    url = new_url()
    one, two = open_store(url), open_store(url)
    hand = Hand()
    first, second = Lease(one, hand, 4.0), Lease(two, hand, 4.0)
    assert first.hold()
    for _ in range(20):  # as long as the first renews, the second waits
        hand.seconds += 1.0
        assert first.hold()
        assert not second.hold()
    took = 0.0
    while not second.hold():  # the first is silent
        hand.seconds += 0.5
        took += 0.5
    assert 3.0 < took <= 6.0
    assert not first.hold()  # it wakes up, and knows
    second.release()
    hand.seconds += 1.0
    assert first.hold()
    one.close()
    two.close()


def test_a_lease_of_a_process_that_is_gone_is_taken_at_once(new_url: NewUrl) -> None:
    store = open_store(new_url())
    hand = Hand()
    dead = os.fork()
    if dead == 0:
        os._exit(0)
    os.waitpid(dead, 0)
    Lease(store, hand, 60.0).hold()
    row = store.transact(lambda tx: tx.settings.get(OBSERVER_LEASE))
    store.transact(lambda tx: tx.settings.put(OBSERVER_LEASE, {**row, "pid": dead}))
    assert Lease(store, hand, 60.0).hold()
    store.close()
