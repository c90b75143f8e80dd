"""Which instances read volumes that they share."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import replace

from sqlalchemy import ColumnElement, delete, insert, select

from zcloud.domain.storage import Reader, Volume
from zcloud.store import schema
from zcloud.store.mapping import Mapper
from zcloud.store.repository import Repository

_C = schema.volume_readers.c
_VOLUME = Mapper(Volume, schema.volumes)


class Readers(Repository):
    """One row for each instance that has a volume only to read it, beside others."""

    mapper = Mapper(Reader, schema.volume_readers)

    def add(self, reader: Reader) -> None:
        """Record that an instance reads a volume."""
        self._db.execute(insert(schema.volume_readers).values(self.mapper.to_row(reader)))

    def remove(self, volume_id: str, instance_id: str) -> None:
        """Forget that an instance reads a volume; absent is fine."""
        self._db.execute(delete(schema.volume_readers).where(_C.volume_id == volume_id, _C.instance_id == instance_id))

    def remove_instance(self, instance_id: str) -> None:
        """Forget all that an instance reads."""
        self._db.execute(delete(schema.volume_readers).where(_C.instance_id == instance_id))

    def of_volumes(self, ids: Collection[str]) -> dict[str, list[str]]:
        """Give the ids of the instances that read volumes, by volume; one without any is left out."""
        found: defaultdict[str, list[str]] = defaultdict(list)
        for each in self._read(_C.volume_id.in_(list(ids))) if ids else ():
            found[each.volume_id].append(each.instance_id)
        return dict(found)

    def of_volume(self, id: str) -> list[str]:
        """Give the ids of the instances that read a volume."""
        return self.of_volumes([id]).get(id, [])

    def for_instances(self, ids: Collection[str]) -> dict[str, list[Volume]]:
        """Give the volumes that instances share, each as the instance has it, by instance id."""
        joined = schema.volume_readers.join(schema.volumes, _C.volume_id == schema.volumes.c.id)
        reading = [column.label(f"of_{column.name}") for column in _C]
        query = select(*_VOLUME.columns, *reading).select_from(joined).where(_C.instance_id.in_(list(ids)))
        found: defaultdict[str, list[Volume]] = defaultdict(list)
        for row in self._db.execute(query.order_by(_C.slot)).mappings() if ids else ():
            plain = {column.name: row[f"of_{column.name}"] for column in _C}
            reader = self.mapper.to_record(plain)
            volume, instance_id = _VOLUME.to_record(row), reader.instance_id
            seen = replace(volume, instance_id=instance_id, slot=reader.slot, attachment=reader.attachment)
            found[instance_id].append(seen)
        return dict(found)

    def of_instance(self, id: str) -> list[Volume]:
        """Give the volumes that an instance shares, as it has them."""
        return self.for_instances([id]).get(id, [])

    def _read(self, *where: ColumnElement[bool]) -> list[Reader]:
        query = select(schema.volume_readers).where(*where).order_by(_C.volume_id, _C.instance_id)
        return [self.mapper.to_record(row) for row in self._db.execute(query).mappings()]
