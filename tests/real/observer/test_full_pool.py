"""A guest fills its pool: it pauses and says why, others are refused in advance, and it goes on once there is space."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.real.cloud.conftest import ADMIN, wait_for
from tests.real.observer.conftest import Watched, timed

from zcloud.domain.errors import NoRoom
from zcloud.domain.instance import DiskRequest, InstanceSpec, InstanceStatus, NicRequest
from zcloud.domain.operation import OperationStatus
from zcloud.domain.storage import MIB
from zcloud.services.pools import PoolSpec

PLACE = "/var/lib/libvirt/images/small"
SIZE = 640 * MIB
FILL = "yes zcloud | dd of=/dev/vdb bs=1M count=128 iflag=fullblock conv=fsync; echo filled >/dev/console"


@pytest.fixture
def small_pool(watched: Watched) -> Iterator[str]:
    """Give a pool on a small tmpfs of the host."""
    watched.host.run(["mkdir", "-p", PLACE])
    watched.host.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=711", "small", PLACE])
    try:
        direct = PoolSpec("direct", host="alpha", options={"path": PLACE})
        _, operation = watched.cloud.pools.create(ADMIN, direct)
        refused = watched.cloud.ended(operation)
        assert refused.status is OperationStatus.FAILED
        assert refused.error is not None
        assert "direct_io" in refused.error["hint"]
        watched.cloud.done(watched.cloud.pools.delete(ADMIN, "direct"))
        buffered = PoolSpec("small", host="alpha", options={"path": PLACE, "direct_io": False})
        watched.cloud.done(watched.cloud.pools.create(ADMIN, buffered)[1])
        yield "small"
        watched.cloud.done(watched.cloud.pools.delete(ADMIN, "small"))
    finally:
        watched.host.run(["umount", PLACE])


def test_full_paused_refused_and_on_again(watched: Watched, small_pool: str) -> None:
    disk = DiskRequest(320 * MIB, pool=small_pool)
    instance = watched.launch("filler", disks=(disk,))
    path = watched.host.virsh("domblklist", instance.id)
    assert f"{PLACE}/volumes/" in path
    watched.host.run(["fallocate", "-l", str(SIZE - 48 * MIB), f"{PLACE}/ballast"])
    since = watched.mark()
    watched.begin(instance, "/bin/sh", "-c", FILL)
    took = watched.status_within("filler", InstanceStatus.PAUSED, 180)
    told = watched.event("instance.io_error", since)
    assert "no space is left" in told.message
    assert watched.cloud.instance("filler").observed["paused_for"] == "space"
    print(f"\npaused {took:.1f} s after it began to write")
    refused = wait_for(lambda: _refusal(watched, disk), 30, "the pool to be known as full")
    assert "is full" in refused
    watched.host.run(["rm", f"{PLACE}/ballast"])
    took, _ = timed(lambda: watched.status_within("filler", InstanceStatus.RUNNING, 30))
    print(f"on again {took:.1f} s after there was space")
    wait_for(lambda: "filled" in _console(watched, instance.domain_name), 240, "all to be written")
    watched.delete("filler")


def _refusal(watched: Watched, disk: DiskRequest) -> str | None:
    """Give why a launch into the pool is refused, or None where it would be admitted."""
    spec = InstanceSpec(name="next", image="tiny", vcpus=1, memory_mib=128, nics=(NicRequest(""),), disks=(disk,))
    try:
        placement = watched.cloud.launch.explain(ADMIN, "", spec).placement
    except NoRoom as error:
        with pytest.raises(NoRoom):
            watched.cloud.launch.launch(ADMIN, "", spec)
        return str(error.details)
    assert placement.candidates
    return None


def _console(watched: Watched, name: str) -> str:
    return watched.host.run(["cat", f"/var/log/libvirt/qemu/{name}.console.log"]).stdout
