"""A host that boots: what ran on it before runs again, once, as each instance wants it."""

from __future__ import annotations

import pytest
from tests import builders
from tests.unit.observer.conftest import Watched, wait_for

from zcloud.domain.boot import comes_back, starting_order, stopping_order
from zcloud.domain.host import HostState
from zcloud.domain.instance import Instance, InstanceStatus, OnBoot, Power
from zcloud.domain.operation import OperationStatus
from zcloud.ports import DomainState
from zcloud.services.guests import Guests
from zcloud.store import Tx
from zcloud.testing.cloud import ADMIN

BOOT = "cat /proc/sys/kernel/random/boot_id"
_S = InstanceStatus


def made(**changes: object) -> Instance:
    return builders.instance("p", "h", "i", **{"status": _S.RUNNING, "desired": Power.RUNNING, **changes})


@pytest.mark.parametrize(
    ("instance", "back"),
    [
        (made(), True),
        (made(status=_S.PAUSED), True),
        (made(status=_S.STOPPED), False),  # its guest had shut itself down
        (made(status=_S.STOPPED, desired=Power.STOPPED), False),
        (made(operation_id="o"), False),
        (made(on_boot=OnBoot.STAY_OFF), False),
        (made(on_boot=OnBoot.START, status=_S.STOPPED, desired=Power.STOPPED), True),
        (made(on_boot=OnBoot.START, status=_S.ERROR, machine=""), False),
    ],
)
def test_who_comes_back(instance: Instance, back: bool) -> None:
    assert comes_back(instance) is back


def test_what_was_started_first_is_started_first_and_stopped_last() -> None:
    times = [builders.NOW.replace(hour=hour) for hour in (9, 7, 8)]
    instances = [made(started_at=each) for each in times]
    assert [each.started_at for each in starting_order(instances)] == sorted(times)
    assert stopping_order(instances) == starting_order(instances)[::-1]


def boot(watched: Watched, name: str) -> None:
    """Take the power of the host and let it come up again."""
    watched.pool.set(watched.host_id, HostState.LOST, "no answer")
    wait_for(lambda: watched.cloud.read(lambda tx: tx.hosts.get(watched.host_id).state) is HostState.LOST, 30)
    for domain in watched.hypervisor.domains.values():
        domain.state = DomainState.SHUTOFF
    watched.link.shell.answers[BOOT] = f"{name}\n".encode()
    watched.pool.set(watched.host_id, HostState.UP)


def test_what_ran_runs_again_after_the_host_booted(watched: Watched) -> None:
    watched.link.shell.answers[BOOT] = b"first\n"
    watched.launch("web")
    watched.launch("off", on_boot=OnBoot.STAY_OFF)
    observer = watched.observer()
    observer.start()
    try:
        wait_for(lambda: watched.cloud.read(lambda tx: tx.hosts.get(watched.host_id).boot_id) == "first", 30)
        boot(watched, "second")
        wait_for(lambda: watched.instance("web").incarnation == 2 and watched.instance("web").status is _S.RUNNING, 30)
        wait_for(lambda: watched.instance("off").status is _S.STOPPED, 30)
        assert watched.instance("web").down_with == ""
        assert watched.events("host.booted") == [
            "alpha was booted; 1 of its instances ran before and are to run again."
        ]
        assert "web is off: it went down with its host." in watched.events("instance.stopped")
    finally:
        observer.stop()
    assert watched.instance("off").incarnation == 1


def test_guests_that_were_stopped_with_the_host_wait_for_its_next_boot(watched: Watched) -> None:
    watched.link.shell.answers[BOOT] = b"first\n"
    guests = Guests(watched.cloud.services)
    watched.launch("web")
    watched.launch("off", on_boot=OnBoot.STAY_OFF)
    watched.launch("idle", start=False)
    observer = watched.observer()
    observer.start()
    try:
        wait_for(lambda: watched.cloud.read(lambda tx: tx.hosts.get(watched.host_id).boot_id) == "first", 30)
        stopped = guests.stop(ADMIN, "alpha", 30)
        assert [each.resource_name for each in stopped] == ["off", "web"]
        for each in stopped:
            assert watched.cloud.wait(each).status is OperationStatus.SUCCEEDED
        web = watched.instance("web")
        assert (web.status, web.desired, web.down_with) == (_S.STOPPED, Power.RUNNING, "first")
        assert guests.resume() == []
        assert watched.instance("web").incarnation == 1
        boot(watched, "second")
        wait_for(lambda: watched.instance("web").incarnation == 2 and watched.instance("web").status is _S.RUNNING, 30)
    finally:
        observer.stop()
    assert [watched.instance(name).status for name in ("off", "idle")] == [_S.STOPPED, _S.STOPPED]


def test_a_shutdown_that_was_called_off_is_undone_by_hand(watched: Watched) -> None:
    guests = Guests(watched.cloud.services)
    watched.cloud.store.transact(lambda tx: tx.hosts.update(watched.host_id, boot_id="first"))
    watched.launch("web")
    for each in guests.stop(ADMIN, "alpha", 30):
        watched.cloud.wait(each)
    (again,) = guests.start(ADMIN, "alpha")
    assert watched.cloud.wait(again).status is OperationStatus.SUCCEEDED
    assert watched.instance("web").status is _S.RUNNING
    assert guests.start(ADMIN, "alpha") == []


def test_what_there_is_no_room_for_is_told_once(watched: Watched) -> None:
    guests = Guests(watched.cloud.services)
    web = watched.launch("web")
    watched.hypervisor.shutdown(web.id)

    def down(tx: Tx) -> None:
        tx.hosts.update(watched.host_id, boot_id="second")
        tx.instances.update(web.id, status=_S.STOPPED, down_with="first", memory_mib=1 << 30)

    watched.cloud.store.transact(down)
    assert guests.resume() == []
    assert guests.resume() == []
    (told,) = watched.events("instance.not_resumed")
    assert told.startswith("web ran before its host went down and was not started again: ")
