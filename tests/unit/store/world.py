"""What an instance needs around it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests import builders

from zcloud.domain.host import Host
from zcloud.domain.image import Image
from zcloud.domain.instance import Instance
from zcloud.domain.network import Network
from zcloud.domain.people import Project
from zcloud.domain.storage import Pool
from zcloud.store import Store


@dataclass(frozen=True)
class World:
    """One of each, in a store."""

    store: Store
    project: Project = field(default_factory=builders.project)
    host: Host = field(default_factory=builders.host)
    image: Image = field(default_factory=builders.image)
    pool: Pool = field(default_factory=builders.pool)
    network: Network = field(default_factory=builders.network)

    def __post_init__(self) -> None:
        with self.store.write() as tx:
            tx.projects.add(self.project)
            tx.hosts.add(self.host)
            tx.images.add(self.image)
            tx.pools.add(self.pool)
            tx.networks.add(self.network)

    def instance(self, **changes: Any) -> Instance:
        """Make the record of an instance here, without adding it."""
        place = {"project_id": self.project.id, "host_id": self.host.id, "image_id": self.image.id}
        return builders.instance(**{**place, **changes})

    def add(self, **changes: Any) -> Instance:
        """Add an instance."""
        with self.store.write() as tx:
            return tx.instances.add(self.instance(**changes))
