"""Schedules of snapshots."""

from __future__ import annotations

from zcloud.domain.schedule import SnapshotSchedule
from zcloud.store import schema
from zcloud.store.mapping import Mapper
from zcloud.store.repository import Records

_C = schema.snapshot_schedules.c


class Schedules(Records[SnapshotSchedule, None]):
    """Schedules, each of a project."""

    noun = "schedule"
    mapper = Mapper(SnapshotSchedule, schema.snapshot_schedules)

    def of_project(self, project_id: str) -> list[SnapshotSchedule]:
        """Give the schedules of a project, by name."""
        return self._all(_C.project_id == project_id, order=[_C.name])
