"""libvirtd killed in the middle of operations, and our server killed while real guests are launched."""

from __future__ import annotations

import os
import random
import signal
import time

import pytest
from tests.real.cloud.conftest import ADMIN, traces, wait_for
from tests.real.crash.conftest import Site

from zcloud.domain.host import HostState
from zcloud.domain.instance import Firmware, InstanceSpec, InstanceStatus, NicRequest, Ready
from zcloud.domain.operation import Operation
from zcloud.services.disks import Disks, DiskSpec, Parting

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
