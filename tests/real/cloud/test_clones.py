"""Clones, snapshots and moves of a real guest, by UEFI: each clone is a machine of its own, with the same data."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest
from tests.real.cloud.conftest import ADMIN, Cloud, wait_for
from tests.real.cloud.insides import Inside

from zcloud.domain.attachment import Attachment
from zcloud.domain.errors import InUse
from zcloud.domain.instance import DiskRequest, Firmware, Instance, InstanceSpec, NicRequest, Ready
from zcloud.services.cloning import CloneSpec, Cloning
from zcloud.services.disks import Disks, DiskSpec, Parting
from zcloud.services.moving import Moving
from zcloud.services.pools import PoolSpec
from zcloud.services.snapshots import Snapshots
from zcloud.services.volumes import Volumes, VolumeSpec

MIB = 1 << 20
RAW = "/var/lib/libvirt/images/raw"


@pytest.fixture(scope="module")
def guest(cloud: Cloud) -> Iterator[Instance]:
    """Give a guest that is ready, with data on its second disk."""
    spec = InstanceSpec(
        name="origin", image="tiny", vcpus=1, memory_mib=256, firmware=Firmware.UEFI,
        nics=(NicRequest(""),), disks=(DiskRequest(64 * MIB),),
    )  # fmt: skip
    instance, operation = cloud.launch.launch(ADMIN, "", spec)
    cloud.done(operation)
    _ready(cloud, instance.name)
    yield instance
    cloud.done(cloud.instances.delete(ADMIN, "", instance.id))


def _ready(cloud: Cloud, name: str) -> Inside:
    wait_for(lambda: cloud.instance(name).ready is Ready.READY, 90, "readiness")
    return Inside(cloud.host, cloud.instance(name).id)


def _disk(cloud: Cloud, guest: Instance) -> str:
    """Give the serial of the data disk."""
    with cloud.runtime.store.read() as tx:
        return next(each.serial for each in tx.volumes.of_instance(guest.id) if each.slot)


def test_clones_and_snapshots(cloud: Cloud, guest: Instance) -> None:
    cloning, serial = Cloning(cloud.runtime.services), _disk(cloud, guest)
    origin = Inside(cloud.host, guest.id)
    device = f"/dev/{origin.disk(serial)}"
    origin.sh(f"dd if=/dev/urandom of={device} bs=1M count=8 oflag=direct 2>/dev/null")
    digest = _digest(origin, serial)

    library = _fill_library(cloud, guest)
    twin = f"{guest.name}-twin"
    made = cloud.done(cloning.clone(ADMIN, "", guest.id, CloneSpec((twin,), root_size=48 * MIB)).operation)
    assert "library at /library" in made.steps[0].detail  # that one is shared, and no clone has it
    _look(cloud, twin, serial, digest)
    _shares(cloud, guest, twin, library)

    _moves_live(cloud, guest, serial, digest)
    digest = _snapshots(cloud, guest, serial, digest)

    cloud.done(cloud.instances.stop(ADMIN, "", guest.id, force=True))
    _moves_off(cloud, guest)
    cloud.done(cloning.template(ADMIN, "", guest.id, on=True))
    refused = cloud.host.run(["virsh", "-q", "start", guest.id], check=False)  # behind our back
    assert (refused.returncode, "Permission denied" in refused.stderr) == (1, True)
    linked = f"{guest.name}-linked"
    cloud.done(cloning.clone(ADMIN, "", guest.id, CloneSpec((linked,))).operation)
    _look(cloud, linked, serial, digest)
    cloud.done(cloud.instances.delete(ADMIN, "", linked))


SHARED = DiskSpec("library", attachment=Attachment(read_only=True, serial="library", shared=True))


def _fill_library(cloud: Cloud, guest: Instance) -> str:
    """Make a volume that the guest has filled, reads now and has in its fstab; gives the digest of what is in it."""
    disks, volumes = Disks(cloud.runtime.services), Volumes(cloud.runtime.services)
    _, made = volumes.create(ADMIN, "", VolumeSpec("library", 16 * MIB, "default"))
    cloud.done(made)
    cloud.done(disks.attach(ADMIN, "", guest.id, DiskSpec("library", attachment=Attachment(serial="library")))[1])
    inside = Inside(cloud.host, guest.id)
    there = wait_for(lambda: inside.disk("library"), 30, "the disk")
    inside.sh(f"dd if=/dev/urandom of=/dev/{there} bs=1M count=8 oflag=direct 2>/dev/null")
    digest = _digest(inside, "library")
    with pytest.raises(InUse):
        disks.attach(ADMIN, "", guest.id, SHARED)
    cloud.done(disks.detach(ADMIN, "", guest.id, "library", Parting()))
    cloud.done(disks.attach(ADMIN, "", guest.id, SHARED)[1])
    inside.sh("echo /dev/disk/by-id/virtio-library /library ext4 ro 0 2 >/etc/fstab")
    return digest


def _shares(cloud: Cloud, guest: Instance, twin: str, digest: str) -> None:
    """A volume that both read at once, and nobody writes to meanwhile; one of them goes, the other starts anew."""
    disks, volumes = Disks(cloud.runtime.services), Volumes(cloud.runtime.services)
    volume = volumes.show(ADMIN, "", "library")
    cloud.done(disks.attach(ADMIN, "", twin, SHARED)[1])
    for inside in (Inside(cloud.host, guest.id), Inside(cloud.host, cloud.instance(twin).id)):
        there = wait_for(partial(inside.disk, "library"), 30, "the shared disk")
        assert (_digest(inside, "library"), inside.sh(f"cat /sys/block/{there}/ro")) == (digest, "1")
    cloud.done(cloud.instances.delete(ADMIN, "", twin))
    with pytest.raises(InUse):
        volumes.delete(ADMIN, "", volume.id)
    cloud.done(cloud.instances.stop(ADMIN, "", guest.id, force=True))
    cloud.done(cloud.instances.start(ADMIN, "", guest.id))
    assert _digest(_ready(cloud, guest.name), "library") == digest
    cloud.done(disks.detach(ADMIN, "", guest.id, "library", Parting()))
    cloud.done(volumes.delete(ADMIN, "", volume.id))


def _moves_live(cloud: Cloud, guest: Instance, serial: str, digest: str) -> None:
    """To a pool of raw files and back, while the guest reads and writes."""
    moving, inside = Moving(cloud.runtime.services), Inside(cloud.host, guest.id)
    raw = PoolSpec("raw", host="alpha", options={"path": RAW, "format": "raw"})
    cloud.done(cloud.pools.create(ADMIN, raw)[1])
    writing = f"while :; do dd if=/dev/zero of=/dev/{inside.disk(serial)} bs=1M seek=32 count=4 oflag=direct; done"
    inside.sh(f"({writing}) >/dev/null 2>&1 & echo $! >/run/writer")
    for pool in ("raw", "default"):
        cloud.done(moving.move_instance(ADMIN, "", guest.id, pool))
        live = cloud.host.virsh("dumpxml", guest.id)
        assert (RAW in live) is (pool == "raw")
        inside.sh("echo 3 >/proc/sys/vm/drop_caches")
        assert _digest(inside, serial) == digest
    inside.sh("kill $(cat /run/writer)")
    assert cloud.host.run(["ls", f"{RAW}/volumes", f"{RAW}/artifacts"]).stdout.split("\n")[1:2] == [""]


def _moves_off(cloud: Cloud, guest: Instance) -> None:
    """Its variables and its seed go along."""
    snapshots, moving = Snapshots(cloud.runtime.services), Moving(cloud.runtime.services)
    with pytest.raises(InUse):
        moving.move_instance(ADMIN, "", guest.id, "raw")
    cloud.done(snapshots.delete(ADMIN, "", guest.id, "three"))
    cloud.done(moving.move_instance(ADMIN, "", guest.id, "raw"))
    assert "/var/lib/libvirt/images/zcloud/" not in cloud.host.virsh("dumpxml", guest.id)


def _snapshots(cloud: Cloud, guest: Instance, serial: str, digest: str) -> str:
    """Three while it runs, the middle one goes; back to the first while it runs, to the last while it is off."""
    snapshots, inside = Snapshots(cloud.runtime.services), Inside(cloud.host, guest.id)
    digests = {"one": digest}
    cloud.done(snapshots.create(ADMIN, "", guest.id, "one")[1])
    for name in ("two", "three"):
        inside.sh(f"dd if=/dev/urandom of=/dev/{inside.disk(serial)} bs=1M count=8 oflag=direct 2>/dev/null")
        digests[name] = _digest(inside, serial)
        cloud.done(snapshots.create(ADMIN, "", guest.id, name)[1])
    cloud.done(snapshots.delete(ADMIN, "", guest.id, "two"))
    cloud.done(snapshots.revert(ADMIN, "", guest.id, "one"))
    assert _digest(_ready(cloud, guest.name), serial) == digests["one"]
    cloud.done(cloud.instances.stop(ADMIN, "", guest.id, force=True))
    cloud.done(snapshots.revert(ADMIN, "", guest.id, "three"))
    cloud.done(cloud.instances.start(ADMIN, "", guest.id))
    assert _digest(_ready(cloud, guest.name), serial) == digests["three"]
    listed = [(depth, each.name, here) for depth, each, here in snapshots.all(ADMIN, "", guest.id)]
    assert listed == [(0, "one", False), (1, "three", True)]
    cloud.done(snapshots.delete(ADMIN, "", guest.id, "one"))
    return digests["three"]


def _digest(inside: Inside, serial: str) -> str:
    return inside.sh(f"dd if=/dev/{inside.disk(serial)} bs=1M count=8 2>/dev/null | sha256sum")


def _look(cloud: Cloud, name: str, serial: str, digest: str) -> None:
    """See that it is itself, and has the data."""
    inside = _ready(cloud, name)
    with cloud.runtime.store.read() as tx:
        (port,) = tx.ports.of_instance(inside.id)
    assert inside.sh("hostname") == name
    assert inside.sh("cat /sys/class/net/eth0/address") == port.mac
    assert f"inet {port.address}/" in inside.sh("ip addr show eth0")
    assert _digest(inside, serial) == digest
