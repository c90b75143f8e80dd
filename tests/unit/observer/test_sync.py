"""What happens behind zcloud's back is recorded, told once, and never touched."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from sqlalchemy import Engine, event
from tests import builders
from tests.unit.observer.conftest import Watched

from zcloud.domain.claims import MEMORY_MIB, VCPUS
from zcloud.domain.errors import HypervisorFailed
from zcloud.domain.instance import InstanceSpec, InstanceStatus, Power, Ready
from zcloud.observer.sync import PowerSync
from zcloud.observer.tick import Tick
from zcloud.ports import DomainFacts, DomainState
from zcloud.store import Store, Tx
from zcloud.testing.cloud import ADMIN
from zcloud.testing.fakes import FakeHypervisor

CHANGING = ("define", "undefine", "start", "shutdown", "destroy", "resume")


@pytest.fixture
def sync(watched: Watched) -> Callable[[], bool]:
    """Give what looks at the host once."""
    power = PowerSync(watched.cloud.store)
    watched.hypervisor.subscribe(lambda seen: _note(power, seen.kind, seen.uuid, seen.detail))
    return lambda: power.run(watched.host_id, watched.hypervisor)


def _note(power: PowerSync, kind: str, uuid: str, detail: str) -> None:
    if kind == "io_error":
        power.note_io_error(uuid, detail)


def touched(watched: Watched) -> dict[str, int]:
    return {verb: watched.hypervisor.calls[verb] for verb in CHANGING}


def test_nothing_changed_nothing_written(watched: Watched, sync: Callable[[], bool]) -> None:
    before = watched.launch()
    with statements() as seen:
        assert not sync()
    assert watched.instance() == before
    assert not [each for each in seen if not each.startswith(("SELECT", "BEGIN"))]


def test_a_guest_shuts_itself_down(watched: Watched, sync: Callable[[], bool]) -> None:
    instance = watched.launch()
    assert watched.claims() == {VCPUS: 1, MEMORY_MIB: 256}
    watched.hypervisor.shutdown(instance.id)
    before = touched(watched)
    sync()
    now = watched.instance()
    assert (now.status, now.desired, now.ready) == (InstanceStatus.STOPPED, Power.RUNNING, Ready.NONE)
    assert now.revision == instance.revision
    assert not any(watched.claims().values())
    assert watched.events("instance.stopped") == ["web is off: the guest shut itself down."]
    sync()
    assert len(watched.events("instance.stopped")) == 1
    assert touched(watched) == before


def test_started_behind_our_back_is_claimed_and_awaited(watched: Watched, sync: Callable[[], bool]) -> None:
    instance = watched.launch()
    watched.cloud.wait(watched.cloud.instances.stop(ADMIN, "", "web"))
    watched.hypervisor.start(instance.id)
    before = touched(watched)
    sync()
    now = watched.instance()
    assert (now.status, now.desired, now.ready) == (InstanceStatus.RUNNING, Power.STOPPED, Ready.WAITING)
    assert now.ready_deadline is not None
    assert watched.claims() == {VCPUS: 1, MEMORY_MIB: 256}
    assert watched.events("drift.power") == ["web was started outside zcloud."]
    assert touched(watched) == before


def test_started_behind_our_back_without_room_says_so(watched: Watched, sync: Callable[[], bool]) -> None:
    instance = watched.launch()
    watched.cloud.wait(watched.cloud.instances.stop(ADMIN, "", "web"))
    watched.cloud.store.transact(lambda tx: _shrink(tx, watched.host_id))
    watched.hypervisor.start(instance.id)
    sync()
    assert watched.instance().observed["unclaimed"] is True
    assert not any(watched.claims().values())
    watched.hypervisor.destroy(instance.id)
    sync()
    assert watched.instance().status is InstanceStatus.STOPPED


def _shrink(tx: Tx, host_id: str) -> None:
    tx.claims.set_capacity(tx.hosts.get(host_id).ref, {VCPUS: 0, MEMORY_MIB: 0})


@pytest.mark.parametrize(
    ("deed", "status", "kind"),
    [
        (lambda hypervisor, uuid: hypervisor.destroy(uuid), InstanceStatus.STOPPED, "instance.stopped"),
        (lambda hypervisor, uuid: hypervisor.crash(uuid), InstanceStatus.STOPPED, "instance.stopped"),
        (lambda hypervisor, uuid: hypervisor.pause(uuid, "user"), InstanceStatus.PAUSED, "drift.power"),
        (lambda hypervisor, uuid: hypervisor.pause(uuid), InstanceStatus.PAUSED, "instance.io_error"),
        (
            lambda hypervisor, uuid: (hypervisor.destroy(uuid), hypervisor.undefine(uuid)),
            InstanceStatus.MISSING,
            "drift.deleted",
        ),
    ],
    ids=["destroyed", "crashed", "paused", "full", "deleted"],
)
def test_recorded_shown_never_touched(
    watched: Watched,
    sync: Callable[[], bool],
    deed: Callable[[FakeHypervisor, str], object],
    status: InstanceStatus,
    kind: str,
) -> None:
    instance = watched.launch()
    deed(watched.hypervisor, instance.id)
    before = touched(watched)
    for _ in range(3):
        sync()
    now = watched.instance()
    assert now.status is status
    assert now.observed["power_detail"] == watched.events(kind)[0]
    assert len(watched.events(kind)) == 1
    assert touched(watched) == before


def test_redefined_behind_our_back(watched: Watched) -> None:
    instance = watched.launch()
    hypervisor, sync = watched.hypervisor, PowerSync(watched.cloud.store)
    assert sync.definitions(watched.host_id) == {instance.id}
    assert not sync.check_definition(instance.id, hypervisor)
    assert watched.events("drift.definition") == []
    hypervisor.define(hypervisor.domains[instance.id].xml.replace("<title>", "<title>edited "))
    edited, before = hypervisor.domains[instance.id].xml, touched(watched)
    watched.cloud.store.transact(lambda tx: tx.instances.lock(instance.id, "op"))
    assert sync.check_definition(instance.id, hypervisor)  # again, when the operation is done
    watched.cloud.store.transact(lambda tx: tx.instances.unlock(instance.id, "op"))
    for _ in range(2):
        assert not sync.check_definition(instance.id, hypervisor)
    assert len(watched.events("drift.definition")) == 1
    assert watched.instance().observed["definition_changed_at"]
    assert hypervisor.domains[instance.id].xml == edited
    assert touched(watched) == before


def test_undefined_while_it_runs_and_then_gone(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    instance = watched.launch()
    hypervisor, sync = watched.hypervisor, PowerSync(watched.cloud.store)
    transient = DomainFacts(instance.id, instance.domain_name, DomainState.RUNNING, "booted", False)
    with monkeypatch.context() as patched:
        patched.setattr(hypervisor, "list_domains", lambda: [transient])
        for _ in range(2):
            sync.run(watched.host_id, hypervisor)
    assert watched.instance().status is InstanceStatus.RUNNING
    [told] = watched.events("drift.deleted")
    assert "runs on" in told
    hypervisor.destroy(instance.id)
    hypervisor.undefine(instance.id)
    sync.run(watched.host_id, hypervisor)
    assert watched.instance().status is InstanceStatus.MISSING


@pytest.mark.parametrize("listed_first", [True, False])
def test_an_operation_that_comes_and_goes_during_a_look(
    watched: Watched, monkeypatch: pytest.MonkeyPatch, listed_first: bool
) -> None:
    """Whether the listing is of before or after the operation: what it recorded stands."""
    watched.launch()
    hypervisor, sync = watched.hypervisor, PowerSync(watched.cloud.store)

    def list_and_stop() -> list[DomainFacts]:
        monkeypatch.undo()
        before = hypervisor.list_domains()
        watched.cloud.wait(watched.cloud.instances.stop(ADMIN, "", "web", force=True))
        return before if listed_first else hypervisor.list_domains()

    monkeypatch.setattr(hypervisor, "list_domains", list_and_stop)
    sync.run(watched.host_id, hypervisor)
    assert watched.instance().status is InstanceStatus.STOPPED
    assert not sync.run(watched.host_id, hypervisor)
    assert watched.instance().status is InstanceStatus.STOPPED
    for kind in ("drift.power", "instance.running", "instance.stopped"):
        assert [each for each in watched.events(kind) if "outside" in each or "runs" in each] == []


def test_what_changes_while_it_is_judged_is_looked_at_again(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """Something else wrote to the record since: the verdict waits for the next look, which is asked for."""
    instance = watched.launch()
    hypervisor, sync = watched.hypervisor, PowerSync(watched.cloud.store)
    hypervisor.destroy(instance.id)
    transact = watched.cloud.store.transact

    def meanwhile(work: Callable[[Tx], object]) -> object:
        monkeypatch.undo()
        transact(lambda tx: tx.instances.update(instance.id, ready_detail="booting"))
        return transact(work)

    monkeypatch.setattr(watched.cloud.store, "transact", meanwhile)
    assert sync.run(watched.host_id, hypervisor)
    assert watched.instance().status is InstanceStatus.RUNNING
    assert not sync.run(watched.host_id, hypervisor)
    assert watched.instance().status is InstanceStatus.STOPPED


def test_what_changed_before_it_is_judged_is_looked_at_again(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    instance = watched.launch()
    hypervisor, sync = watched.hypervisor, PowerSync(watched.cloud.store)

    def list_and_write() -> list[DomainFacts]:
        monkeypatch.undo()
        watched.cloud.store.transact(lambda tx: tx.instances.update(instance.id, ready_detail="booting"))
        hypervisor.destroy(instance.id)
        return hypervisor.list_domains()

    monkeypatch.setattr(hypervisor, "list_domains", list_and_write)
    assert sync.run(watched.host_id, hypervisor)
    assert watched.instance().status is InstanceStatus.RUNNING
    assert not sync.run(watched.host_id, hypervisor)
    assert watched.instance().status is InstanceStatus.STOPPED


def test_a_listing_that_may_be_another_boot_s_is_looked_at_again(watched: Watched) -> None:
    instance = watched.launch()
    sync = PowerSync(watched.cloud.store)
    watched.hypervisor.destroy(instance.id)
    assert sync.run(watched.host_id, watched.hypervisor, lambda: False)
    assert watched.instance().status is InstanceStatus.RUNNING


def test_an_operation_at_work_asks_for_another_look(watched: Watched) -> None:
    instance = watched.launch()
    sync = PowerSync(watched.cloud.store)
    watched.cloud.store.transact(lambda tx: tx.instances.lock(instance.id, "op"))
    watched.hypervisor.destroy(instance.id)
    assert sync.run(watched.host_id, watched.hypervisor)
    assert watched.instance().status is InstanceStatus.RUNNING
    watched.cloud.store.transact(lambda tx: tx.instances.unlock(instance.id, "op"))
    assert not sync.run(watched.host_id, watched.hypervisor)
    assert watched.instance().status is InstanceStatus.STOPPED


def test_a_failed_creation_is_not_taken_for_a_deletion(watched: Watched, sync: Callable[[], bool]) -> None:
    watched.hypervisor.fail("start", HypervisorFailed("no more file handles"))
    spec = InstanceSpec(name="web", image="tiny", vcpus=1, memory_mib=256)
    watched.cloud.wait(watched.cloud.launch.launch(ADMIN, "", spec)[1])
    sync()
    assert watched.instance().status is InstanceStatus.ERROR
    assert watched.events("drift.deleted") == []


class statements:  # noqa: N801
    """The SQL statements of a block, in order: those of its own thread, for the engine has others."""

    def __enter__(self) -> list[str]:
        self.seen: list[str] = []
        self.thread = threading.get_ident()
        event.listen(Engine, "before_cursor_execute", self._note)
        return self.seen

    def __exit__(self, *_: object) -> None:
        event.remove(Engine, "before_cursor_execute", self._note)

    def _note(self, _connection: object, _cursor: object, statement: str, *_: object) -> None:
        if threading.get_ident() == self.thread:
            self.seen.append(statement)


def test_ten_thousand_instances_cost_one_call_and_few_statements(
    sqlite_store: Store, watched: Watched, capsys: pytest.CaptureFixture[str]
) -> None:
    count, changed = 10_000, 7
    ids = watched.cloud.store.transact(lambda tx: _add_many(tx, watched.host_id, count))
    for number, uuid in enumerate(ids):
        domain = f"<domain type='kvm'><name>zc-{number}</name><uuid>{uuid}</uuid></domain>"
        watched.hypervisor.define(domain)
        watched.hypervisor.domains[uuid].state = DomainState.RUNNING
    power, tick = PowerSync(sqlite_store), Tick(sqlite_store)
    power.run(watched.host_id, watched.hypervisor)
    watched.hypervisor.calls.clear()
    with statements() as quiet:
        quiet_ms = _ms(lambda: power.run(watched.host_id, watched.hypervisor))
    for uuid in ids[:changed]:
        watched.hypervisor.domains[uuid].state = DomainState.SHUTOFF
    with statements() as busy:
        busy_ms = _ms(lambda: power.run(watched.host_id, watched.hypervisor))
    with statements() as ticking:
        tick_ms = _ms(lambda: tick.run(watched.host_id, watched.link))
    assert watched.hypervisor.calls == {"list_domains": 2, "stats": 1, "load": 1}
    assert len(quiet) <= 3
    assert len(busy) <= 6 * changed + 10
    assert len(ticking) <= 16
    with capsys.disabled():
        print(
            f"\n10,000 instances: quiet look {quiet_ms:.0f} ms ({len(quiet)} statements), "
            f"{changed} changes {busy_ms:.0f} ms ({len(busy)}), counters and pools {tick_ms:.0f} ms ({len(ticking)})"
        )


def _ms(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - began)


def _add_many(tx: Tx, host_id: str, count: int) -> list[str]:
    project, image = tx.projects.resolve("default"), tx.images.resolve("tiny")
    running = {"status": InstanceStatus.RUNNING, "desired": Power.RUNNING}
    return [tx.instances.add(builders.instance(project.id, host_id, image.id, **running)).id for _ in range(count)]
