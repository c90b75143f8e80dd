"""Groups of instances."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Body, Query
from starlette.responses import Response

from zcloud.api.answers import accepted, answer, created, nothing, one, paged
from zcloud.api.params import Part, Project, RefPath, routes
from zcloud.api.parts import Call, Calling
from zcloud.domain.group import Otherwise, Until
from zcloud.services.groups import GroupView, MemberView, Place
from zcloud.wire.base import Listing
from zcloud.wire.groups import Group, GroupChange, GroupCreate, GroupMember, GroupPlace, GroupPlan, GroupStop
from zcloud.wire.operations import Accepted

router = routes("groups")
Stopping = Annotated[GroupStop, Body()]
DryRun = Annotated[bool, Query(description="Only say who would be started or stopped, and when.")]
_PLANNED: dict[int | str, dict[str, Any]] = {
    200: {"model": GroupPlan, "description": "With dry_run: who would go, in the order of time."}
}
_GENTLY = GroupStop()  # what a request without a body asks for


@router.get("/groups", response_model=Listing[Group])
def list_groups(call: Calling, part: Part, project: Project = "") -> Response:
    """List the groups that the caller may see."""
    return paged(Group, call.parts.groups.page(call.actor, project, part), _show)


@router.post("/groups", status_code=201, response_model=Group)
def create_group(call: Calling, body: GroupCreate) -> Response:
    """Make a group."""
    made = _show(call.parts.groups.create(call.actor, body.project, body.name))
    return created(call, Group, made, f"/v1/groups/{made.id}")


@router.get("/groups/{ref}", response_model=Group)
def show_group(call: Calling, ref: RefPath, project: Project = "") -> Response:
    """Show a group and how its members stand."""
    return one(Group, _show(call.parts.groups.show(call.actor, project, ref)))


@router.patch("/groups/{ref}", response_model=Group)
def change_group(call: Calling, ref: RefPath, body: GroupChange, project: Project = "") -> Response:
    """Give a group another name."""
    return one(Group, _show(call.parts.groups.rename(call.actor, project, ref, body.name, call.revision)))


@router.delete("/groups/{ref}", status_code=204)
def delete_group(call: Calling, ref: RefPath, project: Project = "") -> Response:
    """Remove a group; its instances stay as they are."""
    call.parts.groups.delete(call.actor, project, ref, call.revision)
    return nothing()


@router.put("/groups/{ref}/members/{instance}", response_model=Group)
def put_member(call: Calling, ref: RefPath, instance: RefPath, body: GroupPlace, project: Project = "") -> Response:
    """Give an instance its place in a group, or another one."""
    place = Place(body.order, Until(body.until), body.delay_s, Otherwise(body.otherwise))
    return one(Group, _show(call.parts.groups.put(call.actor, project, ref, instance, place)))


@router.delete("/groups/{ref}/members/{instance}", response_model=Group)
def take_out_member(call: Calling, ref: RefPath, instance: RefPath, project: Project = "") -> Response:
    """Take an instance out of a group; it stays as it is."""
    return one(Group, _show(call.parts.groups.take_out(call.actor, project, ref, instance)))


@router.post("/groups/{ref}/start", status_code=202, response_model=Accepted, responses=_PLANNED)
def start_group(call: Calling, ref: RefPath, project: Project = "", dry_run: DryRun = False) -> Response:
    """Start a group's instances in their order, each when those before it are there."""
    if dry_run:
        return _plan(call, project, ref, "start")
    return accepted(call, call.parts.groups.start(call.actor, project, ref))


@router.post("/groups/{ref}/stop", status_code=202, response_model=Accepted, responses=_PLANNED)
def stop_group(
    call: Calling, ref: RefPath, project: Project = "", body: Stopping = _GENTLY, dry_run: DryRun = False
) -> Response:
    """Stop a group's instances, the last in the order first."""
    if dry_run:
        return _plan(call, project, ref, "stop")
    stopping = call.parts.groups.stop(call.actor, project, ref, force=body.force, deadline_s=body.deadline_s)
    return accepted(call, stopping)


def _plan(call: Call, project: str, ref: str, verb: str) -> Response:
    waves = call.parts.groups.rehearse(call.actor, project, ref, verb)
    return answer(GroupPlan, GroupPlan(tuple(map(tuple, waves))))


def _show(view: GroupView) -> Group:
    it = view.group
    members = tuple(map(_show_member, view.members))
    return Group(it.id, it.name, it.project_id, members, it.operation_id, it.created_at, it.revision)


def _show_member(view: MemberView) -> GroupMember:
    member, instance = view.member, view.instance
    return GroupMember(
        instance_id=instance.id, name=instance.name, status=instance.status, ready=instance.ready, order=member.order,
        until=member.until, delay_s=member.delay_s, otherwise=member.otherwise, stand=view.stand,
    )  # fmt: skip
