"""Pause, reset, save and restore over fake hosts: what the guest keeps, what is claimed, what is refused and why."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from zcloud.domain.claims import ProviderKind
from zcloud.domain.errors import HypervisorFailed, PoolFull, WrongState
from zcloud.domain.instance import Instance, InstanceSpec, InstanceStatus, NicRequest
from zcloud.domain.operation import Operation, OperationStatus
from zcloud.domain.storage import MIB
from zcloud.ports import DomainState
from zcloud.services.lifecycle import SAVED_EXTRA_MIB, Lifecycle
from zcloud.services.operations import Operations
from zcloud.store import Store
from zcloud.testing.cloud import ADMIN, FakeCloud
from zcloud.testing.fakedomains import FakeDomain

SPEC = InstanceSpec(name="web", image="tiny", vcpus=1, memory_mib=256, nics=(NicRequest(""),))


class Owner:
    """Whoever has the instance ``web``, which runs, on the host ``alpha``."""

    def __init__(self, cloud: FakeCloud) -> None:
        self.cloud = cloud
        self.host_id = cloud.add_host("alpha")
        self.link = cloud.links.hosts[self.host_id]
        made, operation = cloud.launch.launch(ADMIN, "", SPEC)
        self.id = made.id
        self.done(operation)

    @property
    def instance(self) -> Instance:
        return self.cloud.read(lambda tx: tx.instances.get(self.id))

    @property
    def domain(self) -> FakeDomain:
        return self.link.hypervisor.domains[self.id]

    @property
    def files(self) -> set[str]:
        return {path.rpartition(".")[2] for path in self.link.shell.disk.files if self.id in path}

    def claims(self) -> dict[str, int]:
        """Give what the instance itself holds, by resource."""
        return {each.resource: each.amount for each in self.cloud.read(lambda tx: tx.claims.held_by(self.id))}

    def act(self, verb: str) -> Operation:
        return self.cloud.wait(Lifecycle(self.cloud.services).act(ADMIN, "", "web", verb))

    def done(self, operation: Operation) -> None:
        ended = self.cloud.wait(operation)
        assert ended.status is OperationStatus.SUCCEEDED, ended.error


@pytest.fixture
def owner(sqlite_store: Store, tmp_path: Path) -> Iterator[Owner]:
    cloud = FakeCloud(sqlite_store, tmp_path)
    cloud.start()
    yield Owner(cloud)
    cloud.stop()


RUNS = {"vcpus": 1, "memory_mib": 256}
SAVED = {"bytes": (256 + SAVED_EXTRA_MIB) * MIB}


def test_an_owner_s_pause_keeps_memory_and_claims(owner: Owner) -> None:
    assert owner.act("pause").status is OperationStatus.SUCCEEDED
    held = owner.instance
    assert (held.status, held.observed["paused_by"], held.observed["paused_for"]) == ("paused", "admin", "")
    assert held.observed["power_detail"] == "web was paused by admin."
    assert (owner.domain.state, owner.domain.reason) == (DomainState.PAUSED, "user")
    assert owner.claims() == RUNS
    with pytest.raises(WrongState, match="paused; it cannot be started") as refused:
        owner.cloud.instances.start(ADMIN, "", "web")
    assert "zcloud instance resume web" in refused.value.hint
    assert owner.act("resume").status is OperationStatus.SUCCEEDED
    assert (owner.instance.status, owner.instance.observed["paused_by"]) == ("running", "")
    assert (owner.domain.state, owner.domain.memory, owner.instance.incarnation) == (DomainState.RUNNING, 1, 1)


def test_a_reset_boots_again_without_a_new_run(owner: Owner) -> None:
    assert owner.act("reset").status is OperationStatus.SUCCEEDED
    assert (owner.domain.memory, owner.domain.starts, owner.instance.incarnation) == (2, 1, 1)
    assert owner.instance.status is InstanceStatus.RUNNING


def test_saved_memory_goes_on_where_it_was(owner: Owner) -> None:
    owner.act("reset")
    assert owner.act("save").status is OperationStatus.SUCCEEDED
    assert (owner.instance.status, owner.domain.state, owner.claims()) == ("saved", DomainState.SHUTOFF, SAVED)
    assert "saved" in owner.files
    for verb in ("start", "stop"):
        with pytest.raises(WrongState, match="is saved"):
            getattr(owner.cloud.instances, verb)(ADMIN, "", "web")
    assert owner.act("restore").status is OperationStatus.SUCCEEDED
    assert (owner.domain.memory, owner.domain.starts, owner.instance.incarnation) == (2, 2, 2)
    assert (owner.instance.status, owner.instance.saved, owner.claims()) == ("running", {}, RUNS)
    assert "saved" not in owner.files


def test_one_that_was_paused_is_paused_still(owner: Owner) -> None:
    owner.act("pause")
    owner.act("save")
    assert owner.act("restore").status is OperationStatus.SUCCEEDED
    assert (owner.instance.status, owner.domain.state) == ("paused", DomainState.PAUSED)
    assert owner.instance.observed["paused_by"] == "admin"
    assert owner.act("save").status is OperationStatus.SUCCEEDED


def test_saved_memory_can_be_forgotten(owner: Owner) -> None:
    with pytest.raises(WrongState, match="no saved memory"):
        owner.act("discard")
    owner.act("save")
    assert owner.act("discard").status is OperationStatus.SUCCEEDED
    assert (owner.instance.status, owner.claims(), "saved" in owner.files) == ("stopped", {}, False)
    owner.done(owner.cloud.instances.start(ADMIN, "", "web"))
    assert owner.domain.memory == 2


def test_a_save_that_fails_changes_nothing(owner: Owner) -> None:
    owner.link.hypervisor.fail("save", HypervisorFailed("libvirt: No space left on device."))
    ended = owner.act("save")
    assert ended.status is OperationStatus.FAILED
    assert (owner.instance.status, owner.domain.state, owner.claims()) == ("running", DomainState.RUNNING, RUNS)
    assert (owner.domain.starts, "saved" in owner.files) == (1, False)


def test_a_restore_that_fails_keeps_the_file(owner: Owner) -> None:
    owner.act("save")
    owner.link.hypervisor.fail("restore", HypervisorFailed("libvirt: guest CPU doesn't match."))
    ended = owner.act("restore")
    assert ended.status is OperationStatus.FAILED
    assert (owner.instance.status, owner.claims(), "saved" in owner.files) == ("saved", SAVED, True)
    assert owner.act("restore").status is OperationStatus.SUCCEEDED


def test_a_file_that_is_gone_is_told(owner: Owner) -> None:
    owner.act("save")
    (path,) = [path for path in owner.link.shell.disk.files if path.endswith(".saved")]
    owner.link.shell.disk.remove(path)
    ended = owner.act("restore")
    assert ended.error is not None
    assert ended.error["code"] == "storage_failed"
    assert "discard-saved web" in ended.error["hint"]


def test_without_room_in_the_pool_nothing_is_saved(owner: Owner) -> None:
    (pool,) = owner.cloud.read(lambda tx: tx.pools.all())
    owner.cloud.store.transact(lambda tx: tx.pools.update(pool.id, available=300 * MIB))
    with pytest.raises(PoolFull, match="no room for the memory of web"):
        owner.act("save")
    assert (owner.instance.status, owner.claims()) == ("running", RUNS)


@pytest.mark.parametrize("what", ["its definition", "its host's CPU"])
def test_memory_that_fits_no_more_is_refused_with_the_reason(owner: Owner, what: str) -> None:
    owner.act("save")
    instance, host = owner.instance, owner.cloud.read(lambda tx: tx.hosts.get(owner.host_id))

    def change() -> None:
        with owner.cloud.store.write() as tx:
            if what == "its definition":
                tx.instances.update(instance.id, hardware={**instance.hardware, "definition": "another"})
            else:
                tx.hosts.update(host.id, inventory={**host.inventory, "cpu_model": "Other"})

    change()
    with pytest.raises(WrongState, match=f"does not fit any more: {what} changed since"):
        owner.act("restore")
    assert owner.claims() == SAVED


def test_delete_takes_saved_memory_along(owner: Owner) -> None:
    owner.act("save")
    owner.done(owner.cloud.instances.delete(ADMIN, "", "web"))
    assert owner.files == set()
    assert owner.claims() == {}
    used = [view.used for view in owner.cloud.read(lambda tx: tx.claims.views(ProviderKind.POOL))]
    assert not any(used[0].values())


def test_a_failed_save_or_restore_can_be_asked_for_again(owner: Owner) -> None:
    owner.link.hypervisor.fail("save", HypervisorFailed("libvirt: No space left on device."))
    failed = owner.act("save")
    owner.done(Operations(owner.cloud.services).retry(ADMIN, failed.id))
    assert owner.instance.status is InstanceStatus.SAVED


def test_a_paused_guest_that_is_to_stop_is_let_go_first(owner: Owner) -> None:
    owner.act("pause")
    owner.done(owner.cloud.instances.stop(ADMIN, "", "web"))
    assert owner.instance.status is InstanceStatus.STOPPED
    assert owner.link.hypervisor.calls["resume"] == 1
