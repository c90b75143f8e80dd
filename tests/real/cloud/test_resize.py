"""A running guest grows and shrinks; the guest itself says what it has."""

from __future__ import annotations

import base64

import pytest
from tests.real.cloud.conftest import ADMIN, Cloud, wait_for

from zcloud.domain.errors import GuestSilent
from zcloud.domain.instance import Firmware, InstanceSpec, NicRequest, Ready
from zcloud.domain.operation import OperationStatus
from zcloud.domain.pending import pending
from zcloud.domain.size import live_size
from zcloud.ports import Hypervisor
from zcloud.services.sizes import SizeChange, Sizes

_BLOCK_MIB = 24  # a kernel takes some of what it is given for itself


class Guest:
    """What a guest says of itself, through its agent."""

    def __init__(self, hypervisor: Hypervisor, uuid: str) -> None:
        self._hypervisor, self._uuid = hypervisor, uuid

    def vcpus(self) -> int:
        listed = self._hypervisor.agent(self._uuid, "guest-get-vcpus", {})
        return sum(each["online"] for each in listed)

    def memory_mib(self) -> int:
        handle = self._hypervisor.agent(self._uuid, "guest-file-open", {"path": "/proc/meminfo", "mode": "r"})
        answer = self._hypervisor.agent(self._uuid, "guest-file-read", {"handle": handle, "count": 4096})
        self._hypervisor.agent(self._uuid, "guest-file-close", {"handle": handle})
        line = base64.b64decode(answer["buf-b64"]).decode().splitlines()[0]
        return int(line.split()[1]) >> 10

    def told(self) -> tuple[int, int]:
        """Give vCPUs and MiB; nothing for a guest that is not up yet."""
        try:
            return self.vcpus(), self.memory_mib()
        except GuestSilent:
            return 0, 0


def close(memory_mib: int, expected_mib: int) -> bool:
    return abs(memory_mib - expected_mib) <= _BLOCK_MIB


@pytest.mark.parametrize("firmware", list(Firmware))
def test_a_guest_grows_shrinks_and_restarts(cloud: Cloud, firmware: Firmware) -> None:
    name = f"size-{firmware}"
    spec = InstanceSpec(
        name=name,
        image="tiny",
        vcpus=1,
        memory_mib=256,
        max_vcpus=2,
        max_memory_mib=512,
        firmware=firmware,
        nics=(NicRequest(""),),
    )
    instance, operation = cloud.launch.launch(ADMIN, "", spec)
    cloud.done(operation)
    wait_for(lambda: cloud.instance(name).ready is Ready.READY, 120, "readiness")
    guest = Guest(cloud.runtime.pool.link(instance.host_id).hypervisor, instance.id)
    sizes = Sizes(cloud.runtime.services)
    vcpus, at_first = guest.told()
    assert (vcpus, at_first <= 256) == (1, True)
    cloud.done(sizes.resize(ADMIN, "", name, SizeChange(vcpus=2, memory_mib=500)))
    vcpus, memory = guest.told()
    assert (vcpus, close(memory - at_first, 500 - 256)) == (2, True), (at_first, memory)
    cloud.done(sizes.resize(ADMIN, "", name, SizeChange(memory_mib=300)))
    vcpus, memory = guest.told()
    assert (vcpus, close(memory - at_first, 300 - 256)) == (2, True), (at_first, memory)
    ended = cloud.ended(sizes.resize(ADMIN, "", name, SizeChange(vcpus=1)))
    went = ended.status is OperationStatus.SUCCEEDED  # it is the guest's decision; the record has what it has
    assert went or (ended.error and ended.error["code"] == "guest_refused"), ended.error
    assert live_size(cloud.instance(name)).vcpus == (1 if went else 2)
    cloud.done(sizes.resize(ADMIN, "", name, SizeChange(vcpus=1, memory_mib=384, max_memory_mib=0, next_start=True)))
    assert pending(cloud.instance(name))["memory_mib"] == {"now": 300, "next": 384}
    cloud.done(cloud.instances.restart(ADMIN, "", name))
    wait_for(lambda: guest.vcpus() == 1 if guest.told()[0] else None, 90, "the guest with its new size")
    # Without room to grow, Linux keeps no 64 MiB of bounce buffers for memory above 4 GiB.
    assert 384 - 64 < guest.memory_mib() <= 384
    assert pending(cloud.instance(name)) == {}
    cloud.done(cloud.instances.delete(ADMIN, "", name))
