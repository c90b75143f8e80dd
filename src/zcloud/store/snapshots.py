"""Snapshots of instances."""

from __future__ import annotations

from sqlalchemy import update

from zcloud.domain.snapshot import Snapshot
from zcloud.store import schema
from zcloud.store.mapping import Mapper
from zcloud.store.repository import Records

_C = schema.snapshots.c


class Snapshots(Records[Snapshot, None]):
    """Snapshots, each of one instance."""

    noun = "snapshot"
    mapper = Mapper(Snapshot, schema.snapshots)

    def of_instance(self, instance_id: str) -> list[Snapshot]:
        """Give the snapshots of an instance, the oldest first."""
        return self._all(_C.instance_id == instance_id, order=[_C.created_at, _C.id])

    def of_schedule(self, schedule_id: str) -> list[Snapshot]:
        """Give the snapshots that a schedule made, the oldest first."""
        return self._all(_C.schedule_id == schedule_id, order=[_C.created_at, _C.id])

    def skip(self, snapshot: Snapshot) -> None:
        """Make the children of a snapshot those of its parent."""
        children = update(self.table).where(_C.parent_id == snapshot.id)
        self._db.execute(children.values(parent_id=snapshot.parent_id))
