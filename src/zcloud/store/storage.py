"""Images, volumes, and samples of statistics."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, bindparam, delete, exists, or_, select, tuple_, update

from zcloud.domain.image import Image, ImageState
from zcloud.domain.storage import Volume
from zcloud.store import schema
from zcloud.store.mapping import Mapper
from zcloud.store.repository import Lockable, Repository, only

_I, _V, _S = schema.images.c, schema.volumes.c, schema.samples.c


@dataclass(frozen=True, slots=True)
class ImageFilter:
    """Which images; ``project_ids`` also gives those for everybody."""

    project_ids: Collection[str] | None = None
    state: ImageState | None = None
    digest: str | None = None
    os_id: str | None = None
    format: str | None = None


class Images(Lockable[Image, ImageFilter]):
    """Images. A name may be there several times; the newest ready one is meant."""

    noun = "image"
    mapper = Mapper(Image, schema.images)
    sorts = ("name", "created_at", "size")

    def find(self, name: str, project_id: str | None = None) -> Image | None:
        """Give the newest image of that name that a project may use (None: any), ready ones first, or None."""
        where = self._where(ImageFilter(only(project_id)))
        return self._first(_I.name == name, *where, order=_NEWEST)

    def resolve(self, name_or_id: str, project_id: str | None = None) -> Image:
        """Give the image of that id, or else what ``find`` gives; raises NotFound."""
        return self._resolve(name_or_id, *self._where(ImageFilter(only(project_id))), order=_NEWEST)

    def with_digest(self, digest: str) -> list[Image]:
        """Give the images that share a file."""
        return self._all(_I.digest == digest)

    def _where(self, filter: ImageFilter) -> list[ColumnElement[bool]]:
        where: list[ColumnElement[bool]] = []
        if filter.project_ids is not None:
            where.append(or_(_I.project_id.in_(list(filter.project_ids)), _I.project_id.is_(None)))
        if filter.state is not None:
            where.append(_I.state == filter.state.value)
        if filter.digest is not None:
            where.append(_I.digest == filter.digest)
        if filter.os_id is not None:
            where.append(_I.os_id == filter.os_id)
        if filter.format is not None:
            where.append(_I.format == filter.format)
        return where


_NEWEST = [(_I.state != ImageState.READY.value), _I.created_at.desc()]


@dataclass(frozen=True, slots=True)
class VolumeFilter:
    """Which volumes; None is all. ``free``: only those that no instance has, and none reads."""

    project_ids: Collection[str] | None = None
    pool_id: str | None = None
    instance_id: str | None = None
    image_id: str | None = None
    free: bool = False


_OF_INSTANCES = (
    select(*Mapper(Volume, schema.volumes).columns)
    .where(_V.instance_id.in_(bindparam("ids", expanding=True)))
    .order_by(_V.slot, _V.id)
)


class Volumes(Lockable[Volume, VolumeFilter]):
    """Volumes."""

    noun = "volume"
    mapper = Mapper(Volume, schema.volumes)
    sorts = ("name", "created_at", "size")

    def find(self, name: str, project_id: str | None = None) -> Volume | None:
        """Give the volume of that name in a project (None: in any), or None."""
        return self._first(_V.name == name, *self._where(VolumeFilter(only(project_id))))

    def resolve(self, name_or_id: str, project_id: str | None = None) -> Volume:
        """Give the volume of that id or else name in a project (None: in any); raises NotFound."""
        return self._resolve(name_or_id, *self._where(VolumeFilter(only(project_id))), order=[_V.created_at])

    def for_instances(self, ids: Collection[str]) -> dict[str, list[Volume]]:
        """Give the volumes of instances by instance id, in the order of their slots, in one query."""
        found: defaultdict[str, list[Volume]] = defaultdict(list)
        rows = self._db.execute(_OF_INSTANCES, {"ids": list(ids)}).mappings().all() if ids else ()
        for volume in self._records(rows):
            found[str(volume.instance_id)].append(volume)
        return dict(found)

    def of_instance(self, id: str) -> list[Volume]:
        """Give the volumes of one instance in the order of their slots."""
        return self.for_instances([id]).get(id, [])

    def note_allocation(self, pool_id: str, allocated: Mapping[str, int]) -> None:
        """Record what the volumes of a pool take, by volume id; unknown ones are left out, revisions stay."""
        known = self._db.execute(select(_V.id, _V.allocated).where(_V.pool_id == pool_id)).all()
        changed = [
            {"b_id": id, "b_allocated": allocated[id]} for id, before in known if allocated.get(id, before) != before
        ]
        if changed:
            noted = update(self.table).where(_V.id == bindparam("b_id")).values(allocated=bindparam("b_allocated"))
            self._db.execute(noted, changed)

    def in_pool(self, pool_id: str) -> list[Volume]:
        """Give the volumes of a pool."""
        return self._all(_V.pool_id == pool_id)

    def over(self, ids: Collection[str]) -> list[Volume]:
        """Give the volumes of linked clones that lie over any of these volumes."""
        return self._all(_V.parent_id.in_(list(ids)))

    def _where(self, filter: VolumeFilter) -> list[ColumnElement[bool]]:
        plain = {_V[name]: getattr(filter, name) for name in ("pool_id", "instance_id", "image_id")}
        where: list[ColumnElement[bool]] = [column == wanted for column, wanted in plain.items() if wanted is not None]
        if filter.project_ids is not None:
            where.append(_V.project_id.in_(list(filter.project_ids)))
        if filter.free:
            readers = schema.volume_readers.c.volume_id
            where += [_V.instance_id.is_(None), ~exists().where(readers == _V.id)]
        return where


class Samples(Repository):
    """Statistics: one compressed blob per host and tick."""

    def add(self, host_id: str, time: datetime, blob: bytes) -> None:
        """Keep a tick, in place of one of the same time."""
        statement = self._scope.insert(schema.samples).values(host_id=host_id, time=time, blob=blob)
        self._db.execute(statement.on_conflict_do_update(index_elements=["host_id", "time"], set_={"blob": blob}))

    def range(self, host_id: str, since: datetime, until: datetime) -> list[tuple[datetime, bytes]]:
        """Give the ticks from ``since`` to before ``until``, oldest first."""
        within = [_S.host_id == host_id, _S.time >= since, _S.time < until]
        rows = self._db.execute(select(_S.time, _S.blob).where(*within).order_by(_S.time))
        return [(time, bytes(blob)) for time, blob in rows]

    def times(self, host_id: str, since: datetime) -> list[datetime]:
        """Give when ticks were taken, from ``since`` on, oldest first."""
        within = [_S.host_id == host_id, _S.time >= since]
        return list(self._db.execute(select(_S.time).where(*within).order_by(_S.time)).scalars())

    def at(self, host_id: str, times: Collection[datetime]) -> list[tuple[datetime, bytes]]:
        """Give the ticks of certain times, oldest first."""
        those = [_S.host_id == host_id, _S.time.in_(list(times))]
        rows = self._db.execute(select(_S.time, _S.blob).where(*those).order_by(_S.time))
        return [(time, bytes(blob)) for time, blob in rows]

    def latest(self, host_id: str, since: datetime) -> bytes | None:
        """Give a host's last tick, where it is not older than ``since``."""
        newest = select(_S.blob).where(_S.host_id == host_id, _S.time >= since).order_by(_S.time.desc()).limit(1)
        blob = self._db.execute(newest).scalar()
        return None if blob is None else bytes(blob)

    def prune(self, before: datetime, limit: int = 1000) -> int:
        """Remove at most ``limit`` older ticks and give how many."""
        old = select(_S.host_id, _S.time).where(_S.time < before).limit(limit)
        return self._db.execute(delete(schema.samples).where(tuple_(_S.host_id, _S.time).in_(old))).rowcount
