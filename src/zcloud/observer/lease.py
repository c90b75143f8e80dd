"""The right to be the one observer of a cloud: a row that is compared and swapped, and taken over from the dead."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from zcloud.base.clock import Clock
from zcloud.base.ids import new_id
from zcloud.operations.heart import Watch, this_node
from zcloud.store import OBSERVER_LEASE, Store, Tx, Worker

Row = Mapping[str, Any]


class Lease:
    """One observer's part of it. No clock of another machine is trusted (see ``operations.heart``)."""

    def __init__(self, store: Store, clock: Clock, timeout_s: float) -> None:
        self._store, self._clock, self._timeout_s = store, clock, timeout_s
        self._me, self._node = new_id(), this_node()
        self._watch = Watch(self._node, clock, timeout_s)
        self._mine: Row | None = None
        self._renewed_at = float("-inf")
        self._look_at = float("-inf")

    def hold(self) -> bool:
        """Renew or take the lease where it is time to; gives whether it is ours now. Cheap to ask often."""
        now = self._clock.monotonic()
        if now >= self._look_at:
            self._look_at = now + self._timeout_s / 4
            self._mine = self._store.transact(self._renew) if self._mine else self._contend()
            self._renewed_at = now if self._mine else float("-inf")
        return self._mine is not None and now - self._renewed_at < self._timeout_s / 2

    def release(self) -> None:
        """Give it back, so that another need not wait."""
        mine, self._mine = self._mine, None

        def work(tx: Tx) -> None:
            if mine is not None and tx.settings.get(OBSERVER_LEASE) == mine:
                tx.settings.delete(OBSERVER_LEASE)

        self._store.transact(work)

    def _contend(self) -> Row | None:
        with self._store.read() as tx:
            there = tx.settings.get(OBSERVER_LEASE)
        if there is not None and not self._watch.dead([_holder(there)]):
            return None
        return self._store.transact(lambda tx: self._swap(tx, there))

    def _renew(self, tx: Tx) -> Row | None:
        return self._swap(tx, self._mine)

    def _swap(self, tx: Tx, expected: Row | None) -> Row | None:
        row = {"holder": self._me, "node": self._node, "pid": os.getpid(), "beaten_at": tx.now.isoformat()}
        return row if tx.settings.swap(OBSERVER_LEASE, expected, row) else None


def _holder(row: Row) -> Worker:
    beaten = datetime.fromisoformat(row["beaten_at"])
    return Worker(row["holder"], row["node"], int(row["pid"]), "observer", started_at=beaten, heartbeat_at=beaten)
