"""Pools: make, measure, grow, remove. Those that hosts share are made by one host and joined on each."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from zcloud.domain.errors import HostUnreachable, ZcloudError
from zcloud.domain.host import Host, HostState
from zcloud.domain.storage import JoinState, Pool, PoolState, is_filling
from zcloud.drivers.storage.base import StorageDriver
from zcloud.operations.model import Step, Waiting, Workflow
from zcloud.store import Tx
from zcloud.workflows.context import Run

_SOON, _RECKONED = timedelta(seconds=1), timedelta(minutes=1)


def _pool(run: Run) -> Pool:
    return run.read(lambda tx: tx.pools.get(run.resource_id))


def _users(run: Run, pool: Pool) -> list[Host]:
    """Give the hosts that use a pool and are up, in the order of their names; raises HostUnreachable without any."""
    hosts = [each for each in run.read(lambda tx: tx.hosts.all()) if pool.belongs_to(each.id)]
    up = [each for each in hosts if each.id == pool.host_id or each.state is HostState.UP]
    if not up:
        raise HostUnreachable(f"No host that is up is to use the pool {pool.name}.", hint="See `zcloud host list`.")
    return sorted(up, key=lambda each: each.name)


def make_pool(run: Run) -> None:
    """Make the pool's place by its host, or the first of several, and measure it once its room is reckoned."""
    pool = _pool(run)
    first, *others = _users(run, pool)
    driver = run.unjoined(pool, first.id)
    _join(run, pool, first.id, driver)
    driver.ensure_pool()
    driver.check()
    if not _measure(run, pool, driver) and run.now() < run.operation.created_at + _RECKONED:
        raise Waiting("How much room the pool has is not known yet.", run.now() + _SOON)
    _join_on(run, pool, others)


def _join_on(run: Run, pool: Pool, hosts: Iterable[Host]) -> list[ZcloudError]:
    """Make a shared pool usable on more hosts; gives why it cannot be on some, where the observer tries again."""
    failed: list[ZcloudError] = []
    for host in hosts:
        driver = run.unjoined(pool, host.id)
        try:
            _join(run, pool, host.id, driver)
            driver.check()
        except HostUnreachable:
            continue
        except ZcloudError as error:
            _note(run, pool, host.id, error.message)
            failed.append(error)
    return failed


def _join(run: Run, pool: Pool, host_id: str, driver: StorageDriver) -> None:
    """Join a pool on a host; what is there is recorded first, so that it is taken back in any case."""
    if pool.shared and host_id not in run.read(lambda tx: tx.pool_hosts.of_pool(pool.id)):
        _note(run, pool, host_id, "It is just being joined.")
    driver.join()
    if pool.shared:
        _note(run, pool, host_id, "")


def _note(run: Run, pool: Pool, host_id: str, reason: str) -> None:
    with run.store.write() as tx:
        tx.pool_hosts.note(pool.id, host_id, reason)


def _measure(run: Run, pool: Pool, driver: StorageDriver) -> int:
    """Note a pool's room, and give how large it is."""
    space = driver.capacity()
    filling = is_filling(pool, space.total, space.available)
    with run.store.write() as tx:
        tx.pools.update(pool.id, total=space.total, available=space.available, filling=filling, observed_at=tx.now)
    return space.total


def measure_again(run: Run) -> None:
    """Look at the pool now, and join it where it is not; one that no host can use is not waited for."""
    pool = _pool(run)
    failed = _join_on(run, pool, _users(run, pool) if pool.shared else ())
    try:
        host_id = run.read(lambda tx: tx.pool_hosts.way_to(pool))
    except HostUnreachable:
        if failed:
            raise failed[0] from None
        raise
    driver = run.storage(pool, host_id)
    driver.check()
    _measure(run, pool, driver)


def grow_pool(run: Run) -> None:
    """Make the pool itself larger, and measure it."""
    pool = _pool(run)
    driver = run.storage(pool, run.read(lambda tx: tx.pool_hosts.way_to(pool)))
    driver.grow_pool(run.args["size"])
    _measure(run, pool, driver)


def remove_pool(run: Run) -> None:
    """Remove what zcloud made in the pool's place, and leave it on every host where it was joined."""
    pool = _pool(run)
    if not pool.shared or run.read(lambda tx: tx.pool_hosts.of_pool(pool.id)):
        _clear(run, pool)
    _leave(run, pool)


def unmake_pool(run: Run) -> None:
    """Do so for one that was just being made: where no host could join it, nothing is there."""
    pool = _pool(run)
    joins = run.read(lambda tx: tx.pool_hosts.of_pool(pool.id)).values()
    if not pool.shared or any(each.state is JoinState.READY for each in joins):
        _clear(run, pool)
    _leave(run, pool)


def _clear(run: Run, pool: Pool) -> None:
    driver = run.storage(pool, run.read(lambda tx: tx.pool_hosts.way_to(pool)))
    for digest in driver.list_bases():
        driver.delete_base(digest)
    driver.remove_pool()


def _leave(run: Run, pool: Pool) -> None:
    """Leave it on each host; last by which it is reached, as this may have to be done again."""
    joins = run.read(lambda tx: tx.pool_hosts.of_pool(pool.id)).values()
    for join in sorted(joins, key=lambda each: each.state is JoinState.READY):
        leave_on(run, pool, join.host_id)


def leave_on(run: Run, pool: Pool, host_id: str) -> None:
    """Take a shared pool back from a host."""
    run.unjoined(pool, host_id).leave()
    with run.store.write() as tx:
        tx.pool_hosts.take_out(pool.id, host_id)


def _made(run: Run, tx: Tx) -> None:
    pool = tx.pools.get(run.resource_id)
    tx.claims.set_capacity(pool.ref, pool.capacity)
    tx.pools.update(pool.id, state=PoolState.READY)


def _failed(run: Run, tx: Tx, error: ZcloudError) -> None:
    del error
    tx.pools.update(run.resource_id, state=PoolState.ERROR)


def _unchanged(run: Run, tx: Tx, error: ZcloudError) -> None:
    """The pool stays as it was; the operation says what failed."""
    del run, tx, error


def _removed(run: Run, tx: Tx) -> None:
    tx.claims.remove_provider(tx.pools.get(run.resource_id).ref)
    tx.secrets.keep_pool(run.resource_id, {})
    tx.pools.delete(run.resource_id)


POOL_CREATE = Workflow(
    name="pool_create_v1",
    title="Make a pool",
    steps=(Step("make", "Make the pool on its host", make_pool, unmake_pool),),
    succeed=_made,
    fail=_failed,
)

POOL_REFRESH = Workflow(
    name="pool_refresh_v1",
    title="Look at a pool",
    steps=(Step("measure", "Join it where it is not, and measure it", measure_again),),
    succeed=_made,
    fail=_unchanged,
)

POOL_GROW = Workflow(
    name="pool_grow_v1",
    title="Grow a pool",
    steps=(Step("grow", "Make it larger, and measure it", grow_pool),),
    succeed=_made,
    fail=_unchanged,
)

POOL_DELETE = Workflow(
    name="pool_delete_v1",
    title="Remove a pool",
    steps=(Step("remove", "Remove the pool from its host", remove_pool),),
    succeed=_removed,
    fail=_failed,
    cancellable=False,
)
