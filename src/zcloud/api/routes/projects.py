"""Projects and their members."""

from __future__ import annotations

import dataclasses
from typing import Any

from starlette.responses import Response

from zcloud.api.answers import created, listing, nothing, one
from zcloud.api.params import RefPath, routes
from zcloud.api.parts import Calling
from zcloud.domain import people
from zcloud.domain.people import Role
from zcloud.wire.base import Listing
from zcloud.wire.projects import Member, MemberSet, Project, ProjectChange, ProjectCreate, ProjectDetail, Quota, Usage

router = routes("projects")


@router.get("/projects", response_model=Listing[Project])
def list_projects(call: Calling) -> Response:
    """List the projects that the caller may see."""
    return listing(Project, call.parts.people.projects(call.actor), _project)


@router.post("/projects", status_code=201, response_model=Project)
def create_project(call: Calling, body: ProjectCreate) -> Response:
    """Add a project."""
    quota = people.Quota(**body.quota.model_dump())
    project = call.parts.people.add_project(call.actor, body.name, body.description, quota)
    return created(call, Project, _project(project), f"/v1/projects/{project.id}")


@router.get("/projects/{ref}", response_model=ProjectDetail)
def show_project(call: Calling, ref: RefPath) -> Response:
    """Show a project with its members and what it uses of its quota."""
    project, members, usage = call.parts.people.show_project(call.actor, ref)
    told = tuple(Member(member.user_id, name, member.role) for member, name in members)
    return one(ProjectDetail, ProjectDetail(**_fields(project), members=told, usage=Usage(**usage)))


@router.patch("/projects/{ref}", response_model=Project)
def change_project(call: Calling, ref: RefPath, body: ProjectChange) -> Response:
    """Change a project's description or quota."""
    changes = body.model_dump(exclude_unset=True)
    if "quota" in changes:
        changes["quota"] = people.Quota(**body.quota.model_dump())
    return one(Project, _project(call.parts.people.change_project(call.actor, ref, changes, call.revision)))


@router.delete("/projects/{ref}", status_code=204)
def delete_project(call: Calling, ref: RefPath) -> Response:
    """Delete an empty project."""
    call.parts.people.delete_project(call.actor, ref, call.revision)
    return nothing()


@router.put("/projects/{ref}/members/{user}", status_code=204)
def set_member(call: Calling, ref: RefPath, user: RefPath, body: MemberSet) -> Response:
    """Give a user a role in a project."""
    call.parts.people.set_member(call.actor, ref, user, Role(body.role))
    return nothing()


@router.delete("/projects/{ref}/members/{user}", status_code=204)
def remove_member(call: Calling, ref: RefPath, user: RefPath) -> Response:
    """Take a user out of a project."""
    call.parts.people.set_member(call.actor, ref, user, None)
    return nothing()


def _project(it: people.Project) -> Project:
    return Project(**_fields(it))


def _fields(it: people.Project) -> dict[str, Any]:
    quota = Quota(**dataclasses.asdict(it.quota))
    return {
        "id": it.id,
        "name": it.name,
        "description": it.description,
        "quota": quota,
        "created_at": it.created_at,
        "revision": it.revision,
    }
