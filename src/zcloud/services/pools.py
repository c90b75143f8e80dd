"""Storage pools."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from zcloud.base.ids import new_id
from zcloud.domain.errors import AlreadyExists, InUse, InvalidInput
from zcloud.domain.names import check_name
from zcloud.domain.operation import Operation
from zcloud.domain.people import Actor, Role
from zcloud.domain.storage import Pool, PoolState
from zcloud.drivers import registry
from zcloud.services.context import (
    Services,
    Subject,
    authorize,
    begin,
    expect,
)
from zcloud.store import Tx, VolumeFilter

MAX_OVERCOMMIT = 100.0


@dataclass(frozen=True, slots=True)
class PoolSpec:
    """A pool that is to be made; ``host`` is a name or id."""

    name: str
    driver: str = "directory"
    host: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    overcommit: float = 2.0
    is_default: bool = False


class Pools:
    """The service behind ``zcloud pool``."""

    def __init__(self, services: Services) -> None:
        self._store = services.store

    def all(self, actor: Actor) -> list[tuple[Pool, int]]:
        """List all pools, each with the bytes promised to volumes."""
        authorize(actor, None, Role.VIEWER, "The list of pools")
        with self._store.read() as tx:
            used = tx.claims.used_of_pools()
            return [(pool, used.get(pool.id, 0)) for pool in tx.pools.all()]

    def show(self, actor: Actor, ref: str) -> tuple[Pool, int]:
        """Give one pool and the bytes promised to volumes; raises NotFound."""
        authorize(actor, None, Role.VIEWER, f"The pool {ref!r}")
        with self._store.read() as tx:
            pool = tx.pools.resolve(ref)
            return pool, tx.claims.used_of_pools().get(pool.id, 0)

    def create(self, actor: Actor, spec: PoolSpec) -> tuple[Pool, Operation]:
        """Record a pool and make it on its host; raises InvalidInput, AlreadyExists, NotFound."""
        authorize(actor, None, Role.OPERATOR, "Making pools")
        check_name(spec.name)
        options = registry.check_storage_options(spec.driver, spec.options)
        _check_overcommit(spec.overcommit)

        def work(tx: Tx) -> tuple[Pool, Operation]:
            host = tx.hosts.resolve(spec.host)
            for other in tx.pools.all():
                if other.host_id == host.id and other.options == options:
                    raise AlreadyExists(f"The pool {other.name} on {host.name} has this place already.")
                if spec.is_default and other.is_default and other.host_id == host.id:
                    raise AlreadyExists(f"{host.name} has a default pool already: {other.name}.")
            pool = tx.pools.add(
                Pool(
                    id=new_id(),
                    name=spec.name,
                    driver=spec.driver,
                    host_id=host.id,
                    options=options,
                    overcommit=spec.overcommit,
                    state=PoolState.CREATING,
                    total=0,
                    available=0,
                    observed_at=None,
                    is_default=spec.is_default,
                    operation_id=None,
                    created_at=tx.now,
                    revision=1,
                )
            )
            return pool, _begin(tx, actor, pool, "create")

        return self._store.transact(work)

    def change(self, actor: Actor, ref: str, overcommit: float, revision: int | None) -> Pool:
        """Change how much more than there is may be promised; raises InvalidInput, RevisionMismatch."""
        authorize(actor, None, Role.OPERATOR, "Changing pools")
        _check_overcommit(overcommit)

        def work(tx: Tx) -> Pool:
            pool = tx.pools.resolve(ref)
            pool = tx.pools.update(pool.id, expect_revision=revision, bump=True, overcommit=overcommit)
            tx.claims.set_capacity(pool.ref, pool.capacity)
            return pool

        return self._store.transact(work)

    def delete(self, actor: Actor, ref: str, revision: int | None = None) -> Operation:
        """Remove a pool without volumes; its directory goes where zcloud made all that is in it."""
        authorize(actor, None, Role.OPERATOR, "Deleting pools")

        def work(tx: Tx) -> Operation:
            pool = tx.pools.resolve(ref)
            expect(pool, revision)
            count = tx.volumes.page(VolumeFilter(pool_id=pool.id), limit=1, count=True).total
            if count:
                raise InUse(f"The pool {pool.name} has {count} volumes.", hint="Delete them first.")
            operation = _begin(tx, actor, pool, "delete")
            tx.pools.update(pool.id, state=PoolState.DELETING)
            return operation

        return self._store.transact(work)


def _begin(tx: Tx, actor: Actor, pool: Pool, verb: str) -> Operation:
    operation = begin(tx, actor, verb, f"pool_{verb}_v1", Subject("pool", pool.id, pool.name))
    tx.pools.lock(pool.id, operation.id)
    return operation


def _check_overcommit(value: float) -> None:
    if not 0.1 <= value <= MAX_OVERCOMMIT:
        raise InvalidInput(f"overcommit must be 0.1 to {MAX_OVERCOMMIT:.0f}.", field="overcommit")
