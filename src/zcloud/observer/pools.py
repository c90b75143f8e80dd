"""The pools of one host: shared ones are joined where they are not, all measured. A stalled one holds up only this."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from zcloud.domain.errors import HostUnreachable, ZcloudError
from zcloud.domain.host import Host
from zcloud.domain.storage import JoinState, Pool, PoolHost, PoolState, is_filling
from zcloud.drivers import registry
from zcloud.drivers.storage.base import Capacity, StorageDriver
from zcloud.ports import HostLink
from zcloud.store import Store, Tx

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Measure:
    """A pool's space, and what its volumes take."""

    space: Capacity
    allocated: dict[str, int]


class PoolWatch:
    """Looks at the pools of a host, its own first. A shared one is measured by one host."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def run(self, host_id: str, link: HostLink) -> None:
        """Join and measure; what cannot be done is written down, and told when it changes."""
        with self._store.read() as tx:
            here = [each for each in tx.pools.all() if each.belongs_to(host_id) and each.state is PoolState.READY]
            pools = [tx.secrets.opened(each) for each in here]
            before = tx.pool_hosts.on_host(host_id)
        for pool in sorted(pools, key=lambda each: each.shared):
            if not pool.shared:
                self._measure(pool, registry.storage(pool, link))
            elif pool.operation_id is None:
                self._look_at_shared(pool, host_id, link, before.get(pool.id))

    def _look_at_shared(self, pool: Pool, host_id: str, link: HostLink, before: PoolHost | None) -> None:
        driver = registry.storage(pool, link)
        mended, reason = _join(driver, before)
        if not self._store.transact(lambda tx: _note(tx, pool, host_id, reason, mended=mended)):
            driver.leave()  # it was deleted meanwhile
            return
        with self._store.read() as tx:
            mine = not reason and tx.pool_hosts.way_to(pool) == host_id
        if mine:
            self._measure(pool, driver)

    def _measure(self, pool: Pool, driver: StorageDriver) -> None:
        try:
            found = _Measure(driver.capacity(), {each.id: each.allocated for each in driver.list_volumes()})
        except HostUnreachable:
            raise
        except ZcloudError as error:
            _log.warning("The pool %s cannot be read: %s", pool.name, error.message)
            reason = f"It cannot be read: {error.message}"
            self._store.transact(lambda tx: _warn(tx, pool.id, reason))
            return
        self._store.transact(lambda tx: _record(tx, pool.id, found))


def _join(driver: StorageDriver, before: PoolHost | None) -> tuple[bool, str]:
    """Join a pool; gives whether that had to be done, and why it cannot be used (empty: it can)."""
    try:
        mended = driver.join()
        driver.capacity()  # first, as it has the shortest deadline
        if mended or before is None or before.state is not JoinState.READY:
            driver.check()
    except HostUnreachable:
        raise
    except ZcloudError as error:
        return False, error.message
    return mended, ""


def _note(tx: Tx, pool: Pool, host_id: str, reason: str, *, mended: bool) -> bool:
    """Write down how it is; False where the pool was taken from the host, and is not to be joined there."""
    now, host = tx.pools.many([pool.id]).get(pool.id), tx.hosts.many([host_id]).get(host_id)
    if now is None or (now.state is PoolState.DELETING and host_id not in tx.pool_hosts.of_pool(pool.id)):
        return False
    if host is None or now.state is not PoolState.READY or now.operation_id is not None:
        return True  # an operation sees to it
    before = tx.pool_hosts.note(pool.id, host_id, reason)
    was_ready = before is not None and before.state is JoinState.READY
    if reason and (before is None or was_ready):
        told = f"The pool {pool.name} cannot be used on {host.name}: {reason}"
        _tell(tx, "pool.unusable", pool, told, host=host.name)
    elif not reason and not was_ready:
        _tell(tx, "pool.usable", pool, f"The pool {pool.name} can be used on {host.name}.", host=host.name)
        tx.operations.wake_host(host_id)
    elif mended:
        _tell_mended(tx, pool, host)
    return True


def _tell_mended(tx: Tx, pool: Pool, host: Host) -> None:
    message = f"{host.name}: the pool {pool.name} was not joined, and is again."
    _log.warning("%s", message)
    tx.events.add(
        "host.healed",
        resource_kind="host",
        resource_id=host.id,
        resource_name=host.name,
        message=message,
        data={"pools": [pool.name]},
    )


def _record(tx: Tx, pool_id: str, found: _Measure) -> None:
    pool = tx.pools.many([pool_id]).get(pool_id)
    if pool is None:
        return
    space = found.space
    filling = is_filling(pool, space.total, space.available)
    changed = tx.pools.update(
        pool_id, total=space.total, available=space.available, filling=filling, observed_at=tx.now
    )
    if space.total != pool.total:
        tx.claims.set_capacity(changed.ref, changed.capacity)
    tx.volumes.note_allocation(pool_id, found.allocated)
    _warn(tx, pool_id, space.warning)
    if filling and not pool.filling:
        taken = 1 - space.available / space.total
        message = f"The pool {pool.name} is {taken:.0%} full; its guests are paused when it has no more room."
        _log.warning("%s", message)
        _tell(tx, "pool.filling", pool, message, total=space.total, available=space.available)


def _warn(tx: Tx, pool_id: str, warning: str) -> None:
    """Keep what is wrong with a pool, and tell where something begins to be or nothing is any more."""
    pool = tx.pools.many([pool_id]).get(pool_id)
    if pool is None or pool.warning == warning:
        return
    tx.pools.update(pool_id, warning=warning)
    if warning and not pool.warning:
        _log.warning("The pool %s is degraded: %s", pool.name, warning)
        _tell(tx, "pool.degraded", pool, f"The pool {pool.name} is degraded: {warning}")
    elif pool.warning and not warning:
        _tell(tx, "pool.sound", pool, f"What the pool {pool.name} lies in is whole again.")


def _tell(tx: Tx, kind: str, pool: Pool, message: str, **data: Any) -> None:
    tx.events.add(kind, resource_kind="pool", resource_id=pool.id, resource_name=pool.name, message=message, data=data)
