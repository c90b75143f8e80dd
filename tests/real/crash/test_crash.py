"""libvirtd killed in the middle of operations, and our server killed while real guests are launched."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.real.cloud.conftest import ADMIN, traces, wait_for
from tests.real.cloud.insides import Inside
from tests.real.crash.conftest import Site

from zcloud.domain.host import HostState
from zcloud.domain.instance import DiskRequest, Firmware, InstanceSpec, InstanceStatus, NicRequest, Ready
from zcloud.domain.operation import Operation
from zcloud.lab.ceph import Ceph, missing_programs
from zcloud.services.cloning import CloneSpec, Cloning
from zcloud.services.disks import Disks, DiskSpec, Parting
from zcloud.services.moving import Moving
from zcloud.services.pools import PoolSpec

KILLS = int(os.environ.get("ZCLOUD_REAL_KILLS", "5"))
DEADLINE_S = 60


def spec(name: str, firmware: Firmware = Firmware.BIOS) -> InstanceSpec:
    return InstanceSpec(
        name=name, image="tiny", vcpus=1, memory_mib=128, firmware=firmware, nics=(NicRequest(""),)
    )  # fmt: skip


@pytest.mark.parametrize("firmware", list(Firmware))
def test_libvirtd_killed_in_a_create_and_in_a_delete(site: Site, firmware: Firmware) -> None:
    """The operation goes on by itself; meanwhile the host is shown as degraded."""
    cloud, name = site.cloud, f"killed-{firmware}"
    before = traces(cloud)
    pauses = "instance_create_v1.define.define:sleep=1,instance_delete_v1.undefine.undefine:sleep=1"
    with site.server(pauses):
        instance, launched = cloud.launch.launch(ADMIN, "", spec(name, firmware))
        _break_libvirtd_at(site, launched, "define")
        cloud.done(launched)
        assert cloud.instance(name).status is InstanceStatus.RUNNING
        assert instance.domain_name in cloud.host.virsh("list", "--name")
        deleted = cloud.instances.delete(ADMIN, "", name)
        _break_libvirtd_at(site, deleted, "undefine")
        cloud.done(deleted)
    assert {key: value.replace(instance.domain_name, "") for key, value in traces(cloud).items()} == before


def _break_libvirtd_at(site: Site, operation: Operation, step: str) -> None:
    """Kill libvirtd while a step is about to change the host, and start it again once the host is degraded."""

    def is_there() -> bool:
        with site.cloud.runtime.store.read() as tx:
            return any(each.name == step and each.status == "running" for each in tx.operations.get(operation.id).steps)

    wait_for(is_there, DEADLINE_S, f"the step {step}")
    site.cloud.host.daemons.kill("libvirtd")
    site.until_host_is(HostState.DEGRADED)
    site.cloud.host.daemons.start_libvirtd()
    site.until_host_is(HostState.UP)


def test_server_killed_while_a_disk_is_plugged_in_and_taken_out(site: Site) -> None:
    """At the very call to libvirt, twice: the next server finds out how far it came."""
    cloud, disks = site.cloud, Disks(site.cloud.runtime.services)
    with site.server():
        instance, launched = cloud.launch.launch(ADMIN, "", spec("plugged"))
        cloud.done(launched)
        wait_for(lambda: cloud.instance("plugged").ready is Ready.READY, DEADLINE_S, "readiness")
    with site.server("instance_attach_disk_v1.plug.attach_device@2:kill") as server:
        volume, attached = disks.attach(ADMIN, "", instance.id, DiskSpec(size=32 << 20))
        assert server.wait(DEADLINE_S) == -signal.SIGKILL
    with site.server():
        cloud.done(attached)
        assert cloud.host.virsh("dumpxml", instance.id).count(f"{volume.id}.qcow2") == 1
    with site.server("instance_detach_disk_v1.forget.before:kill") as server:
        detached = disks.detach(ADMIN, "", instance.id, volume.name, Parting(delete=True))
        assert server.wait(DEADLINE_S) == -signal.SIGKILL
    with site.server():
        cloud.done(detached)
        assert volume.id not in cloud.host.virsh("dumpxml", instance.id)
        cloud.done(cloud.instances.delete(ADMIN, "", "plugged"))


@pytest.fixture
def ceph(site: Site) -> Iterator[Ceph]:
    """Give a cluster that the host reaches over the lab's bridge."""
    if missing := missing_programs():
        pytest.skip(f"not installed: {', '.join(missing)}")
    with Ceph(f"{site.cloud.host.address.rpartition('.')[0]}.254") as cluster:
        yield cluster


def test_server_killed_at_the_pivots_of_a_move_into_ceph(site: Site, ceph: Ceph) -> None:
    """Files stay until the copies are in use; the guest, its next run and its clone have what was written."""
    cloud, moving = site.cloud, Moving(site.cloud.runtime.services)
    options = {"monitors": ceph.monitors, "pool": "vms", "key": ceph.make_pool("vms", "zcloud")}
    with site.server():
        cloud.done(cloud.pools.create(ADMIN, PoolSpec("ceph", driver="rbd", options=options))[1])
        launched = cloud.launch.launch(ADMIN, "", replace(spec("mover"), disks=(DiskRequest(48 << 20),)))[1]
        cloud.done(launched)
        inside = Inside(cloud.host, cloud.ready("mover").id)
    inside.sh("dd if=/dev/urandom of=/dev/vdb bs=1M count=16 oflag=direct 2>/dev/null")
    inside.sh("(while :; do dd if=/dev/zero of=/dev/vdb bs=1M seek=32 count=4 oflag=direct; done) >/dev/null 2>&1 &")
    digest, disks = _digest(inside), {each.id for each in cloud.instances.show(ADMIN, "", "mover").volumes}
    moved = None
    for nth in (1, 2):  # before the first pivot, and when one of two is done
        with site.server(f"instance_move_v1.turn.end_mirror@{nth}:kill") as server:
            moved = moved or moving.move_instance(ADMIN, "", "mover", "ceph")
            assert server.wait(DEADLINE_S) == -signal.SIGKILL
        assert _digest(inside) == digest
        assert disks <= _files(site)
    assert moved is not None
    with site.server():
        cloud.done(moved)
        assert _digest(inside) == digest
        assert not disks & _files(site)
        cloud.done(cloud.instances.stop(ADMIN, "", "mover", force=True))
        cloud.done(cloud.instances.start(ADMIN, "", "mover"))
        cloud.ready("mover")
        assert _digest(inside) == digest
        cloud.done(Cloning(cloud.runtime.services).clone(ADMIN, "", "mover", CloneSpec(("copy",), True)).operation)
        assert _digest(Inside(cloud.host, cloud.ready("copy").id)) == digest
        cloud.done(cloud.instances.delete(ADMIN, "", "copy"))
        cloud.done(moving.move_instance(ADMIN, "", "mover", "default"))
        assert _digest(inside) == digest
        cloud.done(cloud.instances.delete(ADMIN, "", "mover"))
        cloud.done(cloud.pools.delete(ADMIN, "ceph"))
    assert (ceph.rbd("ls", "vms"), ceph.rbd("trash", "ls", "vms")) == ("", "")
    assert not disks & _files(site)


def _digest(inside: Inside) -> str:
    return inside.sh("echo 3 >/proc/sys/vm/drop_caches; dd if=/dev/vdb bs=1M count=16 2>/dev/null | sha256sum")


def _files(site: Site) -> set[str]:
    """Give the volumes whose files are in the default pool."""
    listed = site.cloud.host.run(["ls", "/var/lib/libvirt/images/zcloud/volumes"]).stdout
    return {name.partition(".")[0] for name in listed.split()}


def test_server_killed_during_launches(site: Site) -> None:
    seed = int(os.environ.get("ZCLOUD_SEED", "0")) or random.randrange(1 << 30)
    print("ZCLOUD_SEED", seed)
    chance = random.Random(seed)
    cloud = site.cloud
    before = traces(cloud)
    operations = []
    for number in range(KILLS):
        with site.server() as server:
            operations.append(cloud.launch.launch(ADMIN, "", spec(f"vm-{number}", chance.choice(list(Firmware))))[1])
            time.sleep(chance.uniform(0.2, 2.5))
            server.kill()
            assert server.wait(60) == -signal.SIGKILL
    with site.server():
        for operation in operations:
            cloud.done(operation)
    deletions = [cloud.instances.delete(ADMIN, "", f"vm-{number}") for number in range(KILLS)]
    with site.server() as server:
        time.sleep(chance.uniform(0.2, 1.0))
        server.kill()
    with site.server():
        for operation in deletions:
            cloud.done(operation)
    assert {key: value.strip() for key, value in traces(cloud).items()} == {
        key: value.strip() for key, value in before.items()
    }
    with cloud.runtime.store.read() as tx:
        assert not tx.ports.all()
        assert not tx.claims.used_of_pools()
