"""Storage pools."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from zcloud.base.ids import new_id
from zcloud.domain.driver import Option
from zcloud.domain.errors import AlreadyExists, InUse, InvalidInput, WrongState
from zcloud.domain.names import check_name
from zcloud.domain.operation import Operation
from zcloud.domain.people import Actor, Role
from zcloud.domain.storage import TIB, Pool, PoolHost, PoolState
from zcloud.drivers import registry
from zcloud.drivers.storage.base import Feature
from zcloud.services.context import (
    Services,
    Subject,
    authorize,
    begin,
    expect,
)
from zcloud.store import Tx, VolumeFilter

MAX_OVERCOMMIT = 100.0
MAX_SIZE = 1024 * TIB


@dataclass(frozen=True, slots=True)
class PoolSpec:
    """A pool that is to be made, on ``host``; a kind that hosts share takes ``hosts`` (none: all) instead."""

    name: str
    driver: str = "directory"
    host: str = ""
    hosts: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    overcommit: float = 2.0
    is_default: bool = False


@dataclass(frozen=True, slots=True)
class PoolKind:
    """A kind of pool: what people call it, what it is, whether hosts share it, its options, whether zcloud grows it."""

    title: str
    doc: str
    shared: bool
    options: tuple[Option, ...]
    grows: bool


class Pools:
    """The service behind ``zcloud pool``."""

    def __init__(self, services: Services) -> None:
        self._store = services.store

    def kinds(self) -> dict[str, PoolKind]:
        """Give the kinds of pools that can be made, with the options that each takes."""
        return {
            kind: PoolKind(info.title, info.doc, registry.is_shared(kind), options, Feature.GROW_POOL in info.features)
            for kind, (info, options) in registry.storage_kinds().items()
        }

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
        options, secrets = registry.check_storage_options(spec.driver, spec.options)
        _check_overcommit(spec.overcommit)

        def work(tx: Tx) -> tuple[Pool, Operation]:
            host_id, hosts = _users(tx, spec)
            users = {host_id} if host_id else {each.id for each in tx.hosts.all() if not hosts or each.id in hosts}
            for other in tx.pools.all():
                beside = other.shared or other.host_id in users
                if beside and registry.same_place(other, spec.driver, options):
                    raise AlreadyExists(f"The pool {other.name} has this place already.")
                if spec.is_default and other.is_default and any(map(other.belongs_to, users)):
                    raise AlreadyExists(f"There is a default pool already: {other.name}.")
            pool = tx.pools.add(
                Pool(
                    id=new_id(),
                    name=spec.name,
                    driver=spec.driver,
                    host_id=host_id,
                    hosts=hosts,
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
            tx.secrets.keep_pool(pool.id, secrets)
            return pool, _begin(tx, actor, pool, "create")

        return self._store.transact(work)

    def change(
        self,
        actor: Actor,
        ref: str,
        revision: int | None,
        *,
        overcommit: float | None = None,
        draining: bool | None = None,
    ) -> Pool:
        """Change how much more than there is may be promised, or whether new volumes are taken.

        Raises InvalidInput, RevisionMismatch.
        """
        authorize(actor, None, Role.OPERATOR, "Changing pools")
        changes: dict[str, Any] = {} if draining is None else {"draining": draining}
        if overcommit is not None:
            _check_overcommit(overcommit)
            changes["overcommit"] = overcommit
        if not changes:
            raise InvalidInput(
                "Nothing is to be changed.", hint="Give overcommit or draining.", field="overcommit, draining"
            )

        def work(tx: Tx) -> Pool:
            pool = tx.pools.resolve(ref)
            pool = tx.pools.update(pool.id, expect_revision=revision, bump=True, **changes)
            tx.claims.set_capacity(pool.ref, pool.capacity)
            return pool

        return self._store.transact(work)

    def joins(self, actor: Actor) -> dict[str, list[PoolHost]]:
        """Give by shared pool where it is joined, or why it is not."""
        authorize(actor, None, Role.VIEWER, "The list of pools")
        with self._store.read() as tx:
            found: dict[str, list[PoolHost]] = {}
            for each in tx.pool_hosts.all().values():
                found.setdefault(each.pool_id, []).append(each)
            return found

    def refresh(self, actor: Actor, ref: str) -> Operation:
        """Look at a pool now: join it where it is not, and measure it. Raises NotFound, WrongState, Busy."""
        authorize(actor, None, Role.OPERATOR, "Refreshing pools")
        return self._store.transact(lambda tx: _begin(tx, actor, _ready(tx, ref), "refresh"))

    def grow(self, actor: Actor, ref: str, size: int) -> Operation:
        """Make the pool itself ``size`` bytes large, of what is free where it lies.

        Raises NotFound, PoolCannot (with what else makes it larger), InvalidInput (it is as large), WrongState, Busy.
        """
        authorize(actor, None, Role.OPERATOR, "Growing pools")

        def work(tx: Tx) -> Operation:
            pool = _ready(tx, ref)
            registry.check_growing(pool)
            if not pool.total < size <= MAX_SIZE:
                raise InvalidInput(
                    f"The pool {pool.name} has {pool.total} bytes already; it can only grow, to {MAX_SIZE} at most.",
                    field="size",
                )
            return _begin(tx, actor, pool, "grow", size=size)

        return self._store.transact(work)

    def delete(self, actor: Actor, ref: str, revision: int | None = None) -> Operation:
        """Remove a pool without volumes; its directory goes where zcloud made all that is in it."""
        authorize(actor, None, Role.OPERATOR, "Deleting pools")

        def work(tx: Tx) -> Operation:
            pool = tx.pools.resolve(ref)
            expect(pool, revision)
            count = tx.volumes.page(VolumeFilter(pool_id=pool.id), limit=1, count=True).total
            if count:
                left = ", ".join(each.name for each in tx.volumes.page(VolumeFilter(pool_id=pool.id), limit=5).items)
                raise InUse(
                    f"The pool {pool.name} has {count} volumes: {left}{', …' if count > 5 else ''}.",
                    hint="Delete them, or move them to another pool, first.",
                )
            operation = _begin(tx, actor, pool, "delete")
            tx.pools.update(pool.id, state=PoolState.DELETING)
            return operation

        return self._store.transact(work)


def _users(tx: Tx, spec: PoolSpec) -> tuple[str | None, tuple[str, ...]]:
    """Give the host that a pool is on, or the only ones that share it (none: all do); raises InvalidInput, NotFound."""
    if not registry.is_shared(spec.driver):
        if spec.hosts or not spec.host:
            raise InvalidInput(f"A pool of the kind {spec.driver} is on one host.", hint="Name it.", field="host")
        return tx.hosts.resolve(spec.host).id, ()
    if spec.host:
        raise InvalidInput(
            f"Hosts share a pool of the kind {spec.driver}.", hint="Leave the host out, or name hosts.", field="host"
        )
    return None, tuple(sorted({tx.hosts.resolve(each).id for each in spec.hosts}))


def _ready(tx: Tx, ref: str) -> Pool:
    pool = tx.pools.resolve(ref)
    if pool.state is not PoolState.READY:
        raise WrongState(f"The pool {pool.name} is {pool.state}, not ready.")
    return pool


def _begin(tx: Tx, actor: Actor, pool: Pool, verb: str, **args: Any) -> Operation:
    operation = begin(tx, actor, verb, f"pool_{verb}_v1", Subject("pool", pool.id, pool.name), **args)
    tx.pools.lock(pool.id, operation.id)
    return operation


def _check_overcommit(value: float) -> None:
    if not 0.1 <= value <= MAX_OVERCOMMIT:
        raise InvalidInput(f"overcommit must be 0.1 to {MAX_OVERCOMMIT:.0f}.", field="overcommit")
