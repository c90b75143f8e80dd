"""Schedules of snapshots: the list, adding one, changing when it takes them and how many it keeps, deleting it."""

from __future__ import annotations

from typing import Any

from starlette.responses import RedirectResponse, Response

from zcloud.domain.errors import NotFound, Refused
from zcloud.domain.schedule import ScheduleSpec, SnapshotSchedule
from zcloud.web.guard import Visit, change, page
from zcloud.web.projects import writable

_NEW = {"of": "instance", "rhythm": "daily", "at": "03:00", "every_h": "6", "keep": "7"}


def list_schedules(visit: Visit) -> Response:
    """List the schedules that the person may see, with what each could not take."""
    found = sorted(visit.parts.owner.schedules.all(visit.actor, ""), key=lambda each: each.name)
    projects = {each.id: each.name for each in visit.parts.people.projects(visit.actor)}
    return visit.show("schedules.html", rows=found, projects=projects, owners=_owners(visit, found))


def ask_for_schedule(visit: Visit) -> Response:
    """Ask for a schedule; the address may name the instance, and its project."""
    given = {**_NEW, **{name: visit.field(name) for name in ("instance", "project")}}
    return visit.show("schedule.html", error=None, it=None, given=given, projects=writable(visit))


def add_schedule(visit: Visit) -> Response:
    """Add a schedule."""
    try:
        of = visit.field("of")
        spec = ScheduleSpec(
            name=visit.line("name"),
            instance=visit.line("instance") if of == "instance" else "",
            tag=visit.line("tag") if of == "tag" else "",
            **_rhythm(visit),
        )
        visit.parts.owner.schedules.create(visit.actor, visit.line("project", 80), spec)
    except Refused as error:
        given = {**_NEW, **visit.given}
        return visit.ask_again("schedule.html", error, it=None, given=given, projects=writable(visit))
    return RedirectResponse("/schedules", 303)


def show_schedule(visit: Visit) -> Response:
    """Show a schedule with what can be changed of it."""
    it = _found(visit)
    rhythm = {"rhythm": "daily", "at": it.at} if it.at else {"rhythm": "hours", "every_h": str(it.every_h)}
    given = {**_NEW, **rhythm, "keep": str(it.keep)}
    return visit.show("schedule.html", error=None, it=it, given=given, owners=_owners(visit, [it]))


def change_schedule(visit: Visit) -> Response:
    """Change when it takes snapshots, and how many it keeps."""
    it = _found(visit)
    visit.note(f"schedule {it.name}")
    try:
        visit.parts.owner.schedules.change(visit.actor, "", it.id, _rhythm(visit))
    except Refused as error:
        given = {**_NEW, **visit.given}
        return visit.ask_again("schedule.html", error, it=it, given=given, owners=_owners(visit, [it]))
    return RedirectResponse("/schedules", 303)


def delete_schedule(visit: Visit) -> Response:
    """Delete a schedule; the snapshots that it took stay."""
    visit.parts.owner.schedules.delete(visit.actor, "", visit.request.path_params["ref"])
    return RedirectResponse("/schedules", 303)


def _rhythm(visit: Visit) -> dict[str, Any]:
    hours = visit.field("rhythm") == "hours"
    when = {"every_h": visit.number("every_h"), "at": ""} if hours else {"every_h": 0, "at": visit.line("at")}
    return {**when, "keep": visit.number("keep")}


def _found(visit: Visit) -> SnapshotSchedule:
    ref = visit.request.path_params["ref"]
    found = next((each for each in visit.parts.owner.schedules.all(visit.actor, "") if each.id == ref), None)
    if found is None:
        raise NotFound(f"There is no schedule {ref[:80]!r}.")
    return found


def _owners(visit: Visit, schedules: list[SnapshotSchedule]) -> dict[str, str]:
    return visit.parts.instances.names(visit.actor, {each.instance_id for each in schedules if each.instance_id})


_ONE, _API = "/schedules/{ref}", "/v1/snapshot-schedules"
ROUTES = (
    page("/schedules", f"GET {_API}", list_schedules),
    page("/schedules/new", f"POST {_API}", ask_for_schedule),
    change("/schedules/new", f"POST {_API}", add_schedule),
    page(_ONE, f"PATCH {_API}/{{ref}}", show_schedule),
    change(_ONE, f"PATCH {_API}/{{ref}}", change_schedule),
    change(f"{_ONE}/delete", f"DELETE {_API}/{{ref}}", delete_schedule),
)
