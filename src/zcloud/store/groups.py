"""Groups and their members."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from sqlalchemy import ColumnElement, delete, select

from zcloud.domain.group import Group, Member
from zcloud.store import schema
from zcloud.store.errors import plain_words
from zcloud.store.mapping import Mapper
from zcloud.store.repository import Lockable, only

_G, _M = schema.groups.c, schema.group_members.c


@dataclass(frozen=True, slots=True)
class GroupFilter:
    """Which groups; None is all."""

    project_ids: Collection[str] | None = None


class Groups(Lockable[Group, GroupFilter]):
    """Groups, each with its members."""

    noun = "group"
    mapper = Mapper(Group, schema.groups)
    members_mapper = Mapper(Member, schema.group_members)

    def find(self, name: str, project_id: str | None = None) -> Group | None:
        """Give the group of that name in the project (None: in any), or None."""
        return self._first(_G.name == name, *self._where(GroupFilter(only(project_id))))

    def resolve(self, name_or_id: str, project_id: str | None = None) -> Group:
        """Give the group of that id or else name in a project (None: in any); raises NotFound."""
        return self._resolve(name_or_id, *self._where(GroupFilter(only(project_id))), order=[_G.created_at])

    def members(self, group_ids: Iterable[str]) -> list[Member]:
        """Give the members of groups, in their order."""
        return self._members(_M.group_id.in_(list(group_ids)))

    def members_of(self, instance_ids: Iterable[str]) -> dict[str, Member]:
        """Give the places of instances that are in a group, by the instance's id."""
        return {each.instance_id: each for each in self._members(_M.instance_id.in_(list(instance_ids)))}

    def put(self, member: Member) -> None:
        """Give an instance its place, another one than before perhaps; raises NotFound."""
        row = self.members_mapper.to_row(member)
        names = tuple(name for name in row if name != "instance_id")
        with plain_words("member", member.instance_id):
            self._db.execute(self._scope.upsert(schema.group_members, ("instance_id",), names), row)

    def take_out(self, instance_id: str) -> None:
        """Take an instance out of its group; one that is in none is fine."""
        self._db.execute(delete(schema.group_members).where(_M.instance_id == instance_id))

    def delete(self, id: str) -> None:
        """Remove a group; its instances stay. Raises NotFound."""
        self._db.execute(delete(schema.group_members).where(_M.group_id == id))
        super().delete(id)

    def _members(self, *where: ColumnElement[bool]) -> list[Member]:
        query = select(schema.group_members).where(*where).order_by(_M.group_id, _M.order, _M.instance_id)
        return [self.members_mapper.to_record(row) for row in self._db.execute(query).mappings()]

    def _where(self, filter: GroupFilter) -> list[ColumnElement[bool]]:
        if filter.project_ids is None:
            return []
        return [_G.project_id.in_(sorted(filter.project_ids))]
