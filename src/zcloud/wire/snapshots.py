"""Snapshots of instances."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from zcloud.wire.base import Name, Request


class SnapshotCreate(Request):
    """A snapshot of all disks of an instance."""

    name: Name


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot. ``depth`` and ``parent_id`` are its place in the tree; ``current``: the disks come from it now.

    ``quiesced``: the guest had written all that it had; else it is as after a loss of power. ``disks`` are the bytes of
    each volume then, by its id.
    """

    id: str
    name: str
    parent_id: str | None
    depth: int
    current: bool
    state: str
    quiesced: bool
    disks: Mapping[str, int]
    created_by: str
    created_at: datetime
