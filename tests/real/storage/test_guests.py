"""Guests whose disks lie on NFS, in LVM and in LVM-thin, each through one life; only with ``ZCLOUD_GUESTS=nested``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.real.cloud.conftest import ADMIN, running, wait_for
from tests.real.cloud.insides import Inside
from tests.real.storage.guests import HOST, SLOW_S, NestedCloud, config
from tests.real.storage.nfs import EXPORTS

from zcloud.domain.storage import MIB
from zcloud.lab.nested import NestedHost
from zcloud.services.cloning import CloneSpec
from zcloud.services.pools import PoolSpec
from zcloud.services.volumes import Growth

pytestmark = pytest.mark.skipif(
    os.environ.get("ZCLOUD_GUESTS") != "nested", reason="a life takes most of an hour there: scripts/soak runs it"
)
KINDS = ("nfs", "lvm", "lvmthin")
ELSEWHERE = {"nfs": "default", "lvm": "default", "lvmthin": "nfs"}
CHAIN = {"nfs": 10, "lvm": 2, "lvmthin": 10}  # a plain volume's snapshots are whole copies
DATA, GROWN = 18 * MIB, 30 * MIB  # neither is of whole extents


@pytest.fixture(scope="module")
def cloud(
    server: NestedHost, probe_kit: Path, tiny_image: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[NestedCloud]:
    """Give a cloud with the nested host and a pool of each kind; in the end nothing of them is left."""
    server.run(["mkdir", "-p", f"{EXPORTS}/guests"])
    with running(config(tmp_path_factory.mktemp("cloud")), probe_kit, server.key) as runtime:
        cloud = NestedCloud(runtime, server)
        cloud.enlist()
        cloud.import_image("tiny", tiny_image)
        nfs = {"server": "127.0.0.1", "export": f"{EXPORTS}/guests"}
        pools = (
            PoolSpec("default", host=HOST, is_default=True),
            PoolSpec("nfs", driver="nfs", options=nfs),
            PoolSpec("lvm", driver="lvm", host=HOST, options={"volume_group": "vga", "disks": "/dev/vdb"}),
            PoolSpec("lvmthin", driver="lvmthin", host=HOST, options={"volume_group": "vgb", "disks": "/dev/vdc"}),
        )
        for pool in pools:
            cloud.done(cloud.pools.create(ADMIN, pool)[1], SLOW_S)
        yield cloud
        for pool in pools:
            cloud.done(cloud.pools.delete(ADMIN, pool.name), SLOW_S)
        left = server.run(
            [
                "sh",
                "-c",
                "vgs; ls /var/lib/libvirt/images | grep -vx zcloud-shared; cat /proc/mounts; virsh -q list --all",
            ]
        ).stdout
        assert [word for word in ("vga", "vgb", "zcloud") if word in left] == [], left


@pytest.mark.parametrize("kind", KINDS)
def test_a_life(cloud: NestedCloud, kind: str) -> None:
    before = traces(cloud)
    inside = cloud.boot(f"on-{kind}", kind)
    volume, device = cloud.plug(inside, kind, DATA)
    inside.sh(f"dd if=/dev/urandom of={device} bs=1M count=8 oflag=direct 2>/dev/null")
    digest = _digest(inside, device)
    _goes_back(cloud, inside, CHAIN[kind], digest)
    device = f"/dev/{inside.disk('data')}"
    cloud.done(cloud.volumes.resize(ADMIN, "", volume.id, Growth(GROWN)), SLOW_S)
    wait_for(lambda: int(inside.sh(f"cat /sys/block/{device[5:]}/size")) * 512 >= GROWN, SLOW_S, "the new size")
    assert inside.sh(f"dd if={device} bs=1M skip=28 count=2 2>/dev/null | tr -d '\\0' | wc -c") == "0"
    cloud.done(cloud.instances.stop(ADMIN, "", inside.id, force=True), SLOW_S)
    cloud.done(cloud.cloning.template(ADMIN, "", inside.id, on=True), SLOW_S)
    _clone_moves(cloud, inside, ELSEWHERE[kind], digest)
    cloud.done(cloud.instances.delete(ADMIN, "", inside.id), SLOW_S)
    assert traces(cloud) == before


def _goes_back(cloud: NestedCloud, inside: Inside, count: int, digest: str) -> None:
    """Snapshots are taken while the guest writes to both disks in turn; one in the middle goes, another is gone to."""
    snapshots, device = cloud.snapshots, f"/dev/{inside.disk('data')}"
    last = int(inside.sh("cat /sys/block/vda/size")) // 2048 - 1
    spots = [f"of=/dev/vda seek={last}", f"of={device} seek=12"]
    writes = "; ".join(f"echo $i | dd bs=1M conv=fsync {spot}" for spot in spots)
    inside.sh(f"(i=10000; while :; do i=$((i+1)); {writes}; done) >/dev/null 2>&1 & echo $! >/run/writer")
    for number in range(count):
        cloud.done(snapshots.create(ADMIN, "", inside.id, f"s{number}")[1], SLOW_S)
    inside.sh(f"kill $(cat /run/writer); dd if=/dev/zero of={device} bs=1M count=8 oflag=direct 2>/dev/null")
    cloud.done(snapshots.delete(ADMIN, "", inside.id, f"s{count // 2}"), SLOW_S)
    cloud.done(snapshots.revert(ADMIN, "", inside.id, f"s{count // 2 - 1}"), SLOW_S)
    inside = cloud.awake(cloud.instance(inside.id))
    device = f"/dev/{inside.disk('data')}"
    assert _digest(inside, device) == digest
    first, second = (
        int(inside.sh(f"dd if={disk} bs=1M skip={at} count=1 2>/dev/null | head -c 5"))
        for disk, at in (("/dev/vda", last), (device, 12))
    )
    assert first - second in (0, 1), "both disks are of one moment"


def _clone_moves(cloud: NestedCloud, inside: Inside, pool: str, digest: str) -> None:
    """A clone of a template has its data, and keeps it while it moves to another kind of pool and is written to."""
    name = f"{cloud.instance(inside.id).name}-clone"
    cloud.done(cloud.cloning.clone(ADMIN, "", inside.id, CloneSpec((name,))).operation, SLOW_S)
    clone = cloud.awake(cloud.instance(name))
    device = f"/dev/{clone.disk('data') or 'vdb'}"
    assert _digest(clone, device) == digest
    clone.sh(
        f"(while :; do dd if=/dev/zero of={device} bs=1M seek=12 count=4 oflag=direct; done) >/dev/null 2>&1 &"
        " echo $! >/run/writer"
    )
    cloud.done(cloud.moving.move_instance(ADMIN, "", clone.id, pool), SLOW_S)
    clone.sh("kill $(cat /run/writer); echo 3 >/proc/sys/vm/drop_caches")
    assert _digest(clone, device) == digest
    cloud.done(cloud.instances.delete(ADMIN, "", clone.id), SLOW_S)


def _digest(inside: Inside, device: str) -> str:
    return inside.sh(f"dd if={device} bs=1M count=8 2>/dev/null | md5sum").split()[0]


def traces(cloud: NestedCloud) -> str:
    """Give everything that guests leave on the host, but for images."""
    script = (
        "for vg in vga vgb; do lvs --noheadings -o lv_name $vg; done | grep -v base | sort;"
        " find /var/lib/libvirt/images /srv/nfs -type f | grep -v /base | sort; virsh -q list --all --name"
    )
    return cloud.host.run(["sh", "-c", script]).stdout
