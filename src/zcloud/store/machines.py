"""Hosts, pools and networks."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import ColumnElement, delete, or_

from zcloud.domain.errors import HostUnreachable
from zcloud.domain.host import Host, HostState
from zcloud.domain.network import Network
from zcloud.domain.storage import Pool
from zcloud.store import schema
from zcloud.store.mapping import Mapper
from zcloud.store.repository import Lockable, only


class Hosts(Lockable[Host, None]):
    """Machines that run instances."""

    noun = "host"
    mapper = Mapper(Host, schema.hosts)
    sorts = ("name", "created_at", "state", "zone")

    def delete(self, id: str) -> None:
        """Remove a host and what is known of shared pools and foreign domains there; raises NotFound, InUse."""
        for table in (schema.foreign_domains, schema.pool_hosts):
            self._db.execute(delete(table).where(table.c.host_id == id))
        super().delete(id)

    def any_up(self) -> Host:
        """Give the first host that is up; raises HostUnreachable where none is."""
        host = self._first(schema.hosts.c.state == HostState.UP.value, order=[schema.hosts.c.name])
        if host is None:
            raise HostUnreachable("No host is up.", hint="Look at `zcloud host list`.")
        return host


@dataclass(frozen=True, slots=True)
class PoolFilter:
    """Which pools; ``host_id`` also gives the pools that all hosts share."""

    host_id: str | None = None
    driver: str | None = None


class Pools(Lockable[Pool, PoolFilter]):
    """Storage pools."""

    noun = "pool"
    mapper = Mapper(Pool, schema.pools)

    def defaults(self) -> list[Pool]:
        """Give the pools that are taken where none is named (one a host, or a shared one)."""
        return self._all(schema.pools.c.is_default.is_(True), order=[schema.pools.c.name])

    def delete(self, id: str) -> None:
        """Remove a pool, wherever it was joined; raises NotFound, InUse (volumes are left)."""
        self._db.execute(delete(schema.pool_hosts).where(schema.pool_hosts.c.pool_id == id))
        super().delete(id)

    def _where(self, filter: PoolFilter) -> list[ColumnElement[bool]]:
        where: list[ColumnElement[bool]] = []
        if filter.host_id is not None:
            where.append(or_(schema.pools.c.host_id == filter.host_id, schema.pools.c.host_id.is_(None)))
        if filter.driver is not None:
            where.append(schema.pools.c.driver == filter.driver)
        return where


@dataclass(frozen=True, slots=True)
class NetworkFilter:
    """Which networks; ``project_ids`` also gives those for everybody."""

    project_ids: Collection[str] | None = None
    host_id: str | None = None
    kind: str | None = None


class Networks(Lockable[Network, NetworkFilter]):
    """Networks."""

    noun = "network"
    mapper = Mapper(Network, schema.networks)

    def defaults(self) -> list[Network]:
        """Give the networks that are taken where none is named."""
        return self._all(schema.networks.c.is_default.is_(True), order=[schema.networks.c.name])

    def delete(self, id: str) -> None:
        """Remove a network and what is fenced on it; raises NotFound, InUse (ports are left)."""
        self._db.execute(delete(schema.fences).where(schema.fences.c.network_id == id))
        super().delete(id)

    def resolve(self, name_or_id: str, project_id: str | None = None) -> Network:
        """Give the network of that id or else name that the project may use (None: any); raises NotFound."""
        return self._resolve(name_or_id, *self._where(NetworkFilter(only(project_id))))

    def _where(self, filter: NetworkFilter) -> list[ColumnElement[bool]]:
        networks, where = schema.networks, list[ColumnElement[bool]]()
        if filter.project_ids is not None:
            own = networks.c.project_id.in_(list(filter.project_ids))
            where.append(or_(own, networks.c.project_id.is_(None)))
        if filter.host_id is not None:
            where.append(or_(networks.c.host_id == filter.host_id, networks.c.host_id.is_(None)))
        if filter.kind is not None:
            where.append(networks.c.kind == filter.kind)
        return where
