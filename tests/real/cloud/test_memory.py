"""A snapshot with memory of a real guest, by BIOS and by UEFI: what ran in it then runs again, on its disks of then."""

from __future__ import annotations

import pytest
from tests.real.cloud.conftest import ADMIN, Cloud, wait_for
from tests.real.cloud.insides import Inside

from zcloud.domain.errors import WrongState
from zcloud.domain.instance import Instance, InstanceStatus, Ready
from zcloud.services.nics import Nics
from zcloud.services.snapshots import Snapshots

COUNTING = "(n=0; while :; do n=$((n + 1)); echo $n >/run/count; sleep 0.1; done) >/dev/null 2>&1 & echo $! >/run/pid"


def test_a_process_goes_on_counting_where_it_was(cloud: Cloud, owned: Instance) -> None:
    snapshots, inside = Snapshots(cloud.runtime.services), Inside(cloud.host, owned.id)
    with cloud.runtime.store.read() as tx:
        disk = f"/dev/{inside.disk(next(each.serial for each in tx.volumes.of_instance(owned.id) if each.slot))}"
    inside.sh(f"echo then | dd of={disk} bs=512 conv=sync,fsync 2>/dev/null; {COUNTING}")
    wait_for(lambda: _count(inside) >= 5, 60, "the fifth number")
    cloud.done(snapshots.create(ADMIN, "", owned.id, "then", memory=True)[1])
    counter, then = inside.sh("cat /run/pid"), _count(inside)
    listed = [(each.name, each.memory_bytes > 0) for _, each, _ in snapshots.all(ADMIN, "", owned.id)]
    assert listed == [("then", True)]

    inside.sh(f"echo later | dd of={disk} bs=512 conv=sync,fsync 2>/dev/null")
    wait_for(lambda: _count(inside) >= then + 50, 60, "fifty more")
    inside.sh(f"kill {counter}")
    for running in (True, False):
        if not running:
            cloud.done(cloud.instances.stop(ADMIN, "", owned.id, force=True))
        cloud.done(snapshots.revert(ADMIN, "", owned.id, "then"))
        back = _count(inside)
        assert 5 <= back < then + 50
        assert inside.sh(f"cat /run/pid; echo 3 >/proc/sys/vm/drop_caches; head -c 4 {disk}") == f"{counter}\nthen"
        _counts_on(inside, back)
        now = cloud.instance(owned.id)
        assert (now.status, now.ready) == (InstanceStatus.RUNNING, Ready.READY)
    (port,) = cloud.instances.show(ADMIN, "", owned.id).ports
    nics = Nics(cloud.runtime.services)
    cloud.done(nics.link(ADMIN, "", owned.id, port.id, up=False))
    with pytest.raises(WrongState, match="its NICs changed"):
        snapshots.revert(ADMIN, "", owned.id, "then")
    cloud.done(nics.link(ADMIN, "", owned.id, port.id, up=True))
    inside.sh(f"kill {counter}")
    cloud.done(snapshots.delete(ADMIN, "", owned.id, "then"))
    assert ".memory" not in cloud.host.run(["ls", "/var/lib/libvirt/images/zcloud/artifacts"]).stdout


def _counts_on(inside: Inside, before: int) -> None:
    wait_for(lambda: _count(inside) > before, 60, "the next number")


def _count(inside: Inside) -> int:
    """Give how far the process has counted; its file may just be written."""
    return int(inside.sh("cat /run/count") or 0)
