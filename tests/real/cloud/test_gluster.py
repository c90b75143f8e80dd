"""A real guest on a real GlusterFS volume: its disk is a file on the brick, and in the end nothing is left there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.real.cloud.conftest import ADMIN, Cloud
from tests.real.cloud.insides import Inside

from zcloud.domain.instance import InstanceSpec, NicRequest
from zcloud.domain.storage import MIB
from zcloud.lab.gluster import Gluster, missing_programs
from zcloud.services.pools import PoolSpec
from zcloud.services.snapshots import Snapshots
from zcloud.services.volumes import Growth, Volumes


@pytest.fixture(scope="module")
def brick(cloud: Cloud) -> Iterator[Path]:
    """Give where the files of the pool ``files`` lie on the server, which the host reaches over the lab's bridge."""
    if missing := missing_programs():
        pytest.skip(f"not installed: {', '.join(missing)}")
    with Gluster(f"{cloud.host.address.rpartition('.')[0]}.254") as cluster:
        brick = cluster.make_volume("vms")
        options = {"server": cluster.address, "volume": "vms"}
        pool, made = cloud.pools.create(ADMIN, PoolSpec("files", driver="gluster", options=options))
        cloud.done(made)
        yield brick
        cloud.done(cloud.pools.delete(ADMIN, "files"))
        assert [each.name for each in brick.iterdir() if each.name != ".glusterfs"] == []
        assert pool.id not in cloud.host.run(["cat", "/proc/mounts"]).stdout


def test_a_guest_runs_grows_and_goes_back_on_a_gluster_volume(cloud: Cloud, brick: Path) -> None:
    services = cloud.runtime.services
    spec = InstanceSpec(name="on-gluster", image="tiny", vcpus=1, memory_mib=128, nics=(NicRequest(""),), pool="files")
    made, operation = cloud.launch.launch(ADMIN, "", spec)
    cloud.done(operation)
    cloud.ready(made.id)
    root, inside = cloud.instances.show(ADMIN, "", made.id).volumes[0], Inside(cloud.host, made.id)
    assert (brick / f"volumes/{root.id}.qcow2").is_file()
    last = root.size // MIB - 1
    spot = f"bs=1M seek={last} conv=fsync"
    inside.sh(f"echo before | dd of=/dev/vda {spot}")
    cloud.done(Snapshots(services).create(ADMIN, "", made.id, "then")[1])
    cloud.done(Volumes(services).resize(ADMIN, "", root.id, Growth(root.size + 8 * MIB)))
    assert inside.sh("cat /sys/block/vda/size") == str((root.size + 8 * MIB) // 512)
    inside.sh(f"echo after. | dd of=/dev/vda {spot}")
    cloud.done(Snapshots(services).revert(ADMIN, "", made.id, "then"))
    cloud.ready(made.id)
    assert inside.sh(f"dd if=/dev/vda bs=1M skip={last} count=1 | head -c 6") == "before"
    cloud.done(cloud.instances.delete(ADMIN, "", made.id))
