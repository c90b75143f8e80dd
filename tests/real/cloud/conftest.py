"""A real cloud for tests: our own server parts over a namespace host that is reached by SSH."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest

from zcloud.base.config import Config, Observer, Workers
from zcloud.domain.host import HostKind
from zcloud.domain.image import Image
from zcloud.domain.instance import DiskRequest, Firmware, Instance, InstanceSpec, NicRequest, Ready
from zcloud.domain.network import NetworkKind
from zcloud.domain.operation import ENDED, Operation, OperationStatus
from zcloud.domain.people import Actor, Role
from zcloud.lab.hosts import NamespaceHost
from zcloud.main.setup import prepare
from zcloud.main.wiring import Runtime, arrival_limits, build, start_observer, start_workers
from zcloud.services.arrivals import Arrivals
from zcloud.services.hosts import Hosts, HostSpec
from zcloud.services.images import Images, ImageSpec
from zcloud.services.instances import Instances
from zcloud.services.launch import Launch
from zcloud.services.networks import Networks, NetworkSpec
from zcloud.services.pools import Pools, PoolSpec
from zcloud.services.uploads import Uploads
from zcloud.services.volumes import Volumes

T = TypeVar("T")

OWN_DISK = 48 << 20
"""How large the data disk is, in bytes, that a shared guest has from its birth."""

ADMIN = Actor(user_id="u-admin", user_name="admin", role=Role.ADMIN)


@dataclass
class Running:
    """The running parts, with the shortcuts that tests want."""

    runtime: Runtime

    def __post_init__(self) -> None:
        services = self.runtime.services
        self.launch, self.instances = Launch(services), Instances(services)
        self.hosts, self.pools = Hosts(services), Pools(services)
        self.networks, self.images = Networks(services), Images(services)
        arrivals = Arrivals(self.runtime.config.upload_dir, arrival_limits(self.runtime.config))
        self.uploads = Uploads(services, arrivals)

    def done(self, operation: Operation, timeout_s: float = 120.0) -> Operation:
        """Wait for an operation and insist that it succeeded."""
        ended = self.ended(operation, timeout_s)
        assert ended.status is OperationStatus.SUCCEEDED, (ended.workflow, ended.error)
        return ended

    def ended(self, operation: Operation, timeout_s: float = 120.0) -> Operation:
        """Wait for an operation's end."""

        def look() -> Operation | None:
            with self.runtime.store.read() as tx:
                now = tx.operations.get(operation.id)
            return now if now.status in ENDED else None

        return wait_for(look, timeout_s, f"the end of {operation.workflow}")

    def ready(self, name: str, timeout_s: float = 180.0) -> Instance:
        """Wait until the guest says that it is ready."""
        wait_for(lambda: self.instance(name).ready in (Ready.READY, Ready.FAILED), timeout_s, "readiness")
        instance = self.instance(name)
        assert instance.ready is Ready.READY, instance.ready_detail
        return instance

    def instance(self, name: str) -> Instance:
        """Give an instance's record now."""
        return self.instances.show(ADMIN, "", name).instance

    def import_image(self, name: str, path: Path) -> Image:
        """Bring an image in as an upload does."""
        image, _ = self.images.create(ADMIN, ImageSpec(name, {"kind": "upload"}, public=True, default_user="root"))
        shutil.copyfile(path, self.runtime.config.upload_dir / f"{image.id}.part")
        self.done(self.uploads.finish(ADMIN, image.id))
        return self.images.show(ADMIN, image.id)


@dataclass
class Cloud(Running):
    """The running parts over a namespace host."""

    host: NamespaceHost


def wait_for(look: Callable[[], T | None], timeout_s: float, what: str) -> T:
    """Poll until ``look`` gives something; raises TimeoutError."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.1)
    raise TimeoutError(f"{what} did not come within {timeout_s:.0f} s")


@pytest.fixture(scope="session")
def cloud(
    lab_host: NamespaceHost, probe_kit: Path, tiny_image: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cloud]:
    """Give a cloud with one host, its default pool and network, and the image ``tiny``."""
    config = Config(
        data_dir=tmp_path_factory.mktemp("cloud"),
        workers=Workers(threads=4),
        observer=Observer(interval_s=2.0, readiness_interval_s=0.5, addresses_interval_s=2.0),
    )
    with running(config, probe_kit, Path(lab_host.ssh_key)) as runtime:
        made = Cloud(runtime, lab_host)
        _enlist(made)
        made.import_image("tiny", tiny_image)
        yield made


@contextmanager
def running(config: Config, probe_kit: Path, ssh_key: Path) -> Iterator[Runtime]:
    """Run workers and the observer of a new store; ``ssh_key`` is of the hosts that are to be added."""
    shutil.copytree(probe_kit, config.probe_dir)
    prepare(config)
    config.ssh_key.write_bytes(ssh_key.read_bytes())
    config.ssh_key.with_suffix(".pub").unlink()  # it was of the key just replaced
    runtime = build(config)
    try:
        start_workers(runtime, "worker")
        start_observer(runtime)
        yield runtime
    finally:
        runtime.stop()


@pytest.fixture(scope="session", params=list(Firmware))
def owned(cloud: Cloud, request: pytest.FixtureRequest) -> Iterator[Instance]:
    """Give a guest with room to grow: all tests of a firmware share it, for a boot costs more than most of them.

    In the end it is deleted, and nothing of it may be left on its host.
    """
    spec = InstanceSpec(
        name=f"owned-{request.param}",
        image="tiny",
        vcpus=1,
        memory_mib=256,  # what GRUB needs under UEFI
        max_vcpus=2,
        max_memory_mib=512,
        firmware=request.param,
        nics=(NicRequest(""),),
        disks=(DiskRequest(OWN_DISK),),
        commands=("echo first >/run/ran", "echo second >>/run/ran"),
    )
    made, operation = cloud.launch.launch(ADMIN, "", spec)
    cloud.done(operation)
    cloud.ready(made.id)
    yield cloud.instance(made.id)
    ports = cloud.instances.show(ADMIN, "", made.id).ports
    cloud.done(cloud.instances.delete(ADMIN, "", made.id))
    for volume in cloud.runtime.store.transact(lambda tx: tx.volumes.page(limit=100).items):
        if volume.instance_id is None:
            cloud.done(Volumes(cloud.runtime.services).delete(ADMIN, "", volume.id))
    left = "\n".join(traces(cloud).values())
    words = [made.id, made.domain_name, *(each for port in ports for each in (port.mac, port.tap, port.address))]
    assert [word for word in words if word in left] == [], left


def traces(cloud: Cloud) -> dict[str, str]:
    """Give everything that instances leave on the host."""
    host = cloud.host
    listing = (
        "ls -A /var/lib/libvirt/images/zcloud/volumes /var/lib/libvirt/images/zcloud/artifacts /var/log/libvirt/qemu"
    )
    return {
        "domains": host.virsh("list", "--all", "--name"),
        "files": host.run(["sh", "-c", listing]).stdout,
        "network": host.virsh("net-dumpxml", f"zc-{cloud.networks.show(ADMIN, 'nat')[0].id[:8]}"),
        "guard": host.run(["nft", "-s", "list", "table", "bridge", "zcloud"]).stdout,
        "links": host.run(["sh", "-c", "ls /sys/class/net"]).stdout,
    }


def _enlist(cloud: Cloud) -> None:
    host = cloud.host
    spec = HostSpec(
        "alpha",
        HostKind.SSH,
        address=str(host.address),
        port=host.ssh_port,
        user=host.ssh_user,
        host_key=host.host_key,
    )
    cloud.done(cloud.hosts.add(ADMIN, spec)[1])
    cloud.done(cloud.pools.create(ADMIN, PoolSpec("default", host="alpha", is_default=True))[1])
    network = NetworkSpec("nat", NetworkKind.NAT, host="alpha", cidr="192.168.140.0/24", is_default=True)
    cloud.done(cloud.networks.create(ADMIN, network)[1])
