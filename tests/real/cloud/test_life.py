"""One instance from launch to deletion on a real host: QEMU, dnsmasq, nftables, the guest's agent."""

from __future__ import annotations

import pytest
from tests.real.cloud.conftest import ADMIN, Cloud, wait_for

from zcloud.domain.instance import DiskRequest, Firmware, InstanceSpec, InstanceStatus, NicRequest, Ready


def traces(cloud: Cloud) -> dict[str, str]:
    """Give everything that instances leave on the host."""
    host = cloud.host
    listing = (
        "ls -A /var/lib/libvirt/images/zcloud/volumes /var/lib/libvirt/images/zcloud/artifacts /var/log/libvirt/qemu"
    )
    return {
        "domains": host.virsh("list", "--all", "--name"),
        "files": host.run(["sh", "-c", listing]).stdout,
        "network": host.virsh("net-dumpxml", f"zc-{cloud.networks.show(ADMIN, 'nat')[0].id[:8]}"),
        "guard": host.run(["nft", "-s", "list", "table", "bridge", "zcloud"]).stdout,
        "links": host.run(["sh", "-c", "ls /sys/class/net"]).stdout,
    }


@pytest.mark.parametrize("firmware", list(Firmware))
def test_launch_ready_stop_start_delete(cloud: Cloud, firmware: Firmware) -> None:
    name = f"life-{firmware}"
    before = traces(cloud)
    spec = InstanceSpec(
        name=name,
        image="tiny",
        vcpus=1,
        memory_mib=256,  # what GRUB needs under UEFI
        firmware=firmware,
        nics=(NicRequest(""),),
        disks=(DiskRequest(64 << 20),),
    )
    instance, operation = cloud.launch.launch(ADMIN, "", spec)
    cloud.done(operation)
    ready = wait_for(lambda: _settled(cloud, name), 180, "readiness")
    assert ready.ready is Ready.READY, ready.ready_detail
    port = cloud.instances.show(ADMIN, "", name).ports[0]
    assert port.address in {each["address"] for each in ready.observed["addresses"]}
    ping = ["ping", "-c1", "-W2", port.address]
    wait_for(lambda: cloud.host.run(ping, check=False).returncode == 0, 180, "an answer to a ping")
    cloud.done(cloud.instances.stop(ADMIN, "", name))
    assert cloud.instance(name).status is InstanceStatus.STOPPED
    cloud.done(cloud.instances.start(ADMIN, "", name))
    assert wait_for(lambda: _settled(cloud, name), 180, "readiness again").ready is Ready.READY
    assert cloud.instance(name).incarnation == 2
    cloud.done(cloud.instances.delete(ADMIN, "", name))
    assert {key: value.replace(instance.domain_name, "") for key, value in traces(cloud).items()} == before


def _settled(cloud: Cloud, name: str):  # type: ignore[no-untyped-def]
    instance = cloud.instance(name)
    return instance if instance.ready in (Ready.READY, Ready.FAILED) else None
