"""Instances, their tags, and flavors."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, bindparam, delete, or_, select, update
from sqlalchemy.engine import RowMapping

from zcloud.domain.addresses import shown_address
from zcloud.domain.errors import WrongState
from zcloud.domain.instance import TRASH_MARK, Flavor, Instance, InstanceBrief, InstanceStatus, Ready
from zcloud.store import schema
from zcloud.store.mapping import Mapper
from zcloud.store.repository import Lockable, Named, Records, only

_C, _T = schema.instances.c, schema.instance_tags.c
_TAGS = select(_T.instance_id, _T.tag).where(_T.instance_id.in_(bindparam("ids", expanding=True))).order_by(_T.tag)
_ADDRESSES = (  # of several the one with the lowest slot comes last, and stays
    select(schema.ports.c.instance_id, schema.ports.c.address)
    .where(schema.ports.c.instance_id.in_(bindparam("ids", expanding=True)), schema.ports.c.address != "")
    .order_by(schema.ports.c.slot.desc())
)
_OBSERVED = select(_C.id, _C.observed).where(_C.id.in_(bindparam("ids", expanding=True)))
_POWERS = select(_C.id, _C.status, _C.operation_id, _C.updated_at).where(_C.host_id == bindparam("host_id"))
_BEGIN = (
    update(schema.instances)
    .where(
        _C.id == bindparam("the_key"),
        _C.incarnation.in_((bindparam("before"), bindparam("number"))),
        _C.host_id == bindparam("the_host"),
    )
    .values(incarnation=bindparam("number"))
)


class Flavors(Named[Flavor, None]):
    """Named sizes; the name is the key."""

    noun = "flavor"
    mapper = Mapper(Flavor, schema.flavors)
    sorts = ("name", "vcpus", "memory_mib")


@dataclass(frozen=True, slots=True)
class InstanceFilter:
    """Which instances; None and empty are all.

    ``tags``: those that have every one of them; ``inserted_id``: those with this image in a CD drive; ``search``: part
    of the name, or a whole id or address. ``trashed``: those in the trash, and only those; their names have a mark
    that no other name has.
    """

    project_ids: Collection[str] | None = None
    status: Collection[InstanceStatus] = ()
    tags: Collection[str] = ()
    host_id: str | None = None
    image_id: str | None = None
    inserted_id: str | None = None
    search: str = ""
    trashed: bool = False
    template: bool | None = None


class PowerRow(NamedTuple):
    """As much of an instance as it takes to see that nothing has changed."""

    id: str
    status: InstanceStatus
    operation_id: str | None
    updated_at: datetime


class GaugeRow(NamedTuple):
    """As much of an instance as is shown of thousands at once."""

    id: str
    name: str
    project_id: str
    host_id: str
    status: InstanceStatus
    ready: Ready


class Instances(Lockable[Instance, InstanceFilter]):
    """Instances."""

    noun = "instance"
    mapper = Mapper(Instance, schema.instances)
    sorts = ("name", "created_at", "status", "updated_at", "memory_mib", "vcpus")

    def add(self, record: Instance) -> Instance:
        """Add an instance with its tags; raises AlreadyExists, NotFound."""
        super().add(record)
        self._add_tags(record.id, record.tags)
        return record

    def update(
        self,
        id: str,
        *,
        expect_revision: int | None = None,
        bump: bool = False,
        tags: Sequence[str] | None = None,
        **changes: Any,
    ) -> Instance:
        """Change fields, or all tags at once, and give the new record; raises as for every noun."""
        if tags is not None:
            self._db.execute(delete(schema.instance_tags).where(schema.instance_tags.c.instance_id == id))
            self._add_tags(id, tags)
        return super().update(id, expect_revision=expect_revision, bump=bump, **changes)

    def delete(self, id: str) -> None:
        """Remove an instance, its tags, snapshots and place in a group; raises NotFound, InUse (ports, volumes)."""
        self._db.execute(delete(schema.instance_tags).where(schema.instance_tags.c.instance_id == id))
        for table in (schema.group_members, schema.snapshots):
            self._db.execute(delete(table).where(table.c.instance_id == id))
        super().delete(id)

    def find(self, name: str, project_id: str | None = None) -> Instance | None:
        """Give the instance of that name in a project (None: in any), or None."""
        return self._first(_C.name == name, *self._where(InstanceFilter(only(project_id))))

    def resolve(self, name_or_id: str, project_id: str | None = None) -> Instance:
        """Give the instance of that id or else name in a project (None: in any); raises NotFound."""
        return self._resolve(name_or_id, *self._where(InstanceFilter(only(project_id))), order=[_C.created_at])

    def begin_incarnation(self, id: str, number: int, host_id: str) -> None:
        """Count a start of the instance on its host: its run ``number`` begins, or has begun already.

        Compares and swaps (instance, host, incarnation): raises NotFound, WrongState (it runs elsewhere, or
        another start came first).
        """
        same = {"the_key": id, "before": number - 1, "number": number, "the_host": host_id}
        if not self._db.execute(_BEGIN, same).rowcount:
            record = self.get(id)
            raise WrongState(
                f"Run {number} of the instance {record.name!r} cannot begin: it is in run {record.incarnation}.",
                hint="Look at the instance again; another start came first.",
            )

    def raise_incarnation(self, id: str, number: int) -> bool:
        """Count on from the run that the domain is in, where the record is behind it; False where it is not."""
        behind = [_C.id == id, _C.incarnation < number]
        return bool(self._db.execute(update(self.table).where(*behind).values(incarnation=number)).rowcount)

    def waiting(self) -> list[Instance]:
        """Give the instances whose guest has not said yet that it is ready."""
        return self._by({"ready": Ready.WAITING.value})

    def gone_down(self) -> list[tuple[str, str]]:
        """Give the hosts with instances that went down with them, and with which boot."""
        columns = (_C.host_id, _C.down_with)
        rows = self._db.execute(select(*columns).where(_C.down_with != "").distinct())
        return [(host_id, boot_id) for host_id, boot_id in rows]

    def to_thaw(self) -> list[Instance]:
        """Give the instances whose file systems have been frozen for as long as was asked for."""
        return self._all(_C.frozen_until <= self._scope.now)

    def on_host(self, host_id: str) -> list[Instance]:
        """Give the instances of a host by name."""
        return self._all(_C.host_id == host_id, order=[_C.name, _C.id])

    def powers(self, host_id: str) -> list[PowerRow]:
        """Give the statuses of a host's instances: cheap for thousands of them."""
        rows = self._db.execute(_POWERS, {"host_id": host_id})
        return [PowerRow(id, InstanceStatus(status), holder, changed) for id, status, holder, changed in rows]

    def gauges(self) -> list[GaugeRow]:
        """Give what is shown of all instances at once, by project and name: cheap for thousands of them."""
        columns = (_C.id, _C.name, _C.project_id, _C.host_id, _C.status, _C.ready)
        rows = self._db.execute(select(*columns).order_by(_C.project_id, _C.name))
        statuses, readies = ({str(each): each for each in kind} for kind in (InstanceStatus, Ready))
        return [
            GaugeRow(id, name, project, host, statuses[status], readies[ready])  # type: ignore[arg-type]
            for id, name, project, host, status, ready in rows
        ]

    def _where(self, filter: InstanceFilter) -> list[ColumnElement[bool]]:
        return _conditions(filter)

    def _records(self, rows: Sequence[RowMapping]) -> list[Instance]:
        tags: defaultdict[str, list[str]] = defaultdict(list)
        for instance_id, tag in self._db.execute(_TAGS, {"ids": [row["id"] for row in rows]}) if rows else ():
            tags[instance_id].append(tag)
        return [self.mapper.to_record(row, tags=tuple(tags[row["id"]])) for row in rows]

    def _add_tags(self, id: str, tags: Iterable[str]) -> None:
        rows = [{"instance_id": id, "tag": tag} for tag in sorted(set(tags))]
        if rows:
            self._db.execute(schema.instance_tags.insert(), rows)


class InstanceBriefs(Records[InstanceBrief, InstanceFilter]):
    """Instances as tables show them."""

    noun = "instance"
    mapper = Mapper(InstanceBrief, schema.instances)
    sorts = Instances.sorts

    def _where(self, filter: InstanceFilter) -> list[ColumnElement[bool]]:
        return _conditions(filter)

    def _records(self, rows: Sequence[RowMapping]) -> list[InstanceBrief]:
        ids = [row["id"] for row in rows]
        found = self._db.execute(_ADDRESSES, {"ids": ids}).all() if ids else ()
        addresses = {row[0]: str(row[1]) for row in found}
        others = [id for id in ids if id not in addresses]
        for id, observed in self._db.execute(_OBSERVED, {"ids": others}) if others else ():
            addresses[id] = shown_address((), observed)
        return [self.mapper.to_record(row, address=addresses.get(row["id"], "")) for row in rows]


def _conditions(filter: InstanceFilter) -> list[ColumnElement[bool]]:
    tags, ports, where = schema.instance_tags.c, schema.ports.c, list[ColumnElement[bool]]()
    where.append(_C.name.contains(TRASH_MARK) if filter.trashed else _C.name.not_like(f"%{TRASH_MARK}%"))
    if filter.project_ids is not None:
        where.append(_C.project_id.in_(list(filter.project_ids)))
    if filter.status:
        where.append(_C.status.in_([str(each) for each in filter.status]))
    for tag in filter.tags:
        where.append(_C.id.in_(select(tags.instance_id).where(tags.tag == tag)))
    if filter.host_id is not None:
        where.append(_C.host_id == filter.host_id)
    if filter.image_id is not None:
        where.append(_C.image_id == filter.image_id)
    if filter.inserted_id is not None:
        where.append(or_(_C.driver_image_id == filter.inserted_id, _C.cd_image_id == filter.inserted_id))
    if filter.template is not None:
        marked = _C.hardware["template"].as_boolean()
        where.append(marked.is_(True) if filter.template else marked.is_not(True))
    if filter.search:
        addressed = _C.id.in_(select(ports.instance_id).where(ports.address == filter.search))
        where.append(or_(_C.name.contains(filter.search, autoescape=True), _C.id == filter.search, addressed))
    return where
