"""A real guest on a real iSCSI target: its root is a LUN there, and in the end all LUNs are free again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.real.cloud.conftest import ADMIN, Cloud
from tests.real.cloud.insides import Inside

from zcloud.domain.errors import PoolCannot
from zcloud.domain.instance import Instance, InstanceSpec, NicRequest
from zcloud.domain.storage import MIB, Pool
from zcloud.lab.iscsi import PASSWORD, IscsiTarget, missing_programs
from zcloud.services.moving import Moving
from zcloud.services.pools import PoolSpec
from zcloud.services.snapshots import Snapshots
from zcloud.services.volumes import Growth, Volumes


@pytest.fixture(scope="module")
def target(cloud: Cloud) -> Iterator[IscsiTarget]:
    """Give a target that the host reaches over the lab's bridge."""
    if missing := missing_programs():
        pytest.skip(f"not installed: {', '.join(missing)}")
    with IscsiTarget(f"{cloud.host.address.rpartition('.')[0]}.254") as target:
        for number, mib in enumerate((1, 64, 64, 256, 256), 1):
            target.make_lun(number, mib * MIB)
        yield target


@pytest.fixture(scope="module")
def pool(cloud: Cloud, target: IscsiTarget) -> Iterator[Pool]:
    """Give a pool of it; in the end nothing may be left in its list, on the host and in its libvirt."""
    options = {**target.options, "luns": "1-6"}
    pool, made = cloud.pools.create(ADMIN, PoolSpec("san", driver="iscsi", options=options))
    cloud.done(made)
    assert pool.id in cloud.host.virsh("secret-list")
    yield pool
    cloud.done(cloud.pools.delete(ADMIN, "san"))
    assert not (target.directory / "lun1").read_bytes().strip(b"\0")
    assert pool.id not in cloud.host.virsh("secret-list")
    assert pool.id not in cloud.host.run(["ls", "/var/lib/libvirt/images"]).stdout


@pytest.fixture(scope="module")
def guest(cloud: Cloud, pool: Pool) -> Iterator[Instance]:
    """Give a guest whose root is there."""
    spec = InstanceSpec(name="on-san", image="tiny", vcpus=1, memory_mib=128, nics=(NicRequest(""),), pool=pool.name)
    made, operation = cloud.launch.launch(ADMIN, "", spec)
    cloud.done(operation)
    cloud.ready(made.id)
    yield cloud.instance(made.id)
    cloud.done(cloud.instances.delete(ADMIN, "", made.id))


def test_a_root_is_a_lun_and_its_password_is_nowhere_to_be_seen(cloud: Cloud, guest: Instance) -> None:
    root, inside = cloud.instances.show(ADMIN, "", guest.id).volumes[0], Inside(cloud.host, guest.id)
    assert inside.sh("cat /sys/block/vda/size") == str(root.size // 512)  # not one sector more of the LUN
    inside.sh("dd if=/dev/zero of=/dev/vda bs=1M count=1 seek=$(($(cat /sys/block/vda/size) / 2048 - 1)) conv=fsync")
    xml = cloud.host.virsh("dumpxml", guest.id)
    assert "protocol='iscsi'" in xml
    files = 'grep -rlF -e "$0" /var/log/libvirt /etc/libvirt/qemu /run/libvirt/qemu || true'
    assert PASSWORD not in xml + cloud.host.run(["sh", "-c", files, PASSWORD]).stdout


def test_what_a_lun_cannot_do_is_refused(cloud: Cloud, guest: Instance) -> None:
    services, root = cloud.runtime.services, cloud.instances.show(ADMIN, "", guest.id).volumes[0]
    with pytest.raises(PoolCannot, match="volumes that grow"):
        Volumes(services).resize(ADMIN, "", root.id, Growth(root.size + MIB))
    with pytest.raises(PoolCannot, match="snapshots"):
        Snapshots(services).create(ADMIN, "", guest.id, "then")


def test_a_running_guest_moves_to_files_and_back(cloud: Cloud, guest: Instance) -> None:
    moving, inside = Moving(cloud.runtime.services), Inside(cloud.host, guest.id)
    spot = "bs=1M count=1 skip=$(($(cat /sys/block/vda/size) / 2048 - 2)) iflag=direct"
    inside.sh(f"head -c 1048576 /dev/urandom | dd of=/dev/vda {spot.replace('skip', 'seek').replace('iflag', 'oflag')}")
    digest = inside.sh(f"dd if=/dev/vda {spot} 2>/dev/null | md5sum")
    for pool in ("default", "san"):
        cloud.done(moving.move_instance(ADMIN, "", guest.id, pool))
        assert ("protocol='iscsi'" in cloud.host.virsh("dumpxml", guest.id)) is (pool == "san")
        assert inside.sh(f"dd if=/dev/vda {spot} 2>/dev/null | md5sum") == digest
