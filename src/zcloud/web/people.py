"""Users and projects: who there is, what they may do, and how much."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from starlette.responses import RedirectResponse, Response

from zcloud.base.ids import new_secret
from zcloud.domain.errors import InvalidInput, Refused
from zcloud.domain.people import Project, Quota, Role
from zcloud.web.guard import Visit, change, page
from zcloud.web.render import size

_GIB, _MIB_PER_GIB = 1 << 30, 1024
_PASSWORD_BYTES = 12


def list_users(visit: Visit) -> Response:
    """List the users."""
    return visit.show("users.html", rows=visit.parts.people.users(visit.actor))


def new_user(visit: Visit, error: Refused | None = None) -> Response:
    """Ask for a user's name and role."""
    given = {name: visit.field(name) for name in ("name", "role")}
    return visit.show("user_new.html", status_of(error), given=given, error=error)


def add_user(visit: Visit) -> Response:
    """Add a user, and show the password that was made for them."""
    password = new_secret(_PASSWORD_BYTES)
    name, role = visit.field("name"), role_of(visit.field("role"))
    return or_again(
        lambda: _secretly(visit, visit.parts.people.add_user(visit.actor, name, password, role).id, password),
        lambda error: new_user(visit, error),
    )


def show_user(visit: Visit, error: Refused | None = None) -> Response:
    """Show a user, with what may be done about them."""
    user = visit.parts.people.show_user(visit.actor, visit.request.path_params["ref"])
    return visit.show("user.html", status_of(error), it=user, error=error, secret="")


def change_user(visit: Visit) -> Response:
    """Change a user's role, shut them out or let them in again."""
    ref, changes = visit.request.path_params["ref"], dict[str, Any]()
    if "role" in visit.form:
        changes["role"] = role_of(visit.field("role"))
    if "disabled" in visit.form:
        changes["disabled"] = visit.field("disabled") == "yes"

    def work() -> Response:
        visit.parts.people.change_user(visit.actor, ref, changes, _revision(visit))
        return RedirectResponse(f"/users/{ref}", 303)

    return or_again(work, lambda error: show_user(visit, error))


def new_password(visit: Visit) -> Response:
    """Give a user a password that is made here, and show it once."""
    ref, password = visit.request.path_params["ref"], new_secret(_PASSWORD_BYTES)
    visit.parts.people.change_user(visit.actor, ref, {"password": password}, None)
    return _secretly(visit, ref, password)


def reset_factor(visit: Visit) -> Response:
    """Take away the second factor of a user who has lost it."""
    ref = visit.request.path_params["ref"]

    def work() -> Response:
        visit.parts.second_factor.reset(visit.actor, ref)
        return RedirectResponse(f"/users/{ref}", 303)

    return or_again(work, lambda error: show_user(visit, error))


def delete_user(visit: Visit) -> Response:
    """Delete a user whose name was typed."""
    user = visit.parts.people.show_user(visit.actor, visit.request.path_params["ref"])

    def work() -> Response:
        _check_typed(visit, user.name)
        visit.parts.people.delete_user(visit.actor, user.id)
        return RedirectResponse("/users", 303)

    return or_again(work, lambda error: show_user(visit, error))


def list_projects(visit: Visit) -> Response:
    """List the projects that the person may see."""
    return visit.show("projects.html", rows=visit.parts.people.projects(visit.actor))


def new_project(visit: Visit, error: Refused | None = None) -> Response:
    """Ask for a project's name and quota."""
    given = {name: visit.field(name) for name in ("name", "description", *_LIMITS)}
    return visit.show("project_new.html", status_of(error), given=given, error=error)


def add_project(visit: Visit) -> Response:
    """Add a project."""

    def work() -> Response:
        name, description = visit.field("name"), visit.field("description")[:255]
        made = visit.parts.people.add_project(visit.actor, name, description, _quota(visit))
        return RedirectResponse(f"/projects/{made.id}", 303)

    return or_again(work, lambda error: new_project(visit, error))


def show_project(visit: Visit, error: Refused | None = None) -> Response:
    """Show a project with its members and what it uses of its quota."""
    ref = visit.request.path_params["ref"]
    project, members, used = visit.parts.people.show_project(visit.actor, ref)
    return visit.show(
        "project.html", status_of(error), it=project, members=members, usage=_usage(project.quota, used),
        given=_given(project), error=error,
    )  # fmt: skip


def change_project(visit: Visit) -> Response:
    """Change a project's description and quota."""
    ref = visit.request.path_params["ref"]

    def work() -> Response:
        changes = {"description": visit.field("description")[:255], "quota": _quota(visit)}
        visit.parts.people.change_project(visit.actor, ref, changes, _revision(visit))
        return RedirectResponse(f"/projects/{ref}", 303)

    return or_again(work, lambda error: show_project(visit, error))


def delete_project(visit: Visit) -> Response:
    """Delete a project whose name was typed."""
    project, _, _ = visit.parts.people.show_project(visit.actor, visit.request.path_params["ref"])

    def work() -> Response:
        _check_typed(visit, project.name)
        visit.parts.people.delete_project(visit.actor, project.id)
        return RedirectResponse("/projects", 303)

    return or_again(work, lambda error: show_project(visit, error))


def set_member(visit: Visit) -> Response:
    """Give a user a role in a project."""
    return _member(visit, role_of(visit.field("role")) or Role.MEMBER)


def remove_member(visit: Visit) -> Response:
    """Take a user out of a project."""
    return _member(visit, None)


def _member(visit: Visit, role: Role | None) -> Response:
    ref = visit.request.path_params["ref"]

    def work() -> Response:
        visit.parts.people.set_member(visit.actor, ref, visit.field("user"), role)
        return RedirectResponse(f"/projects/{ref}", 303)

    return or_again(work, lambda error: show_project(visit, error))


def or_again(work: Callable[[], Response], again: Callable[[Refused], Response]) -> Response:
    """Do it; where that is refused, show the form again with the reason."""
    try:
        return work()
    except Refused as error:
        return again(error)


def status_of(error: Refused | None) -> int:
    """Give the status of a form: 200, or 409 where what it asked for was refused."""
    return 409 if error else 200


def role_of(text: str) -> Role | None:
    """Give the role of a form's field, None where it is empty; raises InvalidInput."""
    if text and text not in list(Role):
        raise InvalidInput(f"There is no role {text[:40]!r}.", hint=f"The roles are {', '.join(Role)}.", field="role")
    return Role(text) if text else None


def _secretly(visit: Visit, ref: str, password: str) -> Response:
    user = visit.parts.people.show_user(visit.actor, ref)
    response = visit.show("user.html", it=user, error=None, secret=password)
    response.headers["Cache-Control"] = "no-store"
    return response


def _check_typed(visit: Visit, name: str) -> None:
    if visit.field("name") != name:
        raise InvalidInput("The name that was typed is another one.", hint=f"Type {name} to delete it.", field="name")


def _revision(visit: Visit) -> int | None:
    text = visit.field("revision")
    return int(text) if text.isdecimal() and len(text) < 16 else None


def _quota(visit: Visit) -> Quota:
    """Give the quota of a form, whose empty fields are unlimited; raises InvalidInput."""
    return Quota(**{name: _number(visit, field, unit) for field, (name, unit) in _LIMITS.items()})


def _number(visit: Visit, field: str, unit: int) -> int | None:
    text = visit.field(field).strip()
    try:
        return int(float(text) * unit) if text else None
    except (ValueError, OverflowError) as error:
        raise InvalidInput(f"{text[:40]!r} is not a number.", field=field) from error


def _given(project: Project) -> Mapping[str, object]:
    limits = {field: (getattr(project.quota, name), unit) for field, (name, unit) in _LIMITS.items()}
    shown = {field: "" if value is None else f"{value / unit:g}" for field, (value, unit) in limits.items()}
    return {"description": project.description, **shown}


def _usage(quota: Quota, used: Mapping[str, int]) -> list[tuple[str, str, str, float]]:
    """Give each limit's name, what is used of it, the limit ("": none) and the share, as people read them."""
    rows = []
    for name, text, unit in _MEASURES:
        limit = getattr(quota, name)
        shown = size if unit else str
        told = "" if limit is None else shown(limit * unit if unit else limit)
        rows.append((text, shown(used[name] * unit if unit else used[name]), told, used[name] / (limit or 1)))
    return rows


_LIMITS = {
    "instances": ("instances", 1),
    "vcpus": ("vcpus", 1),
    "memory_gib": ("memory_mib", _MIB_PER_GIB),
    "volume_gib": ("volume_bytes", _GIB),
}
_MEASURES = (
    ("instances", "Instances", 0),
    ("vcpus", "vCPU", 0),
    ("memory_mib", "Memory", 1 << 20),
    ("volume_bytes", "Volumes", 1),
)
ROUTES = (
    page("/users", "GET /v1/users", list_users),
    page("/users/new", "POST /v1/users", new_user),
    change("/users", "POST /v1/users", add_user),
    page("/users/{ref}", "GET /v1/users/{ref}", show_user),
    change("/users/{ref}", "PATCH /v1/users/{ref}", change_user),
    change("/users/{ref}/password", "PATCH /v1/users/{ref}", new_password),
    change("/users/{ref}/factor/reset", "DELETE /v1/users/{ref}/second-factor", reset_factor),
    change("/users/{ref}/delete", "DELETE /v1/users/{ref}", delete_user),
    page("/projects", "GET /v1/projects", list_projects),
    page("/projects/new", "POST /v1/projects", new_project),
    change("/projects", "POST /v1/projects", add_project),
    page("/projects/{ref}", "GET /v1/projects/{ref}", show_project),
    change("/projects/{ref}", "PATCH /v1/projects/{ref}", change_project),
    change("/projects/{ref}/delete", "DELETE /v1/projects/{ref}", delete_project),
    change("/projects/{ref}/members", "PUT /v1/projects/{ref}/members/{user}", set_member),
    change("/projects/{ref}/members/remove", "DELETE /v1/projects/{ref}/members/{user}", remove_member),
)
