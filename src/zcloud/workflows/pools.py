"""Pools: make, remove."""

from __future__ import annotations

from zcloud.domain.errors import ZcloudError
from zcloud.domain.storage import Pool, PoolState
from zcloud.drivers.storage.base import StorageDriver
from zcloud.operations.model import Step, Workflow
from zcloud.store import Tx
from zcloud.workflows.context import Run


def _driver(run: Run, pool: Pool) -> StorageDriver:
    # A pool that several hosts share is changed through any of them that is up.
    host_id = pool.host_id or run.read(lambda tx: tx.hosts.any_up()).id
    return run.storage(pool, host_id)


def _pool(run: Run) -> Pool:
    return run.read(lambda tx: tx.pools.get(run.resource_id))


def make_pool(run: Run) -> None:
    """Make the pool's place on its host and measure it."""
    pool = _pool(run)
    driver = _driver(run, pool)
    driver.ensure_pool()
    driver.check()
    space = driver.capacity()
    with run.store.write() as tx:
        tx.pools.update(pool.id, total=space.total, available=space.available, observed_at=tx.now)


def remove_pool(run: Run) -> None:
    """Remove what zcloud made in the pool's place."""
    driver = _driver(run, _pool(run))
    for digest in driver.list_bases():
        driver.delete_base(digest)
    driver.remove_pool()


def _made(run: Run, tx: Tx) -> None:
    pool = tx.pools.get(run.resource_id)
    tx.claims.set_capacity(pool.ref, pool.capacity)
    tx.pools.update(pool.id, state=PoolState.READY)


def _failed(run: Run, tx: Tx, error: ZcloudError) -> None:
    del error
    tx.pools.update(run.resource_id, state=PoolState.ERROR)


def _removed(run: Run, tx: Tx) -> None:
    tx.claims.remove_provider(tx.pools.get(run.resource_id).ref)
    tx.pools.delete(run.resource_id)


POOL_CREATE = Workflow(
    name="pool_create_v1",
    title="Make a pool",
    steps=(Step("make", "Make the pool on its host", make_pool, remove_pool),),
    succeed=_made,
    fail=_failed,
)

POOL_DELETE = Workflow(
    name="pool_delete_v1",
    title="Remove a pool",
    steps=(Step("remove", "Remove the pool from its host", remove_pool),),
    succeed=_removed,
    fail=_failed,
    cancellable=False,
)
