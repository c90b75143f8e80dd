"""A cloud whose only host is the nested machine, and what its guests say of their disks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.real.cloud.conftest import ADMIN, Running, wait_for
from tests.real.cloud.insides import Inside

from zcloud.base.config import Config, Hosts, Observer, Workers
from zcloud.domain.attachment import Attachment
from zcloud.domain.host import Accel, HostKind
from zcloud.domain.instance import Instance, InstanceSpec
from zcloud.domain.storage import Volume
from zcloud.hostprep.probe import Finding
from zcloud.lab.nested import NestedHost
from zcloud.services.cloning import Cloning
from zcloud.services.disks import Disks, DiskSpec
from zcloud.services.hosts import HostSpec
from zcloud.services.moving import Moving
from zcloud.services.snapshots import Snapshots
from zcloud.services.volumes import Volumes
from zcloud.workflows import hosts

HOST = "nested"
SLOW_S = 600.0
"""How long an operation may take on a machine whose processor is emulated, beside other work."""


def config(data: Path) -> Config:
    """Give a configuration that asks the slow host seldom."""
    observer = Observer(interval_s=5.0, readiness_interval_s=2.0, addresses_interval_s=600.0, heal_interval_s=600.0)
    return Config(data_dir=data, workers=Workers(threads=4), observer=observer, hosts=Hosts(patience=10.0))


@dataclass
class NestedCloud(Running):
    """The running parts over the nested host."""

    host: NestedHost

    def __post_init__(self) -> None:
        super().__post_init__()
        services = self.runtime.services
        self.volumes, self.disks, self.moving = Volumes(services), Disks(services), Moving(services)
        self.snapshots, self.cloning = Snapshots(services), Cloning(services)

    def enlist(self) -> None:
        """Add the host as an operator does."""
        key = " ".join(self.host.run(["cat", "/etc/ssh/ssh_host_ed25519_key.pub"]).stdout.split()[:2])
        spec = HostSpec(HOST, HostKind.SSH, address="127.0.0.1", port=self.host.port, user="root", host_key=key)
        with pytest.MonkeyPatch.context() as patch:  # it finds KVM in minutes: first it boots by emulation, twice over
            patch.setattr(hosts, "probe", lambda _shell, _monotonic: Finding(Accel.KVM, "It was seen once."))
            self.done(self.hosts.add(ADMIN, spec)[1], SLOW_S)

    def boot(self, name: str, pool: str) -> Inside:
        """Give the inside of a new tiny guest whose root is in a pool."""
        spec = InstanceSpec(name=name, image="tiny", vcpus=1, memory_mib=128, pool=pool)
        made, operation = self.launch.launch(ADMIN, "", spec)
        self.done(operation, SLOW_S)
        return self.awake(made)

    def awake(self, instance: Instance) -> Inside:
        """Wait until a guest is ready, and give its inside."""
        self.ready(instance.id, SLOW_S)
        return Inside(self.host, instance.id)

    def plug(self, inside: Inside, pool: str, size: int) -> tuple[Volume, str]:
        """Attach a new disk to a guest that runs; gives it with its device in the guest."""
        spec = DiskSpec(size=size, pool=pool, attachment=Attachment(serial="data"))
        volume, operation = self.disks.attach(ADMIN, "", inside.id, spec)
        self.done(operation, SLOW_S)
        return volume, f"/dev/{wait_for(lambda: inside.disk('data'), SLOW_S, 'the disk in the guest')}"
