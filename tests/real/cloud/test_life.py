"""One instance from launch to deletion on a real host: QEMU, dnsmasq, nftables, the guest's agent."""

from __future__ import annotations

import itertools

import pytest
from tests.real.cloud.conftest import ADMIN, Cloud, wait_for

from zcloud.domain.errors import GuestRefused
from zcloud.domain.instance import DiskRequest, Firmware, InstanceSpec, InstanceStatus, NicRequest, Ready
from zcloud.drivers.guest.agent import Result
from zcloud.services.direct import Direct
from zcloud.services.insides import Insides


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
        commands=("echo first >/run/ran", "echo second >>/run/ran"),
    )
    instance, operation = cloud.launch.launch(ADMIN, "", spec)
    cloud.done(operation)
    ready = wait_for(lambda: _settled(cloud, name), 180, "readiness")
    assert ready.ready is Ready.READY, ready.ready_detail
    port = cloud.instances.show(ADMIN, "", name).ports[0]
    assert port.address in {each["address"] for each in ready.observed["addresses"]}
    _ask_its_agent(cloud, name)
    ping = ["ping", "-c1", "-W2", port.address]
    wait_for(lambda: cloud.host.run(ping, check=False).returncode == 0, 180, "an answer to a ping")
    wait_for(lambda: "traffic" in _sources(cloud, name, port.address), 60, "its being seen by its host")
    assert "agent" in _sources(cloud, name, port.address)
    cloud.done(cloud.instances.stop(ADMIN, "", name))
    assert cloud.instance(name).status is InstanceStatus.STOPPED
    cloud.done(cloud.instances.start(ADMIN, "", name))
    assert wait_for(lambda: _settled(cloud, name), 180, "readiness again").ready is Ready.READY
    assert cloud.instance(name).incarnation == 2
    cloud.done(cloud.instances.delete(ADMIN, "", name))
    assert {key: value.replace(instance.domain_name, "") for key, value in traces(cloud).items()} == before


def _sources(cloud: Cloud, name: str, address: str) -> set[str]:
    seen = cloud.instance(name).observed["addresses"]
    return {source for each in seen if each["address"] == address for source in each["seen"]}


def _settled(cloud: Cloud, name: str):  # type: ignore[no-untyped-def]
    instance = cloud.instance(name)
    return instance if instance.ready in (Ready.READY, Ready.FAILED) else None


def _ask_its_agent(cloud: Cloud, name: str) -> None:
    """A command with its end, a file, a password kept as a hash, the file systems, and what the guest refuses."""
    insides = Insides(cloud.runtime.services, Direct(lambda host_id: cloud.runtime.pool.link(host_id).hypervisor))

    def ran(*argv: str, given: str = "") -> Result:
        pid = insides.execute(ADMIN, "", name, argv, given)
        results = (insides.result(ADMIN, "", name, pid) for _ in itertools.count())
        return wait_for(lambda: each if (each := next(results)).exited else None, 60, f"the end of {argv}")

    failed = ran("/bin/sh", "-c", "cat; echo oops >&2; exit 3", given="hello")
    assert (failed.code, failed.out, failed.err) == (3, b"hello", b"oops\n")
    assert insides.read_file(ADMIN, "", name, "/run/ran", 99) == b"first\nsecond\n"
    assert insides.read_file(ADMIN, "", name, "/etc/hosts", 9) == b"127.0.0.1"
    insides.set_password(ADMIN, "", name, "root", "a better one")
    assert ran("/bin/grep", "^root:[$]5[$]", "/etc/shadow").code == 0
    assert insides.filesystems(ADMIN, "", name) == []  # all of the tiny guest is in memory
    assert insides.trim(ADMIN, "", name) == ()
    facts, ahead_s = insides.info(ADMIN, "", name)
    assert (facts.os, facts.hostname, facts.users) == ("Tiny guest", name, ())
    assert ahead_s is not None
    ran("/bin/date", "-s", "2020-01-01 00:00")
    assert (insides.info(ADMIN, "", name)[1] or 0) < -1e6
    insides.set_time(ADMIN, "", name)
    assert abs(insides.info(ADMIN, "", name)[1] or 0) < 30
    for refused in (
        lambda: insides.set_password(ADMIN, "", name, "nobody", "x"),
        lambda: insides.execute(ADMIN, "", name, ["/no/such"], ""),
        lambda: insides.read_file(ADMIN, "", name, "/no/such", 1),
    ):
        with pytest.raises(GuestRefused):
            refused()
