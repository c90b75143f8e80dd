"""What is forgotten, and when."""

from __future__ import annotations

from datetime import timedelta

from zcloud.base.config import Observer as Settings
from zcloud.store import Store, Tx

_ANSWERS = timedelta(days=1)
_IN_FLIGHT = timedelta(minutes=10)


def prune(store: Store, settings: Settings) -> None:
    """Remove samples, events, audit entries, ended operations and remembered answers that are old enough."""

    def work(tx: Tx) -> None:
        events = tx.now - timedelta(days=settings.keep_events_d)
        tx.samples.prune(tx.now - timedelta(hours=settings.keep_samples_h))
        tx.events.prune(events)
        tx.audit.prune(tx.now - timedelta(days=settings.keep_operations_d))
        tx.operations.prune(tx.now - timedelta(days=settings.keep_operations_d))
        tx.idempotency.prune(tx.now - _ANSWERS, in_flight_before=tx.now - _IN_FLIGHT)
        tx.sessions.prune(tx.now)
        tx.tickets.prune()

    store.transact(work)
