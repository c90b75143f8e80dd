"""The context that every step is given: the operation's control, the store, and fenced links to hosts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol, TypeVar

from zcloud.base.clock import Clock
from zcloud.base.config import Config
from zcloud.domain.image import Image
from zcloud.domain.instance import Instance
from zcloud.domain.network import Network, Port
from zcloud.domain.operation import Operation
from zcloud.domain.storage import JoinState, Pool, Volume
from zcloud.drivers import registry
from zcloud.drivers.network.base import NetworkDriver
from zcloud.drivers.network.guard import Guard
from zcloud.drivers.storage.base import BaseImage, StorageDriver, VolumeSpec
from zcloud.operations.fence import FencedLink
from zcloud.operations.model import Control, Waiting
from zcloud.ports import HostLink
from zcloud.store import Store, Tx

T = TypeVar("T")

_POOL_POLL = timedelta(seconds=5)


class Links(Protocol):
    """Whatever gives links to hosts by id; raises HostUnreachable at once for a lost one."""

    def link(self, host_id: str) -> HostLink: ...


class MemberPower(Protocol):
    """Begins the operations that a group's operation consists of; raises Superseded."""

    def start(self, parent: Operation, instance_id: str) -> None: ...

    def stop(self, parent: Operation, instance_id: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Means:
    """What all operations share."""

    store: Store
    links: Links
    config: Config
    clock: Clock
    members: MemberPower


class Run:
    """One operation's run: everything that a step may use, read afresh so that steps may run twice."""

    def __init__(self, control: Control, means: Means) -> None:
        self.control = control
        self.store = means.store
        self.config = means.config
        self.members = means.members
        self.resource_id = control.operation.resource_id
        self._links = means.links
        self._clock = means.clock

    @property
    def operation(self) -> Operation:
        """Give the operation as it was when it was taken."""
        return self.control.operation

    @property
    def args(self) -> dict[str, Any]:
        """Give the operation's arguments."""
        return dict(self.operation.args)

    def about(self, resource_id: str) -> Run:
        """Give the same run, its steps' parts being about another thing that the operation makes."""
        other = copy(self)
        other.resource_id = resource_id
        return other

    def now(self) -> datetime:
        """Give the time."""
        return self._clock.now()

    def monotonic(self) -> float:
        """Give seconds that only grow, for spans of time."""
        return self._clock.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait for a moment."""
        self._clock.sleep(seconds)

    def read(self, query: Callable[[Tx], T]) -> T:
        """Read from the store."""
        with self.store.read() as tx:
            return query(tx)

    def link(self, host_id: str) -> HostLink:
        """Give the host's means; every change through it is fenced."""
        return FencedLink(self._links.link(host_id), self.control)

    def storage(self, pool: Pool, host_id: str) -> StorageDriver:
        """Give the driver of a pool on a host; a shared one is joined there, or files would land beside it.

        Raises Waiting as long as it cannot be used there, so that nothing fails, or is left, that only has to wait.
        """
        driver = self.unjoined(pool, host_id)
        if pool.shared:
            join = self.read(lambda tx: tx.pool_hosts.of_pool(pool.id).get(host_id))
            if join is not None and join.state is JoinState.ERROR:
                reason = f"The pool {pool.name} cannot be used on the host: {join.reason}"
                raise Waiting(reason, self.now() + _POOL_POLL)
            driver.join()
        return driver

    def unjoined(self, pool: Pool, host_id: str) -> StorageDriver:
        """Give the driver of a pool on a host as it is, to join or to leave it there."""
        if registry.keeps_secrets(pool.driver):
            pool = self.read(lambda tx: tx.secrets.opened(pool))
        return registry.storage(pool, self.link(host_id))

    def network(self, network: Network, host_id: str) -> NetworkDriver:
        """Give the driver of a network on a host."""
        return registry.network(network, self.link(host_id))

    def guard(self, host_id: str) -> Guard:
        """Give the host's anti-spoofing table."""
        return registry.guard(self.link(host_id))

    def image_file(self, image: Image) -> Path:
        """Give the image's file in the controller's image store."""
        return self.config.image_dir / f"{image.digest}.{image.format}"


@dataclass(frozen=True, slots=True)
class Whole:
    """An instance with all that belongs to it, read at one moment."""

    instance: Instance
    image: Image | None  # None: it was adopted, or installed
    volumes: tuple[tuple[Volume, Pool], ...]
    ports: tuple[tuple[Port, Network], ...]
    specs: Mapping[str, VolumeSpec]
    drivers: Image | None = None  # in its drive for drivers
    cd: Image | None = None  # in its CD drive
    shared: tuple[tuple[Volume, Pool], ...] = ()  # that it reads beside others
    left: Pool | None = None  # where its small files are still, that its root volume has left while it ran

    @property
    def root(self) -> tuple[Volume, Pool]:
        """Give the root volume and its pool."""
        return self.volumes[0]

    @property
    def disks(self) -> tuple[tuple[Volume, Pool], ...]:
        """Give all volumes that it has with their pools, its own ones first."""
        return self.volumes + self.shared

    @property
    def home(self) -> Pool:
        """Give the pool of its small files."""
        return self.left or self.volumes[0][1]

    def volume_spec(self, volume: Volume) -> VolumeSpec:
        """Give what the storage driver needs to know of a volume of the instance."""
        return self.specs[volume.id]


def volume_spec(tx: Tx, volume: Volume) -> VolumeSpec:
    """Give what the storage driver needs to know of a volume, and of what it lies over."""
    base = base_image(tx.images.get(volume.image_id)) if volume.image_id else None
    parent = volume_spec(tx, tx.volumes.get(volume.parent_id)) if volume.parent_id else None
    return VolumeSpec(volume.id, volume.size, base, parent)


def base_image(image: Image) -> BaseImage:
    """Give what the storage driver needs to know of an image."""
    return BaseImage(image.digest, image.format, image.size, image.virtual_size)


def load_whole(run: Run) -> Whole:
    """Read the instance that the operation is about."""
    with run.store.read() as tx:
        instance = tx.instances.get(run.resource_id)
        volumes = sorted(tx.volumes.of_instance(instance.id), key=lambda each: each.slot or 0)
        shared = tx.readers.of_instance(instance.id)
        ports = sorted(tx.ports.of_instance(instance.id), key=lambda each: each.slot)
        return Whole(
            instance,
            tx.images.get(instance.image_id) if instance.image_id else None,
            tuple((each, tx.pools.get(each.pool_id)) for each in volumes),
            tuple((each, tx.networks.get(each.network_id)) for each in ports),
            {each.id: volume_spec(tx, each) for each in (*volumes, *shared)},
            tx.images.get(instance.driver_image_id) if instance.driver_image_id else None,
            tx.images.get(instance.cd_image_id) if instance.cd_image_id else None,
            tuple((each, tx.pools.get(each.pool_id)) for each in shared),
            tx.pools.get(instance.hardware["small_files"]) if "small_files" in instance.hardware else None,
        )
