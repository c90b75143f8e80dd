"""The contract of storage, on LVM: what a kernel without device-mapper cannot show."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Iterable, Iterator, Sequence

import pytest
from tests.conformance import test_storage as contract
from tests.conformance.records import new_pool

from zcloud.drivers import registry
from zcloud.drivers.storage.base import StorageDriver
from zcloud.hosts import commands
from zcloud.hosts.shell import CommandShell
from zcloud.lab.nested import NestedHost
from zcloud.ports import Completed

_SLOW_S = 300.0


class Patient:
    """Runs commands on a machine whose processor is emulated: for zcloud's own link it is silent for too long."""

    def __init__(self, machine: NestedHost) -> None:
        self._machine = machine

    def execute(self, argv: Sequence[str], feed: Iterable[bytes], *, timeout_s: float) -> Completed:
        """Run one command."""
        del timeout_s
        ssh = [*self._machine._ssh("ssh"), "root@127.0.0.1", shlex.join(argv)]  # ``run`` takes text only
        done = subprocess.run(ssh, input=b"".join(feed), capture_output=True, timeout=_SLOW_S, check=False)
        return Completed(done.returncode, done.stdout, done.stderr)

    def execute_all(self, batch: Sequence[Sequence[str]], data: bytes, *, timeout_s: float) -> Completed:
        """Run commands in turn, by one round trip."""
        words = [shlex.join(argv) + ("" if commands.reads_input(argv) else " </dev/null") for argv in batch]
        return self.execute(["sh", "-c", " && ".join(words)], [data], timeout_s=timeout_s)


class Machine:
    """The two means of reaching the machine, as far as storage needs them."""

    def __init__(self, machine: NestedHost) -> None:
        self.shell, self.hypervisor = CommandShell(Patient(machine)), self
        self._machine = machine

    def capabilities_xml(self) -> str:
        """Give what its libvirt tells."""
        return self._machine.run(["virsh", "capabilities"]).stdout


@pytest.fixture(scope="module")
def group(machine: NestedHost) -> Iterator[str]:
    """Give a volume group that an operator made."""
    machine.run(["vgcreate", "-q", "vg0", "/dev/vdb"])
    yield "vg0"
    machine.run(["vgremove", "-q", "vg0"])
    machine.run(["pvremove", "-q", "/dev/vdb"])


@pytest.fixture(params=["lvm", "lvmthin"])
def driver(request: pytest.FixtureRequest, group: str, machine: NestedHost) -> Iterator[StorageDriver]:
    """Give a driver whose pool is made, and see that it can be unmade."""
    driver = registry.storage(new_pool(request.param, volume_group=group), Machine(machine))  # type: ignore[arg-type]
    driver.check()
    driver.ensure_pool()
    yield driver
    contract.clear(driver)
    driver.remove_pool()


def test_contract(driver: StorageDriver) -> None:
    """An image, a root volume, its snapshots dropped and gone back to, growth: each command takes a second here."""
    contract.test_snapshots_in_a_volume(driver)
