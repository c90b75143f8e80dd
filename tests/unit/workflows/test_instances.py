"""Launch, stop, start, restart, delete over fake hosts: what is made, what is given back, what people are told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from zcloud.domain.claims import ProviderKind
from zcloud.domain.errors import CommandFailed, HypervisorFailed, InvalidInput, NoRoom, Protected, WrongState
from zcloud.domain.hardware import settle
from zcloud.domain.instance import DiskRequest, Firmware, InstanceSpec, InstanceStatus, NicRequest, Ready
from zcloud.domain.operation import OperationStatus
from zcloud.domain.storage import GIB
from zcloud.libvirtxml.domain import Domain
from zcloud.ports import DomainState
from zcloud.services.launch import Launch
from zcloud.services.operations import Operations
from zcloud.services.systems import Systems
from zcloud.store import Store
from zcloud.testing.cloud import ADMIN, FakeCloud

SPEC = InstanceSpec(name="web", image="tiny", vcpus=1, memory_mib=256, nics=(NicRequest(""),))


@pytest.fixture
def cloud(sqlite_store: Store, tmp_path: Path) -> Iterator[FakeCloud]:
    made = FakeCloud(sqlite_store, tmp_path)
    made.start()
    yield made
    made.stop()


def leftovers(cloud: FakeCloud, host_id: str) -> dict[str, object]:
    """Give everything of instances that a host and the store hold."""
    link = cloud.links.hosts[host_id]
    files = [path for path in link.shell.disk.files if "/base/" not in path and not path.endswith(".zcloud-pool")]
    return {
        "domains": list(link.hypervisor.domains),
        "files": [path for path in files if "/volumes/" in path or "/artifacts/" in path],
        "ports": cloud.read(lambda tx: tx.ports.all()),
        "claims": cloud.read(lambda tx: [view.used for kind in ProviderKind for view in tx.claims.views(kind)]),
    }


def test_launch_makes_everything_and_delete_leaves_nothing(cloud: FakeCloud) -> None:
    host_id = cloud.add_host("alpha")
    before = leftovers(cloud, host_id)
    spec = InstanceSpec(
        name="web", image="tiny", vcpus=1, memory_mib=256, nics=(NicRequest(""),), disks=(DiskRequest(1 << 30),)
    )
    instance, operation = cloud.launch.launch(ADMIN, "", spec)
    assert instance.status is InstanceStatus.BUILDING
    ended = cloud.wait(operation)
    assert ended.status is OperationStatus.SUCCEEDED, ended.error
    view = cloud.instances.show(ADMIN, "", "web")
    assert (view.instance.status, view.instance.ready) == (InstanceStatus.RUNNING, Ready.WAITING)
    assert view.instance.machine == "pc-q35-7.2"
    assert view.ports[0].hostname == "web.default.cloud.internal"
    domain = cloud.links.hosts[host_id].hypervisor.domains[instance.id]
    assert domain.state is DomainState.RUNNING
    assert cloud.wait(cloud.instances.delete(ADMIN, "", "web")).status is OperationStatus.SUCCEEDED
    assert leftovers(cloud, host_id) == before


def test_stop_start_restart(cloud: FakeCloud) -> None:
    cloud.add_host("alpha")
    cloud.wait(cloud.launch.launch(ADMIN, "", SPEC)[1])
    assert cloud.wait(cloud.instances.stop(ADMIN, "", "web")).status is OperationStatus.SUCCEEDED
    assert cloud.instances.show(ADMIN, "", "web").instance.status is InstanceStatus.STOPPED
    with pytest.raises(WrongState):
        cloud.instances.stop(ADMIN, "", "web")
    assert cloud.wait(cloud.instances.start(ADMIN, "", "web")).status is OperationStatus.SUCCEEDED
    assert cloud.wait(cloud.instances.restart(ADMIN, "", "web")).status is OperationStatus.SUCCEEDED
    instance = cloud.instances.show(ADMIN, "", "web").instance
    assert (instance.status, instance.incarnation) == (InstanceStatus.RUNNING, 3)


def test_a_failed_start_is_undone_whole(cloud: FakeCloud) -> None:
    host_id = cloud.add_host("alpha")
    before = leftovers(cloud, host_id)
    cloud.links.hosts[host_id].hypervisor.fail("start", HypervisorFailed("no more file handles"))
    ended = cloud.wait(cloud.launch.launch(ADMIN, "", SPEC)[1])
    assert ended.status is OperationStatus.FAILED
    assert ended.error
    assert ended.error["code"] == "hypervisor_failed"
    assert leftovers(cloud, host_id) == before
    instance = cloud.instances.show(ADMIN, "", "web").instance
    assert instance.status is InstanceStatus.ERROR
    assert cloud.wait(cloud.instances.delete(ADMIN, "", "web")).status is OperationStatus.SUCCEEDED


def test_what_was_never_made_is_neither_started_nor_stopped(cloud: FakeCloud) -> None:
    """A stop "succeeded" there once, and made it look like an instance that can be started."""
    host_id = cloud.add_host("alpha")
    cloud.links.hosts[host_id].hypervisor.fail("start", HypervisorFailed("no more file handles"))
    assert cloud.wait(cloud.launch.launch(ADMIN, "", SPEC)[1]).status is OperationStatus.FAILED
    for ask in (cloud.instances.start, cloud.instances.stop):
        with pytest.raises(WrongState, match="never made"):
            ask(ADMIN, "", "web")


def test_a_failed_creation_is_asked_for_again(cloud: FakeCloud) -> None:
    host_id = cloud.add_host("alpha")
    before = leftovers(cloud, host_id)
    cloud.links.hosts[host_id].hypervisor.fail("define", HypervisorFailed("out of luck"))
    instance, operation = cloud.launch.launch(ADMIN, "", replace(SPEC, user_data="#!/bin/sh\ntrue\n", tags=("a",)))
    failed = cloud.wait(operation)
    again = Operations(cloud.services).retry(ADMIN, failed.id)
    assert (again.retry_of, again.resource_id) == (failed.id, instance.id)
    assert cloud.wait(again).status is OperationStatus.SUCCEEDED
    made = cloud.instances.show(ADMIN, "", "web").instance
    assert (made.id, made.status, made.tags) == (instance.id, InstanceStatus.RUNNING, ("a",))
    with pytest.raises(WrongState):
        Operations(cloud.services).retry(ADMIN, again.id)
    with pytest.raises(WrongState):
        Operations(cloud.services).retry(ADMIN, failed.id)
    cloud.wait(cloud.instances.delete(ADMIN, "", "web"))
    assert leftovers(cloud, host_id) == before


def test_a_pool_that_fails_is_undone_whole(cloud: FakeCloud) -> None:
    host_id = cloud.add_host("alpha")
    before = leftovers(cloud, host_id)
    cloud.links.hosts[host_id].shell.fail("qemu-img create", CommandFailed("qemu-img: error"))
    assert cloud.wait(cloud.launch.launch(ADMIN, "", SPEC)[1]).status is OperationStatus.FAILED
    assert leftovers(cloud, host_id) == before


def test_a_host_that_is_away_blocks_and_then_goes_on(cloud: FakeCloud) -> None:
    host_id = cloud.add_host("alpha")
    cloud.links.hosts[host_id].unreachable = True
    _, operation = cloud.launch.launch(ADMIN, "", SPEC)
    with pytest.raises(TimeoutError, match="blocked"):
        cloud.wait(operation, timeout_s=1.0)
    cloud.links.hosts[host_id].unreachable = False
    cloud.store.transact(lambda tx: tx.operations.wake_host(host_id))
    assert cloud.wait(operation).status is OperationStatus.SUCCEEDED


def test_fifty_creates_with_room_for_forty(cloud: FakeCloud) -> None:
    cloud.add_host("alpha", vcpus=40, memory_mib=1 << 20)
    refused = []
    operations = []
    for number in range(50):
        try:
            spec = InstanceSpec(name=f"vm-{number}", image="tiny", vcpus=1, memory_mib=64, nics=(NicRequest(""),))
            operations.append(cloud.launch.launch(ADMIN, "", spec)[1])
        except NoRoom as error:
            refused.append(error)
    assert (len(operations), len(refused)) == (40, 10)
    assert all(error.details["refusals"][0]["filter"] == "cpu" for error in refused)
    assert {cloud.wait(each, 60).status for each in operations} == {OperationStatus.SUCCEEDED}


def test_protected_is_not_deleted(cloud: FakeCloud) -> None:
    cloud.add_host("alpha")
    cloud.wait(cloud.launch.launch(ADMIN, "", SPEC)[1])
    cloud.instances.change(ADMIN, "", "web", {"protected": True}, None)
    with pytest.raises(Protected):
        cloud.instances.delete(ADMIN, "", "web")


def _launch_of(cloud: FakeCloud, os_id: str, directory: Path) -> Launch:
    """Give a launch that knows the systems that ship with zcloud; the image is of one of them."""
    cloud.add_host("alpha")
    cloud.store.transact(lambda tx: tx.images.update(tx.images.resolve("tiny").id, os_id=os_id))
    return Launch(cloud.services, Systems(None, directory / "no-package"))


def test_sizes_below_what_the_system_needs_are_told_and_are_an_event(cloud: FakeCloud, tmp_path: Path) -> None:
    launch = _launch_of(cloud, "win2k22", tmp_path)
    instance = launch.launch(ADMIN, "", replace(SPEC, start=False))[0]
    told = [each.message for each in cloud.read(lambda tx: tx.events.after(0)) if each.kind == "instance.small"]
    assert [each.partition(" needs ")[2] for each in told] == [
        "2048 MiB of memory; it gets 256.",
        "32768 MiB of root disk; it gets 64.",
    ]
    assert instance.guest["warnings"] == told


def test_a_system_without_virtio_gets_what_it_drives_and_a_choice_wins(cloud: FakeCloud, tmp_path: Path) -> None:
    launch = _launch_of(cloud, "win2k22", tmp_path)
    spec = replace(SPEC, disks=(DiskRequest(GIB),), start=False)
    rehearsed = launch.explain(ADMIN, "", spec).instance
    assert settle(rehearsed.options).disk_bus == "sata"
    assert rehearsed.guest["defaults"]["nic_model"]["why"].endswith("comes without a driver for virtio network cards.")
    plain, operation = launch.launch(ADMIN, "", spec)
    cloud.wait(operation)
    domain = Domain.parse(cloud.links.hosts[plain.host_id].hypervisor.domain_xml(plain.id) or "")
    assert [(each.bus, each.target) for each in domain.disks] == [("sata", "sda"), ("sata", "sdb"), ("sata", "sdz")]
    assert [each.model for each in domain.interfaces] == ["e1000e"]
    chosen = launch.launch(ADMIN, "", replace(spec, name="driven", hardware={"disk_bus": "virtio"}))[0]
    assert {each.attachment.bus for each in cloud.read(lambda tx: tx.volumes.of_instance(chosen.id))} == {"virtio"}
    assert settle(chosen.options).nic_model == "e1000e"
    assert "disk_bus" not in chosen.guest["defaults"]
    with pytest.raises(InvalidInput, match="places for SATA"):
        launch.launch(ADMIN, "", replace(spec, name="many", disks=(DiskRequest(GIB),) * 4))


def test_the_firmware_is_the_system_s_and_a_choice_wins_with_a_warning(cloud: FakeCloud, tmp_path: Path) -> None:
    launch = _launch_of(cloud, "win11", tmp_path)
    spec = replace(SPEC, vcpus=2, memory_mib=4096, root_size=64 * GIB, start=False)
    fitted = launch.explain(ADMIN, "", spec).instance
    assert (fitted.firmware, settle(fitted.options).secure_boot) == (Firmware.UEFI, True)
    assert fitted.guest["defaults"]["firmware"]["why"] == "Microsoft Windows 11 does not start by BIOS."
    chosen = launch.explain(ADMIN, "", replace(spec, firmware=Firmware.BIOS)).instance
    assert (chosen.firmware, settle(chosen.options).secure_boot) == (Firmware.BIOS, False)
    assert "firmware" not in chosen.guest["defaults"]
    assert chosen.guest["warnings"] == ["Microsoft Windows 11 does not start by BIOS, as osinfo says, and gets it."]


def test_a_system_with_virtio_has_nothing_otherwise(cloud: FakeCloud, tmp_path: Path) -> None:
    instance = _launch_of(cloud, "debian12", tmp_path).launch(ADMIN, "", replace(SPEC, start=False))[0]
    assert (instance.options, instance.guest["defaults"]) == ({}, {})


def test_an_image_of_another_machine_is_refused(cloud: FakeCloud) -> None:
    cloud.add_host("alpha")
    source = {"kind": "catalogue", "arch": "aarch64"}
    cloud.store.transact(lambda tx: tx.images.update(tx.images.resolve("tiny").id, source=source))
    with pytest.raises(InvalidInput, match="aarch64"):
        cloud.launch.launch(ADMIN, "", SPEC)
