"""Clones of real guests, by BIOS and UEFI: each boots with its own name and addresses, and has the original's data."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.real.cloud.conftest import ADMIN, Cloud, wait_for
from tests.real.cloud.insides import Inside

from zcloud.domain.instance import DiskRequest, Firmware, Instance, InstanceSpec, NicRequest, Ready
from zcloud.services.cloning import CloneSpec, Cloning

MIB = 1 << 20


@pytest.fixture(scope="module", params=list(Firmware))
def guest(cloud: Cloud, request: pytest.FixtureRequest) -> Iterator[Instance]:
    """Give a guest that is ready, with data on its second disk."""
    spec = InstanceSpec(
        name=f"origin-{request.param}", image="tiny", vcpus=1, memory_mib=256, firmware=request.param,
        nics=(NicRequest(""),), disks=(DiskRequest(64 * MIB),),
    )  # fmt: skip
    instance, operation = cloud.launch.launch(ADMIN, "", spec)
    cloud.done(operation)
    _ready(cloud, instance.name)
    yield instance
    cloud.done(cloud.instances.delete(ADMIN, "", instance.id))


def _ready(cloud: Cloud, name: str) -> Inside:
    wait_for(lambda: cloud.instance(name).ready is Ready.READY, 90, "readiness")
    return Inside(cloud.host, cloud.instance(name).id)


def _disk(cloud: Cloud, guest: Instance) -> str:
    """Give the serial of the data disk."""
    with cloud.runtime.store.read() as tx:
        return next(each.serial for each in tx.volumes.of_instance(guest.id) if each.slot)


def test_clones(cloud: Cloud, guest: Instance) -> None:
    cloning, serial = Cloning(cloud.runtime.services), _disk(cloud, guest)
    origin = Inside(cloud.host, guest.id)
    device = f"/dev/{origin.disk(serial)}"
    origin.sh(f"dd if=/dev/urandom of={device} bs=1M count=8 oflag=direct 2>/dev/null")
    digest = _digest(origin, serial)

    twin = f"{guest.name}-twin"
    cloud.done(cloning.clone(ADMIN, "", guest.id, CloneSpec((twin,), root_size=48 * MIB)).operation)
    _look(cloud, twin, serial, digest)
    cloud.done(cloud.instances.delete(ADMIN, "", twin))

    cloud.done(cloud.instances.stop(ADMIN, "", guest.id, force=True))
    cloud.done(cloning.template(ADMIN, "", guest.id, on=True))
    refused = cloud.host.run(["virsh", "-q", "start", guest.id], check=False)  # behind our back
    assert (refused.returncode, "Permission denied" in refused.stderr) == (1, True)
    linked = f"{guest.name}-linked"
    cloud.done(cloning.clone(ADMIN, "", guest.id, CloneSpec((linked,))).operation)
    _look(cloud, linked, serial, digest)
    cloud.done(cloud.instances.delete(ADMIN, "", linked))


def _digest(inside: Inside, serial: str) -> str:
    return inside.sh(f"dd if=/dev/{inside.disk(serial)} bs=1M count=8 2>/dev/null | sha256sum")


def _look(cloud: Cloud, name: str, serial: str, digest: str) -> None:
    """See that it is itself, and has the data."""
    inside = _ready(cloud, name)
    with cloud.runtime.store.read() as tx:
        (port,) = tx.ports.of_instance(inside.id)
    assert inside.sh("hostname") == name
    assert inside.sh("cat /sys/class/net/eth0/address") == port.mac
    assert f"inet {port.address}/" in inside.sh("ip addr show eth0")
    assert _digest(inside, serial) == digest
