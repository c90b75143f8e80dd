"""A real guest on a real Ceph cluster: its root is a clone of the image there, and in the end nothing of it is left."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from tests.real.cloud.conftest import ADMIN, Cloud, wait_for
from tests.real.cloud.insides import Inside

from zcloud.domain.attachment import Attachment
from zcloud.domain.instance import Instance, InstanceSpec, NicRequest
from zcloud.domain.storage import Pool
from zcloud.lab.ceph import Ceph, missing_programs
from zcloud.services.disks import Disks, DiskSpec, Parting
from zcloud.services.pools import PoolSpec
from zcloud.services.snapshots import Snapshots
from zcloud.services.volumes import Growth, Volumes, VolumeSpec

MIB = 1 << 20


@pytest.fixture(scope="module")
def ceph(cloud: Cloud) -> Iterator[Ceph]:
    """Give a cluster that the host reaches over the lab's bridge."""
    if missing := missing_programs():
        pytest.skip(f"not installed: {', '.join(missing)}")
    with Ceph(f"{cloud.host.address.rpartition('.')[0]}.254") as cluster:
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
    """Give a guest whose root is there."""
    spec = InstanceSpec(name="on-ceph", image="tiny", vcpus=1, memory_mib=128, nics=(NicRequest(""),), pool=pool.name)
    made, operation = cloud.launch.launch(ADMIN, "", spec)
    cloud.done(operation)
    cloud.ready(made.id)
    yield cloud.instance(made.id)
    cloud.done(cloud.instances.delete(ADMIN, "", made.id))


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
