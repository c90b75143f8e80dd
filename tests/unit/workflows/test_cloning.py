"""Templates and clones over fake hosts: identities of their own, all or none, and nothing that runs over a template."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from zcloud.domain.boot import comes_back
from zcloud.domain.errors import Busy, HypervisorFailed, InUse, InvalidInput, NotFound, WrongState
from zcloud.domain.instance import DiskRequest, Firmware, Instance, InstanceSpec, InstanceStatus, NicRequest, OnBoot
from zcloud.domain.operation import Operation, OperationStatus
from zcloud.domain.storage import GIB, Volume
from zcloud.libvirtxml.domain import Domain
from zcloud.services.cloning import CloneSpec, Cloning
from zcloud.services.volumes import Growth, Volumes
from zcloud.store import Store
from zcloud.testing.cloud import ADMIN, FakeCloud


class Owner:
    """An instance named web with a data disk, and what its owner does."""

    def __init__(self, cloud: FakeCloud) -> None:
        self.cloud, self.cloning = cloud, Cloning(cloud.services)
        self.host_id = cloud.add_host("alpha")
        spec = InstanceSpec(
            name="web", image="tiny", vcpus=1, memory_mib=256, firmware=Firmware.UEFI, nics=(NicRequest(""),),
            disks=(DiskRequest(GIB, filesystem="ext4", mount="/srv"),), user_data="#cloud-config\n{}\n",
            password_hash="$6$salt$" + "x" * 86,
        )  # fmt: skip
        self.web, operation = cloud.launch.launch(ADMIN, "", spec)
        self.done(operation)
        self.hypervisor = cloud.links.hosts[self.host_id].hypervisor
        self.files = cloud.links.hosts[self.host_id].shell.disk.files

    def done(self, operation: Operation) -> Operation:
        ended = self.cloud.wait(operation)
        assert ended.status is OperationStatus.SUCCEEDED, ended.error
        return ended

    def stop(self) -> None:
        self.done(self.cloud.instances.stop(ADMIN, "", "web"))

    def template(self, *, on: bool = True) -> None:
        self.done(self.cloning.template(ADMIN, "", "web", on=on))

    def clone(self, *names: str, **spec: object) -> list[Instance]:
        self.done(self.cloning.clone(ADMIN, "", "web", CloneSpec(names, **spec)).operation)  # type: ignore[arg-type]
        return [self.cloud.instances.show(ADMIN, "", name).instance for name in names]

    def disks(self, instance: Instance) -> list[Volume]:
        return self.cloud.read(lambda tx: tx.volumes.of_instance(instance.id))

    def address(self, instance: Instance) -> str:
        return self.cloud.read(lambda tx: tx.ports.of_instance(instance.id)[0].address)

    def image(self, volume: Volume) -> str:
        """Give the backing file of a volume's image; empty: it has none."""
        file = next(each for path, each in self.files.items() if volume.id in path)
        assert file.image
        return file.image.backing.path if file.image.backing else ""


@pytest.fixture
def owner(sqlite_store: Store, tmp_path: Path) -> Iterator[Owner]:
    cloud = FakeCloud(sqlite_store, tmp_path)
    cloud.start()
    yield Owner(cloud)
    cloud.stop()


def test_two_clones_of_a_running_guest_are_machines_of_their_own(owner: Owner) -> None:
    one, two = owner.clone("one", "two", vcpus=2, memory_mib=512, root_size=4 * GIB)
    assert {one.status, two.status} == {InstanceStatus.RUNNING}
    assert (one.vcpus, one.memory_mib, one.guest["clone_of"]["quiesced"]) == (2, 512, True)
    machines = [Domain.parse(owner.hypervisor.domains[each.id].xml) for each in (owner.web, one, two)]
    for what in (
        [each.os.nvram for each in machines],
        [each.interfaces[0].mac for each in machines],
        [each.disks[0].source.file for each in machines],
    ):
        assert len(set(what)) == 3
    assert len({each.disks[0].serial for each in machines}) == 1  # a guest's fstab may name them
    assert [volume.size for volume in owner.disks(one)] == [4 * GIB, GIB]
    assert [owner.image(volume) for volume in owner.disks(one)] == ["", ""]
    addresses = owner.cloud.read(
        lambda tx: [tx.ports.of_instance(each.id)[0].address for each in (owner.web, one, two)]
    )
    assert len(set(addresses)) == 3
    secrets = owner.cloud.read(
        lambda tx: [tx.secrets.get(f"instance.{k}", one.id) for k in ("password_hash", "user_data")]
    )
    assert (bool(secrets[0]), secrets[1]) == (True, None)
    assert owner.cloud.instances.show(ADMIN, "", "web").instance.frozen_until is None


def test_a_clone_of_one_that_is_off_shares_its_image_only(owner: Owner) -> None:
    owner.stop()
    (twin,) = owner.clone("twin", start=False)
    root, data = owner.disks(twin)
    assert twin.status is InstanceStatus.STOPPED
    assert ("/base/" in owner.image(root), owner.image(data)) == (True, "")
    owner.done(owner.cloud.instances.start(ADMIN, "", "twin"))


def test_a_template_never_runs_and_stays_as_long_as_something_lies_over_it(owner: Owner) -> None:
    owner.stop()
    owner.template()
    with pytest.raises(WrongState, match="is a template"):
        owner.cloud.instances.start(ADMIN, "", "web")
    web = owner.cloud.instances.show(ADMIN, "", "web").instance
    assert not comes_back(dataclasses.replace(web, on_boot=OnBoot.START))
    with pytest.raises(WrongState, match="is a template"):
        Volumes(owner.cloud.services).resize(ADMIN, "", "web-root", Growth(9 * GIB))
    (linked,) = owner.clone("linked")
    roots = [owner.disks(each)[0] for each in (owner.web, linked)]
    assert roots[0].id in owner.image(roots[1])
    with pytest.raises(InUse, match="linked-root"):
        owner.cloning.template(ADMIN, "", "web", on=False)
    with pytest.raises(InUse, match="linked-root"):
        owner.cloud.instances.delete(ADMIN, "", "web")
    owner.done(owner.cloud.instances.delete(ADMIN, "", "linked"))
    owner.template(on=False)
    owner.done(owner.cloud.instances.start(ADMIN, "", "web"))


def test_addresses_follow_the_first_one(owner: Owner) -> None:
    names = ("one", "two")
    nics = (NicRequest("", "192.168.77.50"),)
    assert [owner.address(each) for each in owner.clone(*names, nics=nics)] == ["192.168.77.50", "192.168.77.51"]


def test_what_stays_behind_is_told(owner: Owner) -> None:
    cloned = owner.cloning.clone(ADMIN, "", "web", CloneSpec(("twin",), without=("web-data-1",)))
    assert ["/srv" in told and "nofail" in told for told in cloned.warnings] == [True]
    owner.done(cloned.operation)
    assert len(owner.disks(owner.cloud.instances.show(ADMIN, "", "twin").instance)) == 1


@pytest.mark.parametrize(("options", "told"), [("defaults", True), ("defaults,nofail", False)])
def test_a_running_guest_is_asked_for_what_its_clone_would_wait(owner: Owner, options: str, told: bool) -> None:
    disk = owner.disks(owner.web)[1]
    fstab = f"/dev/disk/by-id/virtio-{disk.serial} /srv ext4 {options} 0 2\n"
    owner.hypervisor.domains[owner.web.id].guest |= {
        "guest-file-open": 7,
        "guest-file-read": {"buf-b64": base64.b64encode(fstab.encode()).decode()},
    }
    clone = owner.cloning.clone(ADMIN, "", "web", CloneSpec(("twin",), without=(disk.name,)))
    step = owner.cloud.wait(clone.operation).steps[0]
    assert (f"{disk.name} at /srv" in step.detail) is told, step


def test_what_is_refused(owner: Owner) -> None:
    for error, spec in (
        (InvalidInput, CloneSpec(())),
        (InvalidInput, CloneSpec(("a", "a"))),
        (InvalidInput, CloneSpec(("a",), root_size=1)),
        (InvalidInput, CloneSpec(("a",), without=("web-root",))),
        (InvalidInput, CloneSpec(("a", "b"), nics=(NicRequest("", mac="52:54:00:00:00:01"),))),
        (NotFound, CloneSpec(("a",), without=("nothing",))),
        (WrongState, CloneSpec(("a",), linked=True)),
    ):
        with pytest.raises(error):
            owner.cloning.clone(ADMIN, "", "web", spec)
    with pytest.raises(WrongState):
        owner.cloning.template(ADMIN, "", "web", on=True)  # it runs


def test_all_or_none(owner: Owner) -> None:
    owner.hypervisor.fail("start", HypervisorFailed("no"))
    before = set(owner.files)
    operation = owner.cloning.clone(ADMIN, "", "web", CloneSpec(("one", "two"))).operation
    with pytest.raises(Busy):
        owner.cloud.instances.stop(ADMIN, "", "web")
    assert owner.cloud.wait(operation).status is OperationStatus.FAILED
    assert set(owner.files) == before
    assert owner.cloud.read(lambda tx: [each.name for each in tx.instances.page(limit=9).items]) == ["web"]
