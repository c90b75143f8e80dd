"""A running guest grows and shrinks; the guest itself says what it has."""

from __future__ import annotations

import base64

from tests.real.cloud.conftest import ADMIN, Cloud

from zcloud.domain.errors import GuestSilent
from zcloud.domain.instance import Instance
from zcloud.domain.operation import OperationStatus
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


def test_it_grows_and_shrinks(cloud: Cloud, owned: Instance) -> None:
    guest = Guest(cloud.runtime.pool.link(owned.host_id).hypervisor, owned.id)
    sizes = Sizes(cloud.runtime.services)
    vcpus, at_first = guest.told()
    assert (vcpus, at_first <= 256) == (1, True)
    cloud.done(sizes.resize(ADMIN, "", owned.id, SizeChange(vcpus=2, memory_mib=500)))
    vcpus, memory = guest.told()
    assert (vcpus, close(memory - at_first, 500 - 256)) == (2, True), (at_first, memory)
    cloud.done(sizes.resize(ADMIN, "", owned.id, SizeChange(memory_mib=300)))
    vcpus, memory = guest.told()
    assert (vcpus, close(memory - at_first, 300 - 256)) == (2, True), (at_first, memory)
    ended = cloud.ended(sizes.resize(ADMIN, "", owned.id, SizeChange(vcpus=1)))
    went = ended.status is OperationStatus.SUCCEEDED  # it is the guest's decision; the record has what it has
    assert went or (ended.error and ended.error["code"] == "guest_refused"), ended.error
    assert live_size(cloud.instance(owned.id)).vcpus == (1 if went else 2)
