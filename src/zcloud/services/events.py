"""Events as people see them: a list that goes on, and a bell that rings when there are more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from zcloud.domain.errors import EventsMissed, InvalidInput
from zcloud.domain.operation import Event
from zcloud.domain.people import Actor
from zcloud.services.context import Page, Services, visible_projects
from zcloud.store import EventFilter

MAX_LIMIT = 1000


@dataclass(frozen=True, slots=True)
class EventQuery:
    """Which events; a kind that ends in a dot (``instance.``) means all that begin so."""

    kinds: tuple[str, ...] = ()
    resource_id: str = ""


class Events:
    """The service behind ``zcloud events`` and the stream of events."""

    def __init__(self, services: Services) -> None:
        self._store = services.store

    def after(self, actor: Actor, seq: int, query: EventQuery, limit: int = 100) -> list[Event]:
        """Give events with greater numbers than ``seq`` that the actor may see, in order; raises InvalidInput."""
        _check_limit(limit)
        with self._store.read() as tx:
            return tx.events.after(seq, limit=limit, **_which(actor, query))

    def touched(self, actor: Actor, seq: int, limit: int) -> list[tuple[int, str, str]]:
        """Give number, kind and id of the thing of each event after ``seq`` that the actor may see, in order."""
        with self._store.read() as tx:
            return tx.events.touched(seq, limit, visible_projects(actor))

    def latest(self, actor: Actor, resource_id: str, limit: int = 100) -> list[Event]:
        """Give the newest events of one thing that the actor may see, the newest first."""
        with self._store.read() as tx:
            return tx.events.newest(limit, **_which(actor, EventQuery(resource_id=resource_id)))

    def newest(self, actor: Actor, query: EventQuery, *, before: int = 0, limit: int = 100) -> Page[Event]:
        """Give a part of the events that the actor may see, the newest first; its cursor is ``before`` of the next."""
        _check_limit(limit)
        with self._store.read() as tx:
            found = tx.events.newest(limit + 1, before=before, **_which(actor, query))
        items = tuple(found[:limit])
        return Page(items, str(items[-1].seq) if len(found) > limit else None)

    def page(self, actor: Actor, seq: int, query: EventQuery, limit: int = 100) -> Page[Event]:
        """Give a part of the events after ``seq``; its cursor is the last number."""
        found = self.after(actor, seq, query, limit)
        return Page(tuple(found), str(found[-1].seq) if len(found) == limit else None)

    def missed(self, seq: int) -> EventsMissed | None:
        """Say what a follower has missed that saw ``seq`` last: None where everything since is still there."""
        with self._store.read() as tx:
            if not tx.events.missed(seq):
                return None
            first = tx.events.first_seq(seq)
        return EventsMissed(f"Events after {seq} are not there any more; those from {first} on follow.", first=first)

    def last_seq(self) -> int:
        """Give the number of the last event, where a stream of new ones begins."""
        with self._store.read() as tx:
            return tx.events.last_seq()

    def watch(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Have ``callback`` called after commits with events, in any thread; gives what ends that."""
        return self._store.signals.subscribe("events", callback)


def _which(actor: Actor, query: EventQuery) -> EventFilter:
    projects = visible_projects(actor)
    return {"project_ids": projects, "kinds": query.kinds, "resource_id": query.resource_id or None}


def _check_limit(limit: int) -> None:
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidInput(f"A page has 1 to {MAX_LIMIT} entries, not {limit}.", field="limit")
