"""Domains of hosts that are nobody's instance."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from sqlalchemy import ColumnElement, delete, func, select

from zcloud.domain.errors import NotFound
from zcloud.domain.foreign import OFF_STATES, ForeignDomain, Others
from zcloud.store import schema
from zcloud.store.mapping import Mapper
from zcloud.store.repository import Records

_F = schema.foreign_domains.c
_OTHERS = (
    select(_F.host_id, func.count(), func.sum(_F.vcpus), func.sum(_F.memory_mib))
    .where(_F.state.not_in(sorted(OFF_STATES)))
    .group_by(_F.host_id)
)


@dataclass(frozen=True, slots=True)
class ForeignFilter:
    """Which domains: those of one host."""

    host_id: str


class ForeignDomains(Records[ForeignDomain, ForeignFilter]):
    """Foreign domains, as the observer last saw them."""

    noun = "domain"
    mapper = Mapper(ForeignDomain, schema.foreign_domains)
    sorts = ("name", "state", "vcpus", "memory_mib", "seen_at")

    def find(self, host_id: str, name_or_uuid: str) -> ForeignDomain:
        """Give a host's domain of that uuid or else name; raises NotFound."""
        wanted = (_F.uuid == name_or_uuid) | (_F.name == name_or_uuid)
        found = self._all(_F.host_id == host_id, wanted)
        if not found:
            raise NotFound(
                f"There is no domain {name_or_uuid[:80]!r} on the host that is nobody's instance.",
                hint="See `zcloud host domains HOST`; a domain that was just defined is seen within seconds.",
            )
        return next((each for each in found if each.uuid == name_or_uuid), found[0])

    def on_host(self, host_id: str) -> dict[str, ForeignDomain]:
        """Give a host's domains by id."""
        return {each.id: each for each in self._all(_F.host_id == host_id)}

    def others(self) -> dict[str, Others]:
        """Give what running domains take of each host; a host without any is left out."""
        return {row[0]: Others(row[1], int(row[2]), int(row[3])) for row in self._db.execute(_OTHERS)}

    def put(self, host_id: str, seen: Iterable[ForeignDomain]) -> None:
        """Keep exactly these of a host; rows that are as they were are not written."""
        before, now = self.on_host(host_id), {each.id: each for each in seen}
        for id in before.keys() - now.keys():
            self.delete(id)
        for id, each in now.items():
            old = before.get(id)
            if old is None:
                self.add(each)
            elif replace(each, seen_at=old.seen_at) != old:
                self.delete(id)
                self.add(replace(each, seen_at=old.seen_at))

    def drop(self, host_id: str) -> None:
        """Forget all of a host."""
        self._db.execute(delete(self.table).where(_F.host_id == host_id))

    def _where(self, filter: ForeignFilter) -> list[ColumnElement[bool]]:
        return [_F.host_id == filter.host_id]
