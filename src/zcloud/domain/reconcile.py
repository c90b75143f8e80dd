"""The reconcile mode of a restored server: what it is, and how records and hosts differ. Plain records only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

KEY = "reconcile.mode"  # the setting that says that the mode lasts
PENDING = "reconcile.pending"  # hosts that did not answer before its end: looked at so once, when they are back


class DifferenceKind(StrEnum):
    """How a host differs from the records."""

    CHANGED = "changed"  # an instance is in another state than recorded
    MISSING = "missing"  # recorded, and not on its host any more: deleted after the backup
    ORPHAN = "orphan"  # on a host, and not recorded: made after the backup
    FENCED = "fenced"  # numbers or addresses were moved past what is in use


@dataclass(frozen=True, slots=True, order=True)
class Difference:
    """One difference: what it is about, what is recorded, what was found, and what becomes of it at the end."""

    kind: DifferenceKind
    resource_kind: str
    resource_id: str
    resource_name: str
    host: str
    recorded: str
    found: str
    becomes: str

    def to_json(self) -> dict[str, str]:
        """Give it as plain values."""
        return {key: str(value) for key, value in asdict(self).items()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Difference:
        """Take it from plain values."""
        return cls(**{**values, "kind": DifferenceKind(values["kind"])})


@dataclass(frozen=True, slots=True)
class Mode:
    """What is known of the restore. Times are ISO 8601; ``lost_events`` lie between two numbers."""

    id: str
    taken_at: str
    restored_at: str
    operations: Sequence[str]  # that were unfinished and are not run again
    lost_events: Sequence[int]

    def to_json(self) -> dict[str, Any]:
        """Give it as plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Mode:
        """Take it from plain values."""
        return cls(**values)


@dataclass(frozen=True, slots=True)
class LostEvents:
    """Numbers of events that were given out after a backup and are not known any more: those between the two."""

    after: int
    before: int

    def to_json(self) -> list[int]:
        """Give it as plain values."""
        return [self.after, self.before]


def report_key(host_id: str) -> str:
    """Give the setting under which a host's differences are kept."""
    return f"reconcile.host.{host_id}"
