"""NICs of a real guest: added with an address, their link cut, moved to another network, as the guest itself sees."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.real.cloud.conftest import ADMIN, Cloud, wait_for
from tests.real.cloud.insides import Inside

from zcloud.domain.instance import Instance, NicRequest
from zcloud.domain.network import NetworkKind, Port
from zcloud.services.networks import NetworkSpec
from zcloud.services.nics import Nics

ADDRESS, FOREIGN, GATEWAY = "192.168.141.77", "192.168.141.78", "192.168.141.1"
BEFORE = "192.168.140.77"


@pytest.fixture(scope="module")
def second(cloud: Cloud) -> Iterator[str]:
    """Give the name of another network of the host."""
    spec = NetworkSpec("second", NetworkKind.NAT, host="alpha", cidr="192.168.141.0/24")
    network, operation = cloud.networks.create(ADMIN, spec)
    cloud.done(operation)
    yield network.name
    cloud.done(cloud.networks.delete(ADMIN, network.id))


def test_the_life_of_a_nic(cloud: Cloud, owned: Instance, second: str) -> None:
    inside, nics = Inside(cloud.host, owned.id), Nics(cloud.runtime.services)
    port, added = nics.attach(ADMIN, "", owned.id, NicRequest("nat", BEFORE))
    cloud.done(added)
    wait_for(lambda: BEFORE in inside.sh("ip addr"), 30, "its address in the guest")
    assert port.mac in _seed(cloud, owned)
    device = _device(inside, port)

    cloud.done(nics.link(ADMIN, "", owned.id, BEFORE, up=False))
    wait_for(lambda: inside.sh(f"cat /sys/class/net/{device}/carrier") == "0", 60, "the cut link in the guest")
    assert "state='down'" in cloud.host.virsh("dumpxml", "--inactive", owned.id)
    cloud.done(nics.link(ADMIN, "", owned.id, BEFORE, up=True))
    wait_for(lambda: inside.sh(f"cat /sys/class/net/{device}/carrier") == "1", 60, "the link in the guest")

    moved, added = nics.attach(
        ADMIN, "", owned.id, NicRequest(second, ADDRESS)
    )  # the new one first: it is never cut off
    cloud.done(added)
    cloud.done(nics.detach(ADMIN, "", owned.id, port.mac, 30))
    assert device not in inside.sh("ls /sys/class/net").split()
    assert port.tap not in cloud.host.run(["sh", "-c", "ls /sys/class/net; nft list table bridge zcloud"]).stdout
    assert port.mac not in _seed(cloud, owned)
    cloud.runtime.pool.link(owned.host_id).hypervisor.unplug_device(owned.id, "net9")  # gone already: nothing to do

    wait_for(lambda: _answers(cloud), 30, "an answer to a ping")
    device = _device(inside, moved)
    assert _heard(inside, device, ADDRESS, GATEWAY)
    for forged in (BEFORE, FOREIGN):  # the one that it had elsewhere, and one of this network that is another's
        inside.sh(f"ip addr add {forged}/24 dev {device}")
        assert not _heard(inside, device, forged, GATEWAY)
        inside.sh(f"ip addr del {forged}/24 dev {device}")
    cloud.done(nics.detach(ADMIN, "", owned.id, moved.mac, 30))
    assert not {BEFORE, ADDRESS} & {each.address for each, _ in nics.all(ADMIN, "", owned.id)}
    assert "definition_changed_at" not in cloud.instance(owned.id).observed  # all of it was ours


def _device(inside: Inside, port: Port) -> str:
    return inside.sh(f"grep -lx {port.mac} /sys/class/net/*/address").split("/")[4]


def _heard(inside: Inside, device: str, source: str, target: str) -> bool:
    """Say whether somebody answers when the guest asks who has an address, from one that may not be its own."""
    return "reply from" in inside.sh(f"arping -I {device} -s {source} -c 2 -w 3 {target} || true")


def _answers(cloud: Cloud) -> bool:
    return cloud.host.run(["ping", "-c1", "-W1", ADDRESS], check=False).returncode == 0


def _seed(cloud: Cloud, owned: Instance) -> str:
    path = f"/var/lib/libvirt/images/zcloud/artifacts/{owned.id}.seed.iso"
    return cloud.host.run(["grep", "-a", "macaddress", path]).stdout
