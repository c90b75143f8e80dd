"""The audit log: who asked for what, and how it was answered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from zcloud.domain.errors import InvalidInput
from zcloud.domain.operation import AuditEntry
from zcloud.domain.people import Actor, Role
from zcloud.services.context import Services, authorize
from zcloud.store import Page, Tx

MAX_LIMIT = 1000


@dataclass(frozen=True, slots=True)
class Answered:
    """A changing request and its outcome: ``ok``, or the error's code."""

    action: str
    resource: str
    outcome: str


class Audit:
    """The service behind ``zcloud audit``."""

    def __init__(self, services: Services) -> None:
        self._store = services.store

    def record(self, actor: Actor, answered: Answered, also: Callable[[Tx], None] = lambda _tx: None) -> None:
        """Keep who asked for what, and the answer; with ``also``, what else belongs to the request's end."""

        def work(tx: Tx) -> None:
            also(tx)
            tx.audit.add(
                answered.action,
                actor=actor.user_name,
                address=actor.address,
                request_id=actor.request_id,
                resource=answered.resource,
                outcome=answered.outcome,
            )

        self._store.transact(work)

    def page(self, actor: Actor, *, before: int | None, limit: int, user: str = "") -> Page[AuditEntry]:
        """List the entries with smaller numbers than ``before``, newest first; raises Forbidden, InvalidInput."""
        authorize(actor, None, Role.ADMIN, "The audit log")
        if not 1 <= limit <= MAX_LIMIT:
            raise InvalidInput(f"A page has 1 to {MAX_LIMIT} entries, not {limit}.", field="limit")
        with self._store.read() as tx:
            found = tx.audit.before(before, limit=limit + 1, actor=user or None)
        items = tuple(found[:limit])
        return Page(items, str(items[-1].seq) if len(found) > limit else None)
