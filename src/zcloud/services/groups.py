"""Groups: which instances are started together, in which order, and the operations that start and stop them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from zcloud.base.ids import new_id
from zcloud.domain.errors import Busy, InUse, InvalidInput, NotFound
from zcloud.domain.group import Group, Member, Otherwise, Stand, Until, stand, to_start, to_stop
from zcloud.domain.instance import Instance
from zcloud.domain.names import check_name
from zcloud.domain.operation import Operation
from zcloud.domain.people import Actor, Role
from zcloud.services.context import (
    Services,
    Subject,
    Window,
    authorize,
    begin,
    expect,
    resolve_project,
    visible_projects,
)
from zcloud.services.owned import check_deadline, find
from zcloud.store import GroupFilter, Page, Tx

MAX_MEMBERS = 200
MAX_ORDER, MAX_DELAY_S = 1000, 3600


@dataclass(frozen=True, slots=True)
class Place:
    """Where an instance stands in a group; see ``domain.group.Member``."""

    order: int
    until: Until = Until.STARTED
    delay_s: int = 0
    otherwise: Otherwise = Otherwise.STOP


@dataclass(frozen=True, slots=True)
class MemberView:
    """A member with its instance, and how it stands to those after it."""

    member: Member
    instance: Instance
    stand: Stand


@dataclass(frozen=True, slots=True)
class GroupView:
    """A group with its members in their order."""

    group: Group
    members: tuple[MemberView, ...]


class Groups:
    """The service behind ``zcloud group``."""

    def __init__(self, services: Services) -> None:
        self._store = services.store

    def page(self, actor: Actor, project: str, window: Window) -> Page[GroupView]:
        """List groups that the actor may see."""
        with self._store.read() as tx:
            visible = {resolve_project(tx, actor, project, Role.VIEWER).id} if project else visible_projects(actor)
            found = tx.groups.page(GroupFilter(visible), **window.arguments())
            views = _views(tx, found.items)
            return Page(tuple(views[each.id] for each in found.items), found.next_cursor, found.total)

    def show(self, actor: Actor, project: str, ref: str) -> GroupView:
        """Give one group by name or id; raises NotFound."""
        with self._store.read() as tx:
            return _view(tx, _find(tx, actor, project, ref, Role.VIEWER))

    def create(self, actor: Actor, project: str, name: str) -> GroupView:
        """Make an empty group; raises InvalidInput, AlreadyExists."""
        check_name(name)

        def work(tx: Tx) -> GroupView:
            owner = resolve_project(tx, actor, project, Role.MEMBER)
            return GroupView(tx.groups.add(Group(new_id(), name, owner.id, None, tx.now)), ())

        return self._store.transact(work)

    def rename(self, actor: Actor, project: str, ref: str, name: str, revision: int | None) -> GroupView:
        """Give a group another name; raises InvalidInput, AlreadyExists, RevisionMismatch."""
        check_name(name)

        def work(tx: Tx) -> GroupView:
            group = _find(tx, actor, project, ref)
            return _view(tx, tx.groups.update(group.id, expect_revision=revision, name=name, bump=True))

        return self._store.transact(work)

    def delete(self, actor: Actor, project: str, ref: str, revision: int | None) -> None:
        """Remove a group; its instances stay as they are. Raises Busy, RevisionMismatch."""

        def work(tx: Tx) -> None:
            group = _free(_find(tx, actor, project, ref))
            expect(group, revision)
            tx.groups.delete(group.id)

        self._store.transact(work)

    def put(self, actor: Actor, project: str, ref: str, instance: str, place: Place) -> GroupView:
        """Give an instance its place in a group. Raises InvalidInput, InUse (it is in another group), Busy."""
        _check_place(place)

        def work(tx: Tx) -> GroupView:
            group = _free(_find(tx, actor, project, ref))
            found = find(tx, actor, group.project_id, instance)
            if found.project_id != group.project_id:
                raise InvalidInput(f"{found.name} belongs to another project than the group.", field="instance")
            there = tx.groups.members_of([found.id]).get(found.id)
            if there is not None and there.group_id != group.id:
                other = tx.groups.get(there.group_id).name
                raise InUse(
                    f"The instance {found.name} is in the group {other}.",
                    hint=f"Take it out first: `zcloud group remove {other} {found.name}`.",
                )
            if there is None and len(tx.groups.members([group.id])) >= MAX_MEMBERS:
                raise InvalidInput(f"A group has {MAX_MEMBERS} instances at most.", field="instance")
            tx.groups.put(Member(found.id, group.id, place.order, place.until, place.delay_s, place.otherwise))
            return _view(tx, tx.groups.update(group.id, bump=True))

        return self._store.transact(work)

    def take_out(self, actor: Actor, project: str, ref: str, instance: str) -> GroupView:
        """Take an instance out of a group; it stays as it is. Raises NotFound (it is not in it), Busy."""

        def work(tx: Tx) -> GroupView:
            group = _free(_find(tx, actor, project, ref))
            found = find(tx, actor, group.project_id, instance)
            place = tx.groups.members_of([found.id]).get(found.id)
            if place is None or place.group_id != group.id:
                raise NotFound(f"The instance {found.name} is not in the group {group.name}.")
            tx.groups.take_out(found.id)
            return _view(tx, tx.groups.update(group.id, bump=True))

        return self._store.transact(work)

    def start(self, actor: Actor, project: str, ref: str) -> Operation:
        """Start a group's instances in their order, each when those before it are there. Raises Busy."""
        return self._begin(actor, project, ref, "start")

    def stop(self, actor: Actor, project: str, ref: str, *, force: bool = False, deadline_s: int = 90) -> Operation:
        """Stop a group's instances the other way round. Raises Busy, InvalidInput (the deadline, for each guest)."""
        check_deadline(deadline_s)
        return self._begin(actor, project, ref, "stop", force=force, deadline_s=deadline_s)

    def rehearse(self, actor: Actor, project: str, ref: str, verb: str) -> list[list[str]]:
        """Name those whom a start or stop would begin with, those after them, and so on; raises as the verb does."""
        with self._store.read() as tx:
            group = _free(_find(tx, actor, project, ref))
            members = _members(tx, group)
            instances = tx.instances.many([each.instance_id for each in members])
            asked = to_start(members, instances) if verb == "start" else to_stop(members, instances)
            return [sorted(instances[each.instance_id].name for each in wave) for wave in asked]

    def _begin(self, actor: Actor, project: str, ref: str, verb: str, **args: object) -> Operation:
        def work(tx: Tx) -> Operation:
            group = _find(tx, actor, project, ref)
            _members(tx, group)
            subject = Subject("group", group.id, group.name, group.project_id)
            operation = begin(tx, actor, verb, f"group_{verb}_v1", subject, **args)
            tx.groups.lock(group.id, operation.id)
            return operation

        return self._store.transact(work)


def _find(tx: Tx, actor: Actor, project: str, ref: str, needed: Role = Role.MEMBER) -> Group:
    """Give the group of that name in the project, or of that id; raises NotFound, Forbidden."""
    by_id = tx.groups.many([ref]).get(ref)
    if by_id is not None:
        authorize(actor, by_id.project_id, needed, f"The group {ref!r}")
        return by_id
    return tx.groups.resolve(ref, resolve_project(tx, actor, project, needed).id)


def _members(tx: Tx, group: Group) -> list[Member]:
    """Give a group's members; raises InvalidInput where it has none."""
    members = tx.groups.members([group.id])
    if not members:
        raise InvalidInput(
            f"The group {group.name} is empty.", hint=f"Add an instance: `zcloud group add {group.name} NAME`."
        )
    return members


def _free(group: Group) -> Group:
    """Go on only where no operation goes through the group; raises Busy."""
    if group.operation_id is not None:
        raise Busy(f"An operation works on the group {group.name!r}.", operation=group.operation_id, noun="group")
    return group


def _check_place(place: Place) -> None:
    if not 0 <= place.order <= MAX_ORDER:
        raise InvalidInput(f"The order must be 0 to {MAX_ORDER}.", field="order")
    if not 0 <= place.delay_s <= MAX_DELAY_S:
        raise InvalidInput(f"The delay must be 0 to {MAX_DELAY_S} seconds.", field="delay_s")


def _view(tx: Tx, group: Group) -> GroupView:
    return _views(tx, [group])[group.id]


def _views(tx: Tx, groups: Sequence[Group]) -> dict[str, GroupView]:
    """Give views by group id, in a few queries for all."""
    members = tx.groups.members([each.id for each in groups])
    instances = tx.instances.many([each.instance_id for each in members])
    seen = []
    for member in members:
        instance = instances[member.instance_id]
        seen.append(MemberView(member, instance, stand(member, instance, tx.now)))
    return {
        group.id: GroupView(group, tuple(each for each in seen if each.member.group_id == group.id)) for group in groups
    }
