"""Resize over fake hosts: definition, running guest, claims and record agree, whatever the guest does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from zcloud.domain.errors import HypervisorFailed, InvalidInput, NoRoom, NotLive, QuotaExceeded
from zcloud.domain.instance import Flavor, Instance, InstanceSpec, NicRequest
from zcloud.domain.operation import Operation, OperationStatus
from zcloud.domain.pending import pending
from zcloud.domain.people import Quota
from zcloud.domain.size import Size, live_size, wanted_size
from zcloud.libvirtxml.domain import Domain
from zcloud.ports import DomainSize
from zcloud.services.operations import Operations
from zcloud.services.sizes import SizeChange, Sizes
from zcloud.store import Store
from zcloud.testing.cloud import ADMIN, FakeCloud
from zcloud.testing.fakehypervisor import FakeHypervisor
from zcloud.workflows import instance_resize

SPEC = InstanceSpec(
    name="web", image="tiny", vcpus=2, memory_mib=512, max_vcpus=4, max_memory_mib=1024, nics=(NicRequest(""),)
)


class Bench:
    """A cloud with one host and one instance."""

    def __init__(self, cloud: FakeCloud, spec: InstanceSpec = SPEC) -> None:
        self.cloud = cloud
        self.host_id = cloud.add_host("alpha", vcpus=8, memory_mib=4096)
        launched = cloud.wait(cloud.launch.launch(ADMIN, "", spec)[1])
        assert launched.status is OperationStatus.SUCCEEDED, launched.error

    @property
    def hypervisor(self) -> FakeHypervisor:
        return self.cloud.links.hosts[self.host_id].hypervisor

    @property
    def record(self) -> Instance:
        return self.cloud.instances.show(ADMIN, "", "web").instance

    @property
    def guest(self) -> DomainSize | None:
        return self.hypervisor.domain_size(self.record.id)

    @property
    def defined(self) -> Size:
        domain = Domain.parse(self.hypervisor.domains[self.record.id].xml)
        memory = (domain.memory or 0) >> 20
        most = (domain.max_memory or domain.memory or 0) >> 20
        return Size(domain.current_vcpus or domain.vcpus, memory, domain.vcpus, most)

    @property
    def claimed(self) -> dict[str, int]:
        held = self.cloud.read(lambda tx: tx.claims.held_by(self.record.id))
        return {each.resource: each.amount for each in held}

    def ask(self, **change: object) -> Operation:
        return self.cloud.wait(Sizes(self.cloud.services).resize(ADMIN, "", "web", SizeChange(**change)))  # type: ignore[arg-type]

    def resize(self, **change: object) -> None:
        ended = self.ask(**change)
        assert ended.status is OperationStatus.SUCCEEDED, ended.error


@pytest.fixture
def cloud(sqlite_store: Store, tmp_path: Path) -> Iterator[FakeCloud]:
    made = FakeCloud(sqlite_store, tmp_path)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def bench(cloud: FakeCloud) -> Bench:
    return Bench(cloud)


def test_a_running_guest_grows_and_shrinks(bench: Bench) -> None:
    before = Size(2, 512, 4, 1024)
    assert (bench.defined, wanted_size(bench.record), bench.claimed) == (
        before,
        before,
        {"vcpus": 2, "memory_mib": 512},
    )
    bench.resize(vcpus=4, memory_mib=700)
    assert bench.guest == DomainSize(4, 700, 768)
    assert bench.defined == Size(4, 700, 4, 1084)  # whole blocks, so that the most can be reached
    assert bench.claimed == {"vcpus": 4, "memory_mib": 700}
    bench.resize(vcpus=1, memory_mib=256)
    assert bench.guest == DomainSize(1, 256, 768)
    assert bench.claimed == {"vcpus": 1, "memory_mib": 256}
    bench.resize(memory_mib=1024)
    assert bench.guest == DomainSize(1, 1024, 1024)
    assert pending(bench.record) == {}
    assert (bench.record.vcpus, bench.record.memory_mib, bench.record.revision) == (1, 1024, 4)


def test_an_agent_is_asked_to_switch_them_on(bench: Bench) -> None:
    agent = bench.hypervisor.domains[bench.record.id].guest
    agent["guest-get-vcpus"] = [{"logical-id": 0, "online": True}, {"logical-id": 1, "online": False}, "nonsense"]
    bench.resize(vcpus=3)
    assert bench.hypervisor.calls["agent"] >= 3
    bench.hypervisor.silent.add(bench.record.id)
    bench.resize(vcpus=4)
    assert bench.guest is not None
    assert bench.guest.vcpus == 4


def test_what_cannot_be_live_is_refused_and_changes_nothing(bench: Bench) -> None:
    before = (bench.record, bench.claimed)
    for change in ({"vcpus": 5}, {"memory_mib": 2048}, {"max_vcpus": 8}, {"max_memory_mib": 512}):
        with pytest.raises(NotLive, match="web"):
            bench.ask(**change)
    for wrong in ({}, {"vcpus": 2, "memory_mib": 512}, {"vcpus": 4, "max_vcpus": 2}, {"memory_mib": 8}):
        with pytest.raises(InvalidInput):
            bench.ask(**wrong)
    assert (bench.record, bench.claimed) == before


def test_next_start_is_pending_until_a_restart(bench: Bench) -> None:
    bench.resize(vcpus=6, memory_mib=2048, max_memory_mib=0, next_start=True)
    assert bench.guest == DomainSize(2, 512, 512)
    assert bench.defined == Size(6, 2048)
    assert bench.claimed == {"vcpus": 2, "memory_mib": 512}
    assert pending(bench.record)["vcpus"] == {"now": 2, "next": 6}
    assert bench.cloud.wait(bench.cloud.instances.restart(ADMIN, "", "web")).status is OperationStatus.SUCCEEDED
    assert (bench.guest, pending(bench.record)) == (DomainSize(6, 2048, 2048), {})
    assert bench.claimed == {"vcpus": 6, "memory_mib": 2048}


def test_a_restart_without_room_for_what_is_pending_is_refused(bench: Bench) -> None:
    bench.resize(vcpus=16, next_start=True)
    with pytest.raises(NoRoom) as refused:
        bench.cloud.instances.restart(ADMIN, "", "web")
    assert [each["filter"] for each in refused.value.details["refusals"]] == ["cpu"]
    assert bench.record.operation_id is None


def test_a_restart_whose_guest_stays_up_keeps_no_claims_for_the_next_run(bench: Bench) -> None:
    bench.resize(vcpus=6, next_start=True)
    bench.hypervisor.stubborn.add(bench.record.id)
    ended = bench.cloud.wait(bench.cloud.instances.restart(ADMIN, "", "web", deadline_s=1))
    assert ended.status is OperationStatus.FAILED
    assert bench.claimed == {"vcpus": 2, "memory_mib": 512}
    assert pending(bench.record)["vcpus"] == {"now": 2, "next": 6}


def test_growth_without_room_has_the_nearest_fit(bench: Bench) -> None:
    cloud = bench.cloud
    cloud.wait(cloud.launch.launch(ADMIN, "", replace(SPEC, name="other", vcpus=5, max_vcpus=0))[1])
    with pytest.raises(NoRoom) as refused:
        bench.ask(vcpus=4)
    assert refused.value.hint == "1 vCPUs would fit."
    bench.resize(vcpus=3)


def test_growth_beyond_the_quota_is_refused(bench: Bench) -> None:
    project = bench.record.project_id
    bench.cloud.store.transact(lambda tx: tx.projects.update(project, quota=Quota(vcpus=3)))
    with pytest.raises(QuotaExceeded):
        bench.ask(vcpus=4)
    bench.resize(vcpus=3)


def test_one_that_is_off_has_its_size_at_the_next_start(cloud: FakeCloud) -> None:
    bench = Bench(cloud, replace(SPEC, start=False))
    cloud.store.transact(lambda tx: tx.flavors.add(Flavor("large", 3, 1536, 0)))
    bench.resize(flavor="large", max_vcpus=0)
    assert (bench.defined, bench.claimed, bench.record.flavor) == (Size(3, 1536), {}, "large")
    cloud.wait(cloud.instances.start(ADMIN, "", "web"))
    assert bench.guest == DomainSize(3, 1536, 1536)


def test_a_guest_that_keeps_its_vcpus(bench: Bench) -> None:
    bench.hypervisor.greedy.add(bench.record.id)
    before = (bench.defined, bench.guest, bench.claimed)
    ended = bench.ask(vcpus=1, memory_mib=640)
    assert ended.status is OperationStatus.FAILED
    assert ended.error
    assert (ended.error["code"], "--next-start" in ended.error["hint"]) == ("guest_refused", True)
    assert (bench.defined, bench.guest, bench.claimed) == before
    assert wanted_size(bench.record) == Size(2, 512, 4, 1024)
    assert Operations(bench.cloud.services).retry(ADMIN, ended.id).args["new"]["vcpus"] == 1


def test_a_guest_that_keeps_its_memory(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instance_resize, "GUEST_S", 1)
    bench.hypervisor.greedy.add(bench.record.id)
    ended = bench.ask(memory_mib=256)
    assert ended.error
    assert ended.error["code"] == "guest_refused"
    assert (bench.guest, bench.claimed["memory_mib"]) == (DomainSize(2, 512, 512), 512)


def test_what_cannot_be_unplugged_again_stays_claimed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The vCPU was plugged in when the rest failed; the guest does not let it go."""
    monkeypatch.setattr(instance_resize, "GUEST_S", 1)
    bench.hypervisor.greedy.add(bench.record.id)
    monkeypatch.setattr(bench.hypervisor, "plug_memory", lambda *_: None)  # the module never comes
    ended = bench.ask(vcpus=4, memory_mib=640)
    assert ended.status is OperationStatus.FAILED
    assert live_size(bench.record) == Size(4, 512, 4, 1024)
    assert bench.claimed == {"vcpus": 4, "memory_mib": 512}
    assert pending(bench.record) == {"vcpus": {"now": 4, "next": 2}}


def test_a_definition_that_cannot_be_changed(bench: Bench) -> None:
    bench.hypervisor.fail("define", HypervisorFailed("no"))
    assert bench.ask(vcpus=3).status is OperationStatus.FAILED
    assert (bench.record.vcpus, bench.claimed["vcpus"], bench.guest) == (2, 2, DomainSize(2, 512, 512))
