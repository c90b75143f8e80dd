"""Snapshots of an instance: its disks, its UEFI variables, and perhaps its memory, as they were at one moment. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

MAX_SNAPSHOTS = 32
"""Of one instance."""


class SnapshotState(StrEnum):
    """Where a snapshot is in its life."""

    CREATING = "creating"
    READY = "ready"
    ERROR = "error"  # half-removed: it can only be deleted


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The record of a snapshot; ``parent_id`` is the one that the disks came from, None the first ones.

    ``disks`` are the sizes of its volumes then, in bytes by volume id. ``quiesced``: the guest had written all that it
    had; else it is as after a loss of power. ``schedule_id``: the schedule that made it, also when it is gone.
    ``memory`` is what is known of the file of its memory: its ``bytes``, what the run was that it ``fits``, and whether
    the guest was ``ready``; empty: the snapshot has disks only.
    """

    id: str
    instance_id: str
    name: str
    parent_id: str | None
    state: SnapshotState
    quiesced: bool
    created_by: str
    created_at: datetime
    disks: Mapping[str, int] = field(default_factory=dict)
    schedule_id: str | None = None
    memory: Mapping[str, Any] = field(default_factory=dict)

    @property
    def memory_bytes(self) -> int:
        """Give what the file of its memory takes of its pool; 0: there is none."""
        return int(self.memory.get("bytes", 0))


def as_tree(snapshots: Sequence[Snapshot]) -> list[tuple[int, Snapshot]]:
    """Give snapshots as one reads a tree, each with its depth: children below their parent, the older first."""
    known = {each.id for each in snapshots}
    ordered = sorted(snapshots, key=lambda each: (each.created_at, each.id))

    def below(parent: str | None, depth: int) -> list[tuple[int, Snapshot]]:
        found: list[tuple[int, Snapshot]] = []
        for each in ordered:
            root = parent is None and each.parent_id not in known
            if root or (parent is not None and each.parent_id == parent):
                found += [(depth, each), *below(each.id, depth + 1)]
        return found

    return below(None, 0)
