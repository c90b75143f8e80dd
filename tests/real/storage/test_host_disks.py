"""A disk of a real host made a place for a pool and let go again: service, engine and the host's own tools."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests import builders
from tests.real.storage.test_lvm import Machine

from zcloud.domain.errors import DiskInUse, DiskNotEmpty, InUse, SystemDisk
from zcloud.domain.hostdisk import FileSystem, Wish
from zcloud.domain.operation import Operation, OperationStatus
from zcloud.domain.storage import MIB
from zcloud.lab.nested import NestedHost
from zcloud.ports import DomainFacts
from zcloud.services.direct import Direct
from zcloud.services.hostdisks import HostDisks
from zcloud.services.pools import Pools, PoolSpec
from zcloud.store import Store
from zcloud.testing.cloud import ADMIN, FakeCloud

PLACE = "/srv/fast"
_PATIENCE_S = 300.0  # its processor is emulated


class Host(Machine):
    """The machine as a link."""

    def list_domains(self) -> list[DomainFacts]:
        """Give its domains: there are none."""
        assert not self._machine.run(["virsh", "list", "--all", "--name"]).stdout.split()
        return []


class OneHost:
    """Leads to the machine, whatever host is asked for."""

    def __init__(self, machine: NestedHost) -> None:
        self._host = Host(machine)

    def link(self, host_id: str) -> Host:
        """Give the link."""
        del host_id
        return self._host


@pytest.fixture
def cloud(machine: NestedHost, sqlite_store: Store, tmp_path: Path) -> Iterator[FakeCloud]:
    """Give a cloud whose one host is the machine, which has an fstab as distributions have it."""
    machine.run(["sh", "-c", "test -s /etc/fstab || echo '# static file systems' > /etc/fstab"])
    made = FakeCloud(sqlite_store, tmp_path, links=OneHost(machine))  # type: ignore[arg-type]
    made.store.transact(lambda tx: tx.hosts.add(builders.host(name="nested")))
    made.start()
    yield made
    made.stop()


def test_a_disk_with_something_on_it_becomes_a_pool(cloud: FakeCloud, machine: NestedHost) -> None:
    disks = HostDisks(cloud.services, Direct(cloud.links.link, timeout_s=_PATIENCE_S))
    pools = Pools(cloud.services)

    def done(operation: Operation) -> None:
        ended = cloud.wait(operation, _PATIENCE_S)
        assert ended.status is OperationStatus.SUCCEEDED, ended.error

    machine.run(["mkfs.ext4", "-q", "-L", "old", "/dev/vdd"])
    machine.run(["sh", "-c", "mkswap /dev/vdc; swapon /dev/vdc; udevadm settle"])
    views = {each.disk.name: each.disk for each in disks.all(ADMIN, "nested")}
    assert views["vda"].is_system
    assert (views["vdc"].serial, views["vdc"].uses) == ("vdc", ("swap",))
    assert views["vdd"].content == ("ext4 'old' on vdd",)
    wish = Wish(PLACE, FileSystem.XFS, erase=True)
    for name, refusal in (("vda", SystemDisk), ("vdc", DiskInUse)):
        with pytest.raises(refusal):
            disks.plan(ADMIN, "nested", name, wish)
    machine.run(["sh", "-c", "swapoff /dev/vdc; wipefs -q -a /dev/vdc"])
    with pytest.raises(DiskNotEmpty):
        disks.plan(ADMIN, "nested", "vdd", Wish(PLACE))

    digest = disks.plan(ADMIN, "nested", "vdd", wish).disk.digest
    done(disks.prepare(ADMIN, "nested", "vdd", wish, digest))
    mounted = machine.run(["findmnt", "-n", "-o", "SOURCE,FSTYPE,OPTIONS", PLACE]).stdout
    assert mounted.split()[:2] == ["/dev/vdd1", "xfs"]
    assert "nosuid,nodev,noexec" in mounted
    problems = machine.run(["findmnt", "--verify"], check=False)
    assert problems.returncode == 0, problems.stdout
    assert machine.run(["systemctl", "is-active", "srv-fast.mount"]).stdout.strip() == "active", "systemd knows of it"

    done(pools.create(ADMIN, PoolSpec("fast", "directory", host="nested", options={"path": PLACE}))[1])
    assert 1900 * MIB < pools.show(ADMIN, "fast")[0].total < 2048 * MIB
    with pytest.raises(InUse):
        disks.release(ADMIN, "nested", PLACE)
    done(pools.delete(ADMIN, "fast"))

    machine.run(["sh", "-c", f"sleep 600 < /dev/null > {PLACE}/held 2>&1 & echo $! > /run/holder"])
    busy = cloud.wait(disks.release(ADMIN, "nested", PLACE), _PATIENCE_S)
    assert busy.error is not None
    assert (busy.status, busy.error["code"]) == (OperationStatus.FAILED, "disk_in_use")
    machine.run(["sh", "-c", "kill $(cat /run/holder)"])
    done(disks.release(ADMIN, "nested", PLACE))
    assert PLACE not in machine.run(["cat", "/proc/mounts", "/etc/fstab"]).stdout
    assert machine.run(["blkid", "-s", "TYPE", "-o", "value", "/dev/vdd1"]).stdout.strip() == "xfs", "its data stays"
    machine.run(["wipefs", "-q", "-a", "/dev/vdd"])
