"""A whole cloud in one process over fake hosts: store, services, engine, observer; for tests and simulations."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from zcloud.base.clock import Clock, SystemClock
from zcloud.base.config import Config
from zcloud.base.ids import new_id
from zcloud.domain.claims import BYTES
from zcloud.domain.errors import NotFound
from zcloud.domain.host import Accel, Host, HostKind, HostState
from zcloud.domain.image import Image, ImageState
from zcloud.domain.network import Network, NetworkKind, NetworkScope, NetworkState
from zcloud.domain.operation import ENDED, Operation
from zcloud.domain.people import Actor, Project, Quota, Role
from zcloud.domain.storage import GIB, Pool, PoolState
from zcloud.drivers import registry
from zcloud.operations.engine import Engine, EngineSettings
from zcloud.operations.model import Control
from zcloud.ports import WatchedLink
from zcloud.services.context import Services
from zcloud.services.instances import Instances
from zcloud.services.launch import Launch
from zcloud.services.members import MemberPower
from zcloud.store import Store, Tx
from zcloud.testing.fakes import FakeLink
from zcloud.workflows.context import Means, Run
from zcloud.workflows.registry import WORKFLOWS

T = TypeVar("T")

ADMIN = Actor(user_id="u-admin", user_name="admin", role=Role.ADMIN)
IMAGE_BYTES = b"QFI\xfb" + bytes(65532)


class FakeLinks:
    """Fake hosts by id (``workflows.context.Links``)."""

    def __init__(self) -> None:
        self.hosts: dict[str, FakeLink] = {}

    def add(self, host_id: str) -> WatchedLink:
        """Add a host and give its link."""
        link = self.hosts[host_id] = FakeLink()
        return link

    def link(self, host_id: str) -> WatchedLink:
        """Give the host's link; raises NotFound."""
        if host_id not in self.hosts:
            raise NotFound(f"There is no host {host_id}.")
        return self.hosts[host_id]


class FakeCloud:
    """A cloud over fake hosts, its own or those behind ``links``.

    ``store`` must have its schema; ``place`` is the directory of images, or a whole configuration.
    """

    def __init__(
        self, store: Store, place: Path | Config, clock: Clock | None = None, *, links: FakeLinks | None = None
    ) -> None:
        self.store = store
        self.clock = clock or SystemClock()
        self.links = links or FakeLinks()
        self.config = place if isinstance(place, Config) else Config(data_dir=place)
        self.services = Services(store, self.clock, self.config.zone)
        self.launch, self.instances = Launch(self.services), Instances(self.services)
        self._engine: Engine[Run] | None = None
        for directory in (self.config.image_dir, self.config.upload_dir):
            directory.mkdir(parents=True, exist_ok=True)
        store.transact(self._seed)

    def start(self, fault: Callable[[str], None] = lambda _name: None, *, threads: int = 4) -> None:
        """Begin to run operations."""
        means = Means(self.store, self.links, self.config, self.clock, MemberPower(self.store))
        workers = self.config.workers
        settings = EngineSettings(
            threads=threads,
            heartbeat_s=workers.heartbeat_s,
            heartbeat_timeout_s=workers.heartbeat_timeout_s,
            sweep_s=0.05,  # services in another process cannot wake it on SQLite
        )

        def context(control: Control) -> Run:
            return Run(control, means)

        self._engine = Engine(self.store, WORKFLOWS, context, settings, clock=self.clock, fault=fault)
        self._engine.start()

    def stop(self) -> None:
        """Stop running operations."""
        if self._engine is not None:
            self._engine.stop()

    def add_host(self, name: str, *, vcpus: int = 16, memory_mib: int = 65536, address: str = "192.168.77") -> str:
        """Add a host that is up, with a default pool and a default NAT network; gives its id."""
        host_id = new_id()
        link = self.links.add(host_id)
        pool, network = self.store.transact(
            lambda tx: self._add_host(tx, host_id, name, vcpus, memory_mib, f"{address}.0/24")
        )
        registry.storage(pool, link).ensure_pool()
        registry.network(network, link).ensure_network()
        return host_id

    def wait(self, operation: Operation, timeout_s: float = 20.0) -> Operation:
        """Wait for an operation's end; raises TimeoutError."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            with self.store.read() as tx:
                now = tx.operations.get(operation.id)
            if now.status in ENDED:
                return now
            time.sleep(0.02)
        raise TimeoutError(f"{operation.workflow} is still {now.status}: {now.wait_reason}")

    def read(self, query: Callable[[Tx], T]) -> T:
        """Read from the store."""
        with self.store.read() as tx:
            return query(tx)

    def _add_host(
        self, tx: Tx, host_id: str, name: str, vcpus: int, memory_mib: int, cidr: str
    ) -> tuple[Pool, Network]:
        inventory = {
            "cpus": vcpus,
            "memory": memory_mib << 20,
            "machine": "pc-q35-7.2",
            "firmwares": ["bios", "uefi"],
            "uefi": {
                "loader": "/usr/share/OVMF/OVMF_CODE_4M.fd",
                "nvram_template": "/usr/share/OVMF/OVMF_VARS_4M.fd",
                "keys": False,
            },
            "uefi_secure": {
                "loader": "/usr/share/OVMF/OVMF_CODE_4M.ms.fd",
                "nvram_template": "/usr/share/OVMF/OVMF_VARS_4M.ms.fd",
                "keys": True,
            },
            "cpu_modes": {
                "kvm": ["custom", "host-model", "host-passthrough", "maximum"],
                "tcg": ["custom", "host-model", "maximum"],
            },
            "cpu_models": {"kvm": ["EPYC", "qemu64"], "tcg": ["qemu64"]},
            "numa": [{"id": 0, "memory": memory_mib << 20, "cpus": list(range(vcpus)), "pages": {"2097152": 256}}],
            "tpm": True,
            "videos": ["bochs", "qxl", "vga", "virtio"],
            "screens": ["spice", "vnc"],
            "libvirt": "9.0.0",
        }
        host = tx.hosts.add(_host(tx, host_id, name, inventory))
        tx.claims.set_capacity(host.ref, host.capacity)
        pool = tx.pools.add(_pool(tx, host_id, f"{name}-pool"))
        tx.claims.set_capacity(pool.ref, {BYTES: pool.total})
        return pool, tx.networks.add(_network(tx, host_id, f"{name}-net", cidr))

    def _seed(self, tx: Tx) -> None:
        if tx.projects.find("default") is not None:
            return
        tx.projects.add(Project(new_id(), "default", "", Quota(), tx.now, 1))
        image = tx.images.add(_image(tx))
        (self.config.image_dir / f"{image.digest}.{image.format}").write_bytes(IMAGE_BYTES)


def _image(tx: Tx) -> Image:
    return Image(
        id=new_id(),
        name="tiny",
        project_id=None,
        state=ImageState.READY,
        digest=hashlib.sha256(IMAGE_BYTES).hexdigest(),
        format="qcow2",
        size=len(IMAGE_BYTES),
        virtual_size=64 << 20,
        os_id="linux",
        default_user="root",
        min_memory_mib=64,
        min_disk=64 << 20,
        source={"kind": "upload", "checksum": ""},
        error=None,
        operation_id=None,
        created_at=tx.now,
        revision=1,
    )


def _host(tx: Tx, host_id: str, name: str, inventory: dict[str, object]) -> Host:
    return Host(
        id=host_id,
        name=name,
        kind=HostKind.LOCAL,
        address="",
        port=0,
        user="",
        host_key="",
        libvirt_socket="",
        state=HostState.UP,
        state_reason="",
        state_since=tx.now,
        accel=Accel.KVM,
        accel_reason="It is a fake.",
        cpu_ratio=1.0,
        memory_ratio=1.0,
        reserved_memory_mib=0,
        inventory=inventory,
        seen_at=tx.now,
        operation_id=None,
        created_at=tx.now,
        revision=1,
    )


def _pool(tx: Tx, host_id: str, name: str) -> Pool:
    return Pool(
        id=new_id(),
        name=name,
        driver="directory",
        host_id=host_id,
        options=registry.check_storage_options("directory", {})[0],
        overcommit=1.0,
        state=PoolState.READY,
        total=1000 * GIB,
        available=900 * GIB,
        observed_at=tx.now,
        is_default=True,
        operation_id=None,
        created_at=tx.now,
        revision=1,
    )


def _network(tx: Tx, host_id: str, name: str, cidr: str) -> Network:
    return Network(
        id=new_id(),
        name=name,
        kind=NetworkKind.NAT,
        scope=NetworkScope.HOST,
        host_id=host_id,
        project_id=None,
        cidr=cidr,
        gateway=cidr.replace(".0/24", ".1"),
        dns=(),
        search="cloud.internal",
        ranges=(),
        options=registry.check_network_options("nat", {}),
        state=NetworkState.READY,
        is_default=True,
        operation_id=None,
        created_at=tx.now,
        revision=1,
    )
