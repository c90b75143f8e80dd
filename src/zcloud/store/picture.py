"""What is shown of all instances at once, added up where the rows are."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, case, func, select

from zcloud.domain.instance import TEMPLATE, InstanceStatus
from zcloud.store import schema
from zcloud.store.repository import Repository

_I, _P = schema.instances.c, schema.ports.c
_CALM = [InstanceStatus.RUNNING.value, InstanceStatus.STOPPED.value, InstanceStatus.PAUSED.value]
_TEMPLATES = and_(_I.status == InstanceStatus.STOPPED.value, _I.hardware[TEMPLATE].as_boolean().is_(True))
_SHOWN = case((_TEMPLATES, TEMPLATE), else_=_I.status).label("shown")  # as ``domain.instance.shown_status``
_RANK = case((_I.status.in_(_CALM), 1), else_=0)


class StatusCount(NamedTuple):
    """How many instances of a host are in a state, as it is shown."""

    host_id: str
    status: str
    amount: int


class Cell(NamedTuple):
    """As much of an instance as a mark on a map shows."""

    id: str
    name: str
    status: str  # as it is shown
    host_id: str


class PortCount(NamedTuple):
    """How many ports with an address a network has on a host."""

    network_id: str
    host_id: str
    amount: int


class Pictures(Repository):
    """Sums over instances; ``project_ids`` leaves out other projects' (None: all)."""

    def counts(self, project_ids: Collection[str] | None) -> list[StatusCount]:
        """Give how many instances each host has in each state; those in the trash are left out."""
        query = select(_I.host_id, _SHOWN, func.count()).where(*_visible(project_ids))
        return [StatusCount(*row) for row in self._db.execute(query.group_by(_I.host_id, "shown"))]

    def cells(self, project_ids: Collection[str] | None, per_host: int) -> list[Cell]:
        """Give at most so many instances of each host by name, those first with which something is the matter."""
        place = func.row_number().over(partition_by=_I.host_id, order_by=(_RANK, _I.name, _I.id)).label("place")
        columns = (_I.id, _I.name, _SHOWN, _I.host_id, _RANK.label("rank"), place)
        ranked = select(*columns).where(*_visible(project_ids)).subquery()
        shown = select(ranked).where(ranked.c.place <= per_host).order_by(ranked.c.name, ranked.c.id)
        return [Cell(*row[:4]) for row in self._db.execute(shown)]

    def ports(self) -> list[PortCount]:
        """Give how many ports each network has on each host."""
        joined = schema.ports.join(schema.instances, and_(_P.instance_id == _I.id))
        query = select(_P.network_id, _I.host_id, func.count()).select_from(joined)
        rows = self._db.execute(query.group_by(_P.network_id, _I.host_id))
        return [PortCount(network, host, count) for network, host, count in rows]


def _visible(project_ids: Collection[str] | None) -> list[ColumnElement[bool]]:
    there: Any = _I.status != InstanceStatus.TRASHED.value
    return [there] if project_ids is None else [there, _I.project_id.in_(list(project_ids))]
