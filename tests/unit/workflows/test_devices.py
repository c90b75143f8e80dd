"""Disks and NICs over fake hosts: what a guest may refuse, and what is on record then."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from zcloud.domain.attachment import Attachment, DiskBus, IoLimits
from zcloud.domain.errors import (
    AlreadyExists,
    Busy,
    GuestSilent,
    HypervisorFailed,
    InUse,
    InvalidInput,
    NoPlace,
    NotFound,
    PoolFull,
    WrongState,
)
from zcloud.domain.instance import DiskRequest, Instance, InstanceSpec, NicRequest
from zcloud.domain.network import Port
from zcloud.domain.operation import Operation, OperationStatus
from zcloud.domain.storage import GIB, Volume, VolumeState
from zcloud.drivers.compute.devices import find_disk, find_nic
from zcloud.drivers.compute.patch import definition_digest
from zcloud.services.disks import Disks, DiskSpec, Parting
from zcloud.services.nics import Nics
from zcloud.services.operations import Operations
from zcloud.services.volumes import Growth, Volumes, VolumeSpec
from zcloud.store import Store
from zcloud.testing.cloud import ADMIN, FakeCloud

SPEC = InstanceSpec(name="web", image="tiny", vcpus=1, memory_mib=256, nics=(NicRequest(""),))
FORCED = Parting(force=True, deadline_s=1)


class Owner:
    """Whoever has the instance ``web``, which runs."""

    def __init__(self, cloud: FakeCloud) -> None:
        self.cloud = cloud
        self.hypervisor = cloud.links.hosts[cloud.add_host("alpha")].hypervisor
        self.disks, self.volumes, self.nics = Disks(cloud.services), Volumes(cloud.services), Nics(cloud.services)
        made, operation = cloud.launch.launch(ADMIN, "", SPEC)
        self.id = made.id
        self.done(operation)

    @property
    def instance(self) -> Instance:
        return self.cloud.read(lambda tx: tx.instances.get(self.id))

    @property
    def guest(self) -> dict[str, Any]:
        """Give what the guest's agent answers, to be filled."""
        return self.hypervisor.domains[self.id].guest

    def xml(self, *, live: bool) -> str:
        return self.hypervisor.domain_xml(self.id, inactive=not live) or ""

    def has(self, volume: Volume) -> tuple[bool, bool]:
        """Tell whether the definition and the running guest have a volume."""
        return tuple(find_disk(self.xml(live=live), volume.serial) is not None for live in (False, True))  # type: ignore[return-value]

    def done(self, operation: Operation) -> None:
        ended = self.cloud.wait(operation)
        assert ended.status is OperationStatus.SUCCEEDED, ended.error
        known = self.instance.hardware["definition"]
        assert definition_digest(self.xml(live=False)) == known, "our own change would be told as drift"

    def failed(self, operation: Operation) -> dict[str, Any]:
        ended = self.cloud.wait(operation)
        assert ended.status is OperationStatus.FAILED
        return dict(ended.error or {})

    def volume(self, volume_id: str) -> Volume:
        return self.cloud.read(lambda tx: tx.volumes.get(volume_id))

    def plug(self, **attachment: Any) -> Volume:
        """Attach a new disk."""
        volume, operation = self.disks.attach(ADMIN, "", "web", DiskSpec(size=GIB, attachment=Attachment(**attachment)))
        self.done(operation)
        return self.volume(volume.id)


@pytest.fixture
def owner(sqlite_store: Store, tmp_path: Path) -> Iterator[Owner]:
    cloud = FakeCloud(sqlite_store, tmp_path)
    cloud.start()
    yield Owner(cloud)
    cloud.stop()


def test_a_disk_is_in_guest_and_definition_and_gone_from_both(owner: Owner) -> None:
    disk = owner.plug(limits=IoLimits(total_iops=100))
    assert owner.has(disk) == (True, True)
    assert (disk.slot, disk.name, disk.state) == (1, "web-data-1", "ready")
    owner.done(owner.disks.detach(ADMIN, "", "web", disk.name, Parting()))
    assert owner.has(disk) == (False, False)
    free = owner.volume(disk.id)
    assert (free.instance_id, free.slot, free.attachment) == (None, None, Attachment())
    assert owner.plug().name == "web-data-2"  # the older one has kept its name


def test_a_mounted_disk_stays_unless_forced(owner: Owner) -> None:
    disk = owner.plug()
    owner.guest["guest-get-fsinfo"] = [{"mountpoint": "/srv", "disk": [{"serial": disk.serial}]}]
    error = owner.failed(owner.disks.detach(ADMIN, "", "web", disk.id, Parting()))
    assert (error["code"], error["details"]["mounts"]) == ("disk_mounted", ["/srv"])
    assert error["left"] == "Nothing was changed."
    assert owner.has(disk) == (True, True)
    assert owner.volume(disk.id).instance_id == owner.id
    owner.done(owner.disks.detach(ADMIN, "", "web", disk.id, FORCED))
    assert owner.has(disk) == (False, False)


@pytest.mark.parametrize("answer", [None, {}, [{"mountpoint": "/srv", "disk": [{}]}]])
def test_where_nobody_can_tell_the_disk_stays_unless_forced(owner: Owner, answer: Any) -> None:
    disk = owner.plug()
    if answer is None:
        owner.hypervisor.silent.add(owner.id)
    owner.guest["guest-get-fsinfo"] = answer
    assert owner.failed(owner.disks.detach(ADMIN, "", "web", disk.id, Parting()))["code"] == "disk_unchecked"
    assert owner.has(disk) == (True, True)
    owner.done(owner.disks.detach(ADMIN, "", "web", disk.id, FORCED))


def test_a_guest_that_clings_to_a_disk_keeps_it_on_every_record(owner: Owner) -> None:
    disk = owner.plug(serial="archive")
    owner.hypervisor.clinging.add(owner.id)
    error = owner.failed(owner.disks.detach(ADMIN, "", "web", disk.id, FORCED))
    assert error["code"] == "deadline_exceeded"
    assert owner.has(disk) == (True, True)
    assert owner.volume(disk.id) == disk
    owner.hypervisor.clinging.clear()  # it lets go of it late: the disk was asked for
    failed = owner.cloud.read(lambda tx: tx.operations.page(limit=100, sort="-created_at").items)[0]
    owner.done(Operations(owner.cloud.services).retry(ADMIN, failed.id))
    assert owner.has(disk) == (False, False)


def test_a_stopped_instance_is_not_asked(owner: Owner) -> None:
    owner.done(owner.cloud.instances.stop(ADMIN, "", "web", force=True))
    disk = owner.plug(bus=DiskBus.SATA)
    assert owner.has(disk)[0]
    owner.done(owner.disks.detach(ADMIN, "", "web", disk.id, Parting()))
    assert not owner.has(disk)[0]


def test_scsi_disks_share_a_controller(owner: Owner) -> None:
    before = owner.instance.hardware["places"]
    first, second = owner.plug(bus=DiskBus.SCSI), owner.plug(bus=DiskBus.SCSI)
    assert owner.instance.hardware["places"] == before - 1
    assert [find_disk(owner.xml(live=True), each.serial).target for each in (first, second)] == ["sdb", "sdc"]  # type: ignore[union-attr]


def test_without_a_place_nothing_is_changed(owner: Owner) -> None:
    scsi = owner.plug(bus=DiskBus.SCSI)
    full = {**owner.instance.hardware, "places": 0}
    owner.cloud.store.transact(lambda tx: tx.instances.update(owner.id, hardware=full))
    before = owner.cloud.read(lambda tx: (tx.volumes.page(limit=100).items, tx.ports.of_instance(owner.id)))
    with pytest.raises(NoPlace):
        owner.disks.attach(ADMIN, "", "web", DiskSpec(size=GIB))
    with pytest.raises(NoPlace):
        owner.nics.attach(ADMIN, "", "web", NicRequest(""))
    assert owner.cloud.read(lambda tx: (tx.volumes.page(limit=100).items, tx.ports.of_instance(owner.id))) == before
    assert owner.plug(bus=DiskBus.SCSI).slot == (scsi.slot or 0) + 1  # it needs no place


def test_what_cannot_be_attached_is_refused(owner: Owner) -> None:
    disk, spec = owner.plug(serial="one"), DiskSpec(size=GIB)
    root = owner.cloud.read(lambda tx: tx.volumes.of_instance(owner.id))[0]
    refused: list[tuple[type[Exception], DiskSpec]] = [
        (InUse, DiskSpec(volume=disk.id)),
        (NotFound, DiskSpec(volume="absent")),
        (InvalidInput, DiskSpec()),
        (InvalidInput, DiskSpec(volume=disk.id, size=GIB)),
        (InvalidInput, DiskSpec(size=1)),
        (InvalidInput, dataclasses.replace(spec, attachment=Attachment(serial="a b"))),
        (InvalidInput, dataclasses.replace(spec, attachment=Attachment(limits=IoLimits(read_iops=-1)))),
        (AlreadyExists, dataclasses.replace(spec, attachment=Attachment(serial="one"))),
        (AlreadyExists, dataclasses.replace(spec, name=disk.name)),
        (PoolFull, DiskSpec(size=2000 * GIB)),
        (NotFound, dataclasses.replace(spec, pool="elsewhere")),
        (WrongState, dataclasses.replace(spec, attachment=Attachment(DiskBus.SATA))),
    ]
    for error, asked in refused:
        with pytest.raises(error):
            owner.disks.attach(ADMIN, "", "web", asked)
    with pytest.raises(WrongState, match="root disk"):
        owner.disks.detach(ADMIN, "", "web", root.name, Parting())
    assert len(owner.cloud.read(lambda tx: tx.volumes.page(limit=100).items)) == 2


def test_a_volume_on_another_host_is_not_reached(owner: Owner) -> None:
    owner.cloud.add_host("beta", address="192.168.78")
    with pytest.raises(InvalidInput, match="more than one default pool"):
        owner.volumes.create(ADMIN, "", VolumeSpec("far", GIB))
    volume, operation = owner.volumes.create(ADMIN, "", VolumeSpec("far", GIB, "beta-pool"))
    owner.done(operation)
    with pytest.raises(WrongState, match="beta"):
        owner.disks.attach(ADMIN, "", "web", DiskSpec(volume="far"))
    assert owner.volume(volume.id).instance_id is None


def test_grown_while_it_runs(owner: Owner) -> None:
    disk = owner.plug()
    with pytest.raises(InvalidInput, match="only grow"):
        owner.volumes.resize(ADMIN, "", disk.id, Growth(GIB))
    owner.done(owner.volumes.resize(ADMIN, "", disk.id, Growth(3 * GIB)))
    assert owner.hypervisor.domains[owner.id].plugged.sizes == {"vdb": 3 * GIB}
    assert owner.volume(disk.id).size == 3 * GIB
    assert sum(each.amount for each in owner.cloud.read(lambda tx: tx.claims.held_by(disk.id))) == 3 * GIB


def test_the_guest_grows_what_lies_on_the_disk(owner: Owner) -> None:
    disk = owner.plug()
    place = {"name": "vdb1", "mountpoint": "/srv", "type": "ext4", "disk": [{"serial": disk.serial}]}
    guest = owner.hypervisor.domains[owner.id].guest
    guest |= {
        "guest-get-fsinfo": [place],
        "guest-exec": {"pid": 7},
        "guest-exec-status": {"exited": True, "exitcode": 0},
    }
    ended = owner.cloud.wait(owner.volumes.resize(ADMIN, "", disk.id, Growth(2 * GIB)))
    assert ended.steps[0].detail == "In the guest: /srv was grown."
    guest["guest-exec-status"] = {"exited": True, "exitcode": 1, "err-data": "bm8="}
    ended = owner.cloud.wait(owner.volumes.resize(ADMIN, "", disk.id, Growth(3 * GIB)))
    assert ended.steps[0].detail == "In the guest: /srv was not grown (no)."
    ended = owner.cloud.wait(owner.volumes.resize(ADMIN, "", disk.id, Growth(4 * GIB, filesystems=False)))
    assert (ended.status, ended.steps[0].detail) == (OperationStatus.SUCCEEDED, "")
    owner.hypervisor.fail("agent", GuestSilent("No agent."))
    ended = owner.cloud.wait(owner.volumes.resize(ADMIN, "", disk.id, Growth(5 * GIB)))
    assert "its agent was no help" in ended.steps[0].detail
    assert "growpart, then resize2fs" in ended.steps[0].detail
    owner.done(owner.cloud.instances.stop(ADMIN, "", "web"))
    ended = owner.cloud.wait(owner.volumes.resize(ADMIN, "", disk.id, Growth(6 * GIB)))
    assert ended.steps[0].detail == "The guest finds the new size at its next start; grow there what lies on the disk."
    root = owner.cloud.read(lambda tx: tx.volumes.of_instance(owner.id))[0]
    ended = owner.cloud.wait(owner.volumes.resize(ADMIN, "", root.id, Growth(root.size + GIB)))
    assert ended.steps[0].detail.startswith("At the guest's next start its cloud-init grows the root file system")


def test_a_volume_is_copied_while_nobody_writes_to_it(owner: Owner) -> None:
    disk = owner.plug()
    with pytest.raises(WrongState, match="may write to it"):
        owner.volumes.clone(ADMIN, "", disk.id, VolumeSpec("copy", 0))
    owner.done(owner.cloud.instances.stop(ADMIN, "", "web"))
    with pytest.raises(InvalidInput, match="at least"):
        owner.volumes.clone(ADMIN, "", disk.id, VolumeSpec("copy", GIB // 2))
    copy, operation = owner.volumes.clone(ADMIN, "", disk.id, VolumeSpec("copy", 2 * GIB))
    with pytest.raises(Busy):
        owner.cloud.instances.start(ADMIN, "", "web")
    owner.done(operation)
    made = owner.volume(copy.id)
    assert (made.state, made.size, made.instance_id) == (VolumeState.READY, 2 * GIB, None)
    owner.done(owner.cloud.instances.start(ADMIN, "", "web"))


def test_several_read_a_volume_that_nobody_writes_to(owner: Owner) -> None:
    owner.done(owner.cloud.launch.launch(ADMIN, "", dataclasses.replace(SPEC, name="other"))[1])
    volume, operation = owner.volumes.create(ADMIN, "", VolumeSpec("library", GIB))
    owner.done(operation)
    shared = DiskSpec("library", attachment=Attachment(read_only=True, shared=True))
    for wrong in (
        DiskSpec("library", attachment=Attachment(shared=True)),
        dataclasses.replace(shared, volume="", size=GIB),
    ):
        with pytest.raises(InvalidInput):
            owner.disks.attach(ADMIN, "", "web", wrong)
    for name in ("web", "other"):
        owner.done(owner.disks.attach(ADMIN, "", name, shared)[1])
    assert owner.has(volume) == (True, True)
    assert "<shareable/>" in owner.xml(live=True)
    assert len(owner.volumes.readers([volume])[volume.id]) == 2
    assert [each.name for each in owner.disks.all(ADMIN, "", "web")][1:] == ["library"]
    refused: list[Callable[[], object]] = [
        lambda: owner.disks.attach(ADMIN, "", "other", DiskSpec("library")),
        lambda: owner.disks.attach(ADMIN, "", "web", shared),
        lambda: owner.volumes.resize(ADMIN, "", "library", Growth(2 * GIB)),
        lambda: owner.volumes.delete(ADMIN, "", "library"),
        lambda: owner.disks.detach(ADMIN, "", "web", "library", Parting(delete=True)),
        lambda: owner.disks.limit(ADMIN, "", "web", "library", IoLimits(total_iops=5)),
    ]
    for ask in refused:
        with pytest.raises((InUse, WrongState)):
            ask()
    copy, operation = owner.volumes.clone(ADMIN, "", "library", VolumeSpec("copy", 0))
    owner.done(operation)
    owner.done(owner.disks.detach(ADMIN, "", "web", "library", Parting()))
    assert owner.has(volume) == (False, False)
    owner.done(owner.cloud.instances.delete(ADMIN, "", "other"))
    assert owner.volumes.readers([volume, copy]) == {}
    owner.done(owner.disks.attach(ADMIN, "", "web", DiskSpec("library"))[1])
    with pytest.raises(InUse):
        owner.disks.attach(ADMIN, "", "web", shared)


def test_a_shared_disk_that_cannot_be_plugged_in_is_free_again(owner: Owner) -> None:
    volume, operation = owner.volumes.create(ADMIN, "", VolumeSpec("library", GIB))
    owner.done(operation)
    owner.hypervisor.fail("attach_device", HypervisorFailed("no"))
    shared = DiskSpec("library", attachment=Attachment(read_only=True, shared=True))
    owner.failed(owner.disks.attach(ADMIN, "", "web", shared)[1])
    assert owner.volumes.readers([volume]) == {}
    assert owner.has(volume) == (False, False)


def test_growth_that_failed_gives_its_claim_back(owner: Owner) -> None:
    disk = owner.plug()
    owner.hypervisor.fail("resize_disk", HypervisorFailed("no"))
    owner.failed(owner.volumes.resize(ADMIN, "", disk.id, Growth(3 * GIB)))
    assert owner.volume(disk.id).size == GIB
    assert sum(each.amount for each in owner.cloud.read(lambda tx: tx.claims.held_by(disk.id))) == GIB


def test_limits_are_set_in_guest_and_definition_and_taken_away(owner: Owner) -> None:
    disk = owner.plug()
    owner.done(owner.disks.limit(ADMIN, "", "web", disk.id, IoLimits(read_bytes=1000)))
    tuned = [find_disk(owner.xml(live=live), disk.serial) for live in (False, True)]
    assert [each.iotune.read_bytes for each in tuned if each] == [1000, 1000]
    assert owner.volume(disk.id).attachment.limits.read_bytes == 1000
    owner.done(owner.disks.limit(ADMIN, "", "web", disk.id, IoLimits()))
    assert "iotune" not in owner.xml(live=True) + owner.xml(live=False)


def test_a_nic_comes_with_its_rules_and_goes_with_them(owner: Owner) -> None:
    port, operation = owner.nics.attach(ADMIN, "", "web", NicRequest("", "192.168.77.99"))
    owner.done(operation)
    assert _nics(owner, port) == (True, True)
    assert port.slot == 1
    owner.done(owner.nics.link(ADMIN, "", "web", "192.168.77.99", up=False))
    cut = [find_nic(owner.xml(live=live), port.mac) for live in (False, True)]
    assert [each.link for each in cut if each] == ["down", "down"]
    assert not owner.cloud.read(lambda tx: tx.ports.get(port.id)).link_up
    owner.done(owner.nics.detach(ADMIN, "", "web", port.mac))
    assert _nics(owner, port) == (False, False)
    assert [each.id for each in owner.cloud.read(lambda tx: tx.ports.of_instance(owner.id))] != [port.id]


def test_a_nic_that_the_guest_clings_to_keeps_its_address(owner: Owner) -> None:
    port, operation = owner.nics.attach(ADMIN, "", "web", NicRequest(""))
    owner.done(operation)
    owner.hypervisor.clinging.add(owner.id)
    assert owner.failed(owner.nics.detach(ADMIN, "", "web", "1", 1))["code"] == "deadline_exceeded"
    assert _nics(owner, port) == (True, True)
    assert owner.cloud.read(lambda tx: tx.ports.get(port.id)) == port


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        (NicRequest("absent"), NotFound),
        (NicRequest("", "10.0.0.1"), InvalidInput),
        (NicRequest("", "192.168.77.1"), InvalidInput),
    ],
)
def test_a_nic_that_cannot_be_is_refused(owner: Owner, asked: NicRequest, error: type[Exception]) -> None:
    with pytest.raises(error):
        owner.nics.attach(ADMIN, "", "web", asked)
    taken = owner.cloud.read(lambda tx: tx.ports.of_instance(owner.id))
    with pytest.raises(InvalidInput, match="given out before"):
        owner.nics.attach(ADMIN, "", "web", NicRequest("", mac=taken[0].mac))
    assert owner.cloud.read(lambda tx: tx.ports.of_instance(owner.id)) == taken


def _nics(owner: Owner, port: Port) -> tuple[bool, ...]:
    return tuple(find_nic(owner.xml(live=live), port.mac) is not None for live in (False, True))


def test_a_disk_is_limited_from_its_launch_on(owner: Owner) -> None:
    disk = DiskRequest(GIB, limits=IoLimits(total_iops=100))
    spec = dataclasses.replace(SPEC, name="slow", disks=(disk,))
    made, operation = owner.cloud.launch.launch(ADMIN, "", spec)
    assert owner.cloud.wait(operation).status is OperationStatus.SUCCEEDED
    xml = owner.hypervisor.domains[made.id].xml
    assert xml.count("<total_iops_sec>100<") == 1
    broken = DiskRequest(GIB, limits=IoLimits(total_iops=-1))
    with pytest.raises(InvalidInput):
        owner.cloud.launch.launch(ADMIN, "", dataclasses.replace(spec, name="other", disks=(broken,)))
