"""CDs with drivers over fake hosts: put in at birth, kept from deletion while they are there, taken out again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests import builders

from zcloud.domain.attachment import Drive
from zcloud.domain.errors import HypervisorFailed, InUse, InvalidInput, WrongState
from zcloud.domain.image import Image
from zcloud.domain.instance import InstanceSpec
from zcloud.domain.operation import OperationStatus
from zcloud.drivers.compute.drives import find_disc, find_drive
from zcloud.services.images import Images
from zcloud.services.media import Media
from zcloud.store import Store
from zcloud.testing.cloud import ADMIN, FakeCloud

_CD = bytes(range(256)) * 8
_WINDOWS = InstanceSpec(name="win", image="tiny", vcpus=1, memory_mib=256, hardware={"os": "windows"})


@pytest.fixture
def cloud(sqlite_store: Store, tmp_path: Path) -> Iterator[FakeCloud]:
    made = FakeCloud(sqlite_store, tmp_path)
    made.start()
    made.add_host("alpha")
    yield made
    made.stop()


def _put_cd(cloud: FakeCloud, name: str = "virtio-win", os_id: str = "virtio-win") -> Image:
    digest = hashlib.sha256(_CD).hexdigest()
    image = builders.image(name=name, digest=digest, format="iso", size=len(_CD), virtual_size=len(_CD), os_id=os_id)
    (cloud.config.image_dir / f"{digest}.iso").write_bytes(_CD)
    return cloud.store.transact(lambda tx: tx.images.add(image))


def _launch(cloud: FakeCloud, spec: InstanceSpec) -> str | None:
    """Give what is in the drive of a new instance, as its domain has it."""
    instance, operation = cloud.launch.launch(ADMIN, "", spec)
    ended = cloud.wait(operation)
    assert ended.status is OperationStatus.SUCCEEDED, ended.error
    return _in_drive(cloud, instance.id)


def _in_drive(cloud: FakeCloud, instance_id: str) -> str | None:
    (link,) = cloud.links.hosts.values()
    return find_disc(link.hypervisor.domain_xml(instance_id) or "", Drive.DRIVERS) or None


def test_windows_has_the_library_s_drivers_until_they_are_taken_out(cloud: FakeCloud) -> None:
    assert _launch(cloud, replace(_WINDOWS, name="early")) is None
    image = _put_cd(cloud)
    path = _launch(cloud, _WINDOWS)
    assert path is not None
    assert path.endswith(f"/base/{image.digest}.iso")
    (link,) = cloud.links.hosts.values()
    assert link.shell.disk.file(path).data == _CD
    view = cloud.instances.show(ADMIN, "", "win")
    assert view.names.driver_iso == "virtio-win"

    images, media = Images(cloud.services), Media(cloud.services)
    with pytest.raises(InUse, match="CD drive of 1 instances: win"):
        images.delete(ADMIN, image.id)
    link.hypervisor.fail("update_device", HypervisorFailed("The tray is locked."))
    assert cloud.wait(media.eject(ADMIN, "", "win")).status is OperationStatus.FAILED
    assert _in_drive(cloud, view.instance.id) == path
    assert cloud.wait(media.eject(ADMIN, "", "win")).status is OperationStatus.SUCCEEDED
    assert _in_drive(cloud, view.instance.id) is None
    with pytest.raises(WrongState, match="no CD"):
        media.eject(ADMIN, "", "win")
    assert cloud.wait(images.delete(ADMIN, image.id)).status is OperationStatus.SUCCEEDED
    assert path not in link.shell.disk.files


def test_the_choice_wins_and_must_be_a_cd(cloud: FakeCloud) -> None:
    _put_cd(cloud)
    tools = _put_cd(cloud, "tools", "")
    plain = replace(_WINDOWS, hardware={})
    assert _launch(cloud, replace(plain, name="linux")) is None
    assert _launch(cloud, replace(_WINDOWS, name="none", driver_iso="none")) is None
    assert _launch(cloud, replace(plain, name="chosen", driver_iso="tools")) is not None
    assert cloud.instances.show(ADMIN, "", "chosen").instance.driver_image_id == tools.id
    with pytest.raises(InvalidInput, match="tiny is not a CD"):
        cloud.launch.launch(ADMIN, "", replace(plain, driver_iso="tiny"))
    with pytest.raises(InvalidInput, match="is a CD, not a disk"):
        cloud.launch.explain(ADMIN, "", replace(plain, image="tools"))
    assert cloud.launch.explain(ADMIN, "", _WINDOWS).drivers == "virtio-win"


def test_a_cd_is_put_in_and_taken_out_of_a_guest_that_runs(cloud: FakeCloud) -> None:
    disc, media = _put_cd(cloud, "disc", ""), Media(cloud.services)
    _launch(cloud, replace(_WINDOWS, hardware={}))
    (link,) = cloud.links.hosts.values()
    identity = cloud.instances.show(ADMIN, "", "win").instance.id

    operation, told = media.insert(ADMIN, "", "win", "disc")
    assert cloud.wait(operation).status is OperationStatus.SUCCEEDED
    assert "has no CD drive" in told[0]
    assert find_disc(link.hypervisor.domain_xml(identity) or "", Drive.CD).endswith(f"{disc.digest}.iso")
    assert find_drive(link.hypervisor.domain_xml(identity, inactive=False) or "", Drive.CD) is None
    assert cloud.instances.show(ADMIN, "", "win").names.cd == "disc"
    with pytest.raises(WrongState, match="The CD disc is in the drive"):
        media.insert(ADMIN, "", "win", "disc")
    with pytest.raises(InUse, match="win"):
        Images(cloud.services).delete(ADMIN, disc.id)

    assert cloud.wait(cloud.instances.restart(ADMIN, "", "win")).status is OperationStatus.SUCCEEDED
    for expected in ("", f"{disc.digest}.iso"):
        operation, told = media.insert(ADMIN, "", "win", "disc") if expected else (media.eject(ADMIN, "", "win"), ())
        assert cloud.wait(operation).status is OperationStatus.SUCCEEDED
        assert told == ()
        for inactive in (True, False):
            xml = link.hypervisor.domain_xml(identity, inactive=inactive) or ""
            assert find_drive(xml, Drive.CD) is not None
            assert find_disc(xml, Drive.CD).endswith(expected)
            assert bool(find_disc(xml, Drive.CD)) is bool(expected)


def test_a_cd_that_cannot_be_put_in_is_not_on_record(cloud: FakeCloud) -> None:
    _put_cd(cloud, "disc", "")
    _launch(cloud, replace(_WINDOWS, hardware={}, cd="disc"))
    media = Media(cloud.services)
    assert cloud.wait(media.eject(ADMIN, "", "win")).status is OperationStatus.SUCCEEDED
    (link,) = cloud.links.hosts.values()
    link.hypervisor.fail("update_device", HypervisorFailed("The tray is locked."))
    assert cloud.wait(media.insert(ADMIN, "", "win", "disc")[0]).status is OperationStatus.FAILED
    assert cloud.instances.show(ADMIN, "", "win").instance.cd_image_id is None
