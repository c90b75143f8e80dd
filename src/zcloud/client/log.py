"""Operations and events: what is being done, and what happened."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, cast

from zcloud.client.changes import Change, Progress, quiet
from zcloud.client.errors import Record, failed
from zcloud.client.http import Http, route
from zcloud.client.things import Things

if TYPE_CHECKING:
    from zcloud.client.types import Event, Operation


class Operations(Things["Operation"]):
    """Changes that are being made, or were."""

    def wait(self, id: str, progress: Progress = quiet, *, timeout_s: float = float("inf")) -> Operation:
        """Wait for an operation's end; raises ApiError as ``Change.wait`` does."""
        ended = self._http.wait(id, progress, step_s=1 if progress is not quiet else 30, timeout_s=timeout_s)
        if ended["status"] != "succeeded":
            raise failed(ended)
        return cast("Operation", ended)

    def cancel(self, id: str) -> Change[Any]:
        """Ask it to stop at its next step and to undo what it did."""
        return self.act(id, "cancel")

    def retry(self, id: str) -> Change[Any]:
        """Let a blocked one go on now, or ask again for one that failed."""
        return self.act(id, "retry")


class Events:
    """What happened, in the order in which it was committed."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def list(self, after: int = 0, *, limit: int = 1000, **query: Any) -> Iterator[Event]:
        """Give the events after a number, to the last; ``kind`` and ``resource`` narrow it."""
        seq: Any = after
        while True:
            page = self._http.get(route("events"), limit=limit, after=seq or "0", **query)
            yield from page["items"]
            seq = page["next_cursor"]
            if seq is None:
                return

    def follow(
        self, after: int | str = "", *, missed: Callable[[Record], None] = lambda _: None, **query: Any
    ) -> Iterator[Event]:
        """Give events as they happen, for ever: those after a number (``seq``), or from now on.

        A lost connection is made again after the last event that was seen (``Last-Event-ID``), so none is missed and
        none comes twice. A program that keeps the last ``seq`` goes on there after its own restart. Where events after
        it are not kept any more, ``missed`` is called with why (code ``events_missed``): read anew what you copy.
        """
        for event in self._http.follow(str(after), **query):
            if event.kind == "missed" and isinstance(event.data, dict):
                missed(cast("Record", event.data))
            if isinstance(event.data, dict) and "kind" in event.data:
                yield cast("Event", cast("Record", event.data))
