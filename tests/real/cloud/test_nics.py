"""NICs of a real guest: added with an address, their link cut, taken away, as the guest itself sees it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.real.cloud.conftest import ADMIN, Cloud, wait_for
from tests.real.cloud.insides import Inside

from zcloud.domain.instance import Firmware, Instance, InstanceSpec, NicRequest, Ready
from zcloud.domain.network import NetworkKind
from zcloud.services.networks import NetworkSpec
from zcloud.services.nics import Nics

ADDRESS = "192.168.141.77"


@pytest.fixture(scope="module")
def second(cloud: Cloud) -> Iterator[str]:
    """Give the name of another network of the host."""
    spec = NetworkSpec("second", NetworkKind.NAT, host="alpha", cidr="192.168.141.0/24")
    network, operation = cloud.networks.create(ADMIN, spec)
    cloud.done(operation)
    yield network.name
    cloud.done(cloud.networks.delete(ADMIN, network.id))


@pytest.fixture(scope="module", params=list(Firmware))
def guest(cloud: Cloud, second: str, request: pytest.FixtureRequest) -> Iterator[Instance]:
    """Give a guest that is ready."""
    del second  # it goes after the guest
    name = f"nics-{request.param}"
    spec = InstanceSpec(
        name=name, image="tiny", vcpus=1, memory_mib=256, firmware=request.param, nics=(NicRequest(""),)
    )  # fmt: skip
    instance, operation = cloud.launch.launch(ADMIN, "", spec)
    cloud.done(operation)
    wait_for(lambda: cloud.instance(name).ready is Ready.READY, 90, "readiness")
    yield instance
    cloud.done(cloud.instances.delete(ADMIN, "", name))


def test_the_life_of_a_nic(cloud: Cloud, guest: Instance, second: str) -> None:
    inside, nics = Inside(cloud.host, guest.id), Nics(cloud.runtime.services)
    port, added = nics.attach(ADMIN, "", guest.id, NicRequest(second, ADDRESS))
    cloud.done(added)
    wait_for(lambda: ADDRESS in inside.sh("ip addr"), 30, "its address in the guest")
    wait_for(lambda: _answers(cloud), 30, "an answer to a ping")
    assert port.mac in _seed(cloud, guest)
    device = inside.sh(f"grep -lx {port.mac} /sys/class/net/*/address").split("/")[4]

    cloud.done(nics.link(ADMIN, "", guest.id, ADDRESS, up=False))
    wait_for(lambda: inside.sh(f"cat /sys/class/net/{device}/carrier") == "0", 10, "the cut link in the guest")
    assert not _answers(cloud)
    assert "state='down'" in cloud.host.virsh("dumpxml", "--inactive", guest.id)
    cloud.done(nics.link(ADMIN, "", guest.id, ADDRESS, up=True))
    wait_for(lambda: inside.sh(f"cat /sys/class/net/{device}/carrier") == "1", 10, "the link in the guest")
    wait_for(lambda: _answers(cloud), 30, "an answer to a ping")

    cloud.done(nics.detach(ADMIN, "", guest.id, port.mac, 30))
    assert device not in inside.sh("ls /sys/class/net").split()
    assert port.tap not in cloud.host.run(["sh", "-c", "ls /sys/class/net; nft list table bridge zcloud"]).stdout
    assert port.mac not in _seed(cloud, guest)
    assert [each.address for each, _ in nics.all(ADMIN, "", guest.id)] != [ADDRESS]
    assert "definition_changed_at" not in cloud.instance(guest.name).observed  # all of it was ours


def _answers(cloud: Cloud) -> bool:
    return cloud.host.run(["ping", "-c1", "-W1", ADDRESS], check=False).returncode == 0


def _seed(cloud: Cloud, guest: Instance) -> str:
    path = f"/var/lib/libvirt/images/zcloud/artifacts/{guest.id}.seed.iso"
    return cloud.host.run(["grep", "-a", "macaddress", path]).stdout
