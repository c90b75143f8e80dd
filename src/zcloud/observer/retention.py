"""What is forgotten, and when."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from zcloud.base.config import Retention
from zcloud.store import Store, Tx

PORTION = 1000  # rows in one transaction: writers wait for it
_ANSWERS = timedelta(days=1)
_IN_FLIGHT = timedelta(minutes=10)

Prune = Callable[[Tx, int], int]


def prune(store: Store, keep: Retention, portion: int = PORTION) -> None:
    """Remove samples, events, audit entries, ended operations and remembered answers that are old enough."""
    for remove in _portioned(keep):
        while store.transact(lambda tx, remove=remove: remove(tx, portion)) >= portion:  # type: ignore[misc]
            pass
    store.transact(_prune_small)


def _portioned(keep: Retention) -> tuple[Prune, ...]:
    return (
        lambda tx, limit: tx.samples.prune(tx.now - timedelta(hours=keep.samples_h), limit),
        lambda tx, limit: tx.events.prune(tx.now - timedelta(days=keep.events_d), keep.events_rows, limit),
        lambda tx, limit: tx.audit.prune(tx.now - timedelta(days=keep.audit_d), keep.audit_rows, limit),
        lambda tx, limit: tx.operations.prune(tx.now - timedelta(days=keep.operations_d), limit),
    )


def _prune_small(tx: Tx) -> None:
    tx.idempotency.prune(tx.now - _ANSWERS, in_flight_before=tx.now - _IN_FLIGHT)
    tx.sessions.prune(tx.now)
    tx.tickets.prune()
