"""A real guest on a real Ceph cluster of three OSDs, some of which die; in the end nothing of it is left."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from tests.real.cloud.conftest import ADMIN, Cloud, wait_for
from tests.real.cloud.insides import Inside

from zcloud.domain.attachment import Attachment
from zcloud.domain.instance import DiskRequest, Instance, InstanceSpec, NicRequest
from zcloud.domain.storage import Pool
from zcloud.lab.ceph import Ceph, missing_programs
from zcloud.services.cloning import CloneSpec, Cloning
from zcloud.services.disks import Disks, DiskSpec, Parting
from zcloud.services.moving import Moving
from zcloud.services.pools import PoolSpec
from zcloud.services.snapshots import Snapshots
from zcloud.services.volumes import Growth, Volumes, VolumeSpec

MIB = 1 << 20
OSDS = 3


@pytest.fixture(scope="module")
def ceph(cloud: Cloud) -> Iterator[Ceph]:
    """Give a cluster that the host reaches over the lab's bridge."""
    if missing := missing_programs():
        pytest.skip(f"not installed: {', '.join(missing)}")
    with Ceph(f"{cloud.host.address.rpartition('.')[0]}.254", osds=OSDS) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def pool(cloud: Cloud, ceph: Ceph) -> Iterator[Pool]:
    """Give a pool in it; in the end nothing may be left in Ceph, on the host and in its libvirt."""
    options = {"monitors": ceph.monitors, "pool": "vms", "key": ceph.make_pool("vms", "zcloud")}
    pool, made = cloud.pools.create(ADMIN, PoolSpec("ceph", driver="rbd", options=options))
    cloud.done(made)
    assert pool.id in cloud.host.virsh("secret-list")
    yield pool
    cloud.done(cloud.pools.delete(ADMIN, "ceph"))
    assert (ceph.rbd("ls", "vms"), ceph.rbd("trash", "ls", "vms")) == ("", "")
    assert pool.id not in cloud.host.virsh("secret-list")
    assert pool.id not in cloud.host.run(["ls", "/var/lib/libvirt/images"]).stdout


@pytest.fixture(scope="module")
def guest(cloud: Cloud, pool: Pool) -> Iterator[Instance]:
    """Give a guest whose disks are there, with something on its data disk."""
    spec = InstanceSpec(
        name="on-ceph", image="tiny", vcpus=1, memory_mib=128, nics=(NicRequest(""),), pool=pool.name,
        disks=(DiskRequest(32 * MIB, pool.name),),
    )  # fmt: skip
    made, operation = cloud.launch.launch(ADMIN, "", spec)
    cloud.done(operation)
    cloud.ready(made.id)
    Inside(cloud.host, made.id).sh("dd if=/dev/urandom of=/dev/vdb bs=1M count=16 oflag=direct 2>/dev/null")
    yield cloud.instance(made.id)
    cloud.done(cloud.instances.delete(ADMIN, "", made.id))


def _digest(inside: Inside) -> str:
    """Give what the data disk holds, as it is read from the pool."""
    return inside.sh("echo 3 >/proc/sys/vm/drop_caches; dd if=/dev/vdb bs=1M count=16 2>/dev/null | sha256sum")


def test_a_root_is_a_clone_and_its_key_is_nowhere_to_be_seen(cloud: Cloud, ceph: Ceph, guest: Instance) -> None:
    root = cloud.instances.show(ADMIN, "", guest.id).volumes[0]
    assert json.loads(ceph.rbd("info", f"vms/{root.id}", "--format", "json"))["parent"]["image"].startswith("base.")
    key = ceph.run("auth", "get-key", "client.zcloud")
    xml = cloud.host.virsh("dumpxml", guest.id)
    assert "protocol='rbd'" in xml
    files = 'grep -rlF -e "$0" /var/log/libvirt /etc/libvirt/qemu /run/libvirt/qemu || true'
    assert key not in xml + cloud.host.run(["sh", "-c", files, key]).stdout


def test_a_disk_is_plugged_in_and_grown_while_the_guest_runs(cloud: Cloud, guest: Instance) -> None:
    services, inside = cloud.runtime.services, Inside(cloud.host, guest.id)
    disks, volumes = Disks(services), Volumes(services)
    volume, made = volumes.create(ADMIN, "", VolumeSpec("on-ceph-data", 16 * MIB, "ceph"))
    cloud.done(made)
    cloud.done(disks.attach(ADMIN, "", guest.id, DiskSpec(volume.id, attachment=Attachment(serial="data")))[1])
    device = wait_for(lambda: inside.disk("data"), 20, "the disk in the guest")
    cloud.done(volumes.resize(ADMIN, "", volume.id, Growth(32 * MIB)))
    wait_for(lambda: inside.sh(f"cat /sys/block/{device}/size") == str(32 * MIB // 512), 20, "the new size")
    inside.sh(f"dd if=/dev/urandom of=/dev/{device} bs=1M count=32 && sync")
    cloud.done(disks.detach(ADMIN, "", guest.id, volume.id, Parting(deadline_s=30)))
    cloud.done(volumes.delete(ADMIN, "", volume.id))


def test_a_guest_goes_back_to_a_snapshot_that_was_taken_while_it_ran(cloud: Cloud, guest: Instance) -> None:
    snapshots, inside = Snapshots(cloud.runtime.services), Inside(cloud.host, guest.id)
    last = int(inside.sh("cat /sys/block/vda/size")) // 2048 - 1
    spot = f"bs=1M seek={last} conv=fsync"
    inside.sh(f"echo before | dd of=/dev/vda {spot}")
    cloud.done(snapshots.create(ADMIN, "", guest.id, "then")[1])
    inside.sh(f"echo after. | dd of=/dev/vda {spot}")
    cloud.done(snapshots.revert(ADMIN, "", guest.id, "then"))
    cloud.ready(guest.id)
    assert inside.sh(f"dd if=/dev/vda bs=1M skip={last} count=1 | head -c 6") == "before"
    cloud.done(snapshots.delete(ADMIN, "", guest.id, "then"))


def test_a_guest_that_runs_is_cloned(cloud: Cloud, guest: Instance) -> None:
    """The copy has what was there at that moment; ``tests/real/crash`` has a linked one."""
    inside = Inside(cloud.host, guest.id)
    digest = _digest(inside)
    cloud.done(Cloning(cloud.runtime.services).clone(ADMIN, "", guest.id, CloneSpec(("twin",))).operation)
    inside.sh("dd if=/dev/urandom of=/dev/vdb bs=1M count=1 conv=fsync 2>/dev/null")
    assert _digest(Inside(cloud.host, cloud.ready("twin").id)) == digest
    cloud.done(cloud.instances.delete(ADMIN, "", "twin"))


def test_a_volume_moves_while_an_osd_dies_and_the_pool_tells_of_it(cloud: Cloud, ceph: Ceph, pool: Pool) -> None:
    """What was copied is read again by the move itself."""
    moving, volumes = Moving(cloud.runtime.services), Volumes(cloud.runtime.services)
    volume, made = volumes.create(ADMIN, "", VolumeSpec("mover", 48 * MIB, "default"))
    cloud.done(made)
    file = f"/var/lib/libvirt/images/zcloud/volumes/{volume.id}.qcow2"
    cloud.host.run(["qemu-io", "-c", "write -P 7 0 48M", file])
    moved = moving.move_volume(ADMIN, "", volume.id, pool.name)
    ceph.kill_osd(2)
    cloud.done(moved)
    wait_for(lambda: "osds down" in cloud.pools.show(ADMIN, pool.name)[0].warning, 60, "the pool's warning")
    ceph.start_osd(2)
    cloud.done(volumes.delete(ADMIN, "", volume.id))
