"""The step journal as a run sees it: what was settled before, and the way to record what comes next."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from zcloud.domain.errors import ZcloudError, from_record

KEPT_RETRIES = 5


class Kind(StrEnum):
    """How an attempt ended. Only the first three settle it; after the others it is made again."""

    DONE = "done"
    FAILED = "failed"
    LEFT = "left"  # could not be undone
    WAITING = "waiting"
    BLOCKED = "blocked"
    SUPERSEDED = "superseded"


SETTLED = frozenset({Kind.DONE, Kind.FAILED, Kind.LEFT})


@dataclass(frozen=True, slots=True)
class Entry:
    """One attempt: ``at`` is ``do:STEP``, ``undo:STEP`` or ``stop:STEP`` (a cancel before that step)."""

    at: str
    kind: Kind
    problem: Mapping[str, Any] | None = None
    reason: str = ""
    wake_at: str = ""  # ISO 8601; waiting only
    blocked_on: str = ""

    @property
    def error(self) -> ZcloudError:
        """Give the error of what failed."""
        return from_record(self.problem or {})

    def encode(self) -> dict[str, Any]:
        """Give the entry as plain JSON values."""
        return asdict(self)


def decode(plain: Mapping[str, Any]) -> Entry:
    """Give the entry that ``encode`` described."""
    return Entry(**{**plain, "kind": Kind(plain["kind"])})


Recorder = Callable[[str, Callable[[], dict[str, Any]]], dict[str, Any]]


class Journal:
    """The entries of all earlier runs, and a recorder for the entries of this one."""

    def __init__(self, history: Sequence[Entry], recorder: Recorder) -> None:
        self._history = history
        self._settled = {entry.at: entry for entry in history if entry.kind in SETTLED}
        self._recorder = recorder

    def find(self, at: str) -> Entry | None:
        """Give the entry that settled an attempt, if there is one."""
        return self._settled.get(at)

    def record(self, at: str, attempt: Callable[[], Entry]) -> Entry:
        """Make an attempt and record how it ended before anything else happens."""
        entry = decode(self._recorder(at, lambda: attempt().encode()))
        if entry.kind in SETTLED:
            self._settled[at] = entry
        return entry

    def retries(self) -> int:
        """Say how often in a row the newest attempt found its host silent (at most ``KEPT_RETRIES``)."""
        count = 0
        for entry in reversed(self._history):
            if entry.kind is not Kind.BLOCKED:
                break
            count += 1
        return count


def compact(history: Sequence[Entry]) -> list[Entry]:
    """Give the entries that the next run needs: all settled ones and the newest silence."""
    settled = [entry for entry in history if entry.kind in SETTLED]
    tail: list[Entry] = []
    for entry in reversed(history):
        if entry.kind is not Kind.BLOCKED or len(tail) == KEPT_RETRIES:
            break
        tail.append(entry)
    return settled + tail
