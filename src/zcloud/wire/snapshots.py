"""Snapshots of instances."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from zcloud.wire.base import Count, Line, Name, OptionalRef, Request


class SnapshotCreate(Request):
    """A snapshot of all disks of an instance; with ``memory``, of what its guest has in memory, too: it has to run."""

    name: Name
    memory: bool = False


class SnapshotRevert(Request):
    """Going back. ``disks_only``: to the disks alone of a snapshot with memory; the guest boots from them."""

    disks_only: bool = False


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot. ``depth`` and ``parent_id`` are its place in the tree; ``current``: the disks come from it now.

    ``quiesced``: the guest had written all that it had; else it is as after a loss of power. ``disks`` are the bytes of
    each volume then, by its id. ``memory`` are the bytes that the guest's memory takes; 0: it has disks only.
    """

    id: str
    name: str
    parent_id: str | None
    depth: int
    current: bool
    state: str
    quiesced: bool
    disks: Mapping[str, int]
    memory: int
    created_by: str
    created_at: datetime


class ScheduleCreate(Request):
    """A schedule of an ``instance``, or of those of a project that have a ``tag``; without a name it gets one.

    Every ``every_h`` hours, or daily ``at`` HH:MM in UTC; the newest ``keep`` of its snapshots of an instance stay.
    """

    name: OptionalRef = ""
    project: OptionalRef = ""
    instance: OptionalRef = ""
    tag: Line = ""
    every_h: Count = 0
    at: Line = ""
    keep: Count = 7


class ScheduleChange(Request):
    """What is to be changed of a schedule; what is not given stays. ``every_h`` and ``at`` replace each other."""

    every_h: Count = 0
    at: Line = ""
    keep: Count = 7


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule. ``skipped`` has the error code of why an instance's last one could not be taken, by its id."""

    id: str
    name: str
    project_id: str
    instance_id: str | None
    tag: str
    every_h: int
    at: str
    keep: int
    due_at: datetime
    last_at: datetime | None
    skipped: Mapping[str, str]
    created_by: str
    created_at: datetime
