"""Where shared pools are joined."""

from __future__ import annotations

from sqlalchemy import ColumnElement, delete, select

from zcloud.domain.errors import HostUnreachable
from zcloud.domain.host import HostState
from zcloud.domain.storage import JoinState, Pool, PoolHost
from zcloud.store import schema
from zcloud.store.mapping import Mapper
from zcloud.store.repository import Repository

_C, _H = schema.pool_hosts.c, schema.hosts.c


class PoolHosts(Repository):
    """One row for each host on which a shared pool was joined, or could not be."""

    mapper = Mapper(PoolHost, schema.pool_hosts)

    def all(self) -> dict[tuple[str, str], PoolHost]:
        """Give all by pool and host."""
        return {(each.pool_id, each.host_id): each for each in self._read()}

    def of_pool(self, pool_id: str) -> dict[str, PoolHost]:
        """Give those of a pool by host."""
        return {each.host_id: each for each in self._read(_C.pool_id == pool_id)}

    def on_host(self, host_id: str) -> dict[str, PoolHost]:
        """Give those of a host by pool."""
        return {each.pool_id: each for each in self._read(_C.host_id == host_id)}

    def note(self, pool_id: str, host_id: str, reason: str) -> PoolHost | None:
        """Write down that a pool can be used on a host (no reason) or why not; gives how it was before."""
        state = JoinState.ERROR if reason else JoinState.READY
        before = self.of_pool(pool_id).get(host_id)
        if before is None or (before.state, before.reason) != (state, reason):
            since = before.since if before and before.state is state else self._scope.now
            row = self.mapper.to_row(PoolHost(pool_id, host_id, state, reason, since))
            upsert = self._scope.upsert(schema.pool_hosts, ("pool_id", "host_id"), ("state", "reason", "since"))
            self._db.execute(upsert, row)
        return before

    def take_out(self, pool_id: str, host_id: str) -> None:
        """Forget that a pool was joined on a host; absent is fine."""
        self._db.execute(delete(schema.pool_hosts).where(_C.pool_id == pool_id, _C.host_id == host_id))

    def way_to(self, pool: Pool) -> str:
        """Give the id of the host by which a pool is reached: its own, or one that is up and can use it.

        Raises HostUnreachable where there is none.
        """
        if pool.host_id is not None:
            return pool.host_id
        joined = schema.pool_hosts.join(schema.hosts, _C.host_id == _H.id)
        can = [_C.pool_id == pool.id, _C.state == JoinState.READY.value, _H.state == HostState.UP.value]
        found = self._db.execute(select(_H.id).select_from(joined).where(*can).order_by(_H.name).limit(1)).scalar()
        if found is None:
            raise HostUnreachable(
                f"The pool {pool.name} cannot be used on any host that is up.",
                hint=f"`zcloud pool show {pool.name}` says why.",
            )
        return str(found)

    def _read(self, *where: ColumnElement[bool]) -> list[PoolHost]:
        query = select(schema.pool_hosts).where(*where).order_by(_C.pool_id, _C.host_id)
        return [self.mapper.to_record(row) for row in self._db.execute(query).mappings()]
