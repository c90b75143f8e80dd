"""Instances: the list, what is done with them, one of them, and its console."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from starlette.responses import JSONResponse, Response

from zcloud.cli.viewing import viewer_file
from zcloud.domain.errors import InvalidInput
from zcloud.domain.instance import TEMPLATE, InstanceStatus
from zcloud.domain.samples import Rates
from zcloud.services.actions import Action, Selection
from zcloud.services.context import Window
from zcloud.services.instances import InstanceQuery, InstanceView
from zcloud.services.operations import OperationQuery
from zcloud.services.tickets import SERIAL
from zcloud.web import views
from zcloud.web.guard import Visit, change, page

PER_PAGE = 50
_MANY_MIB = 2048  # from here on people think in GiB
VIEWER_PORT = 5930
TEMPLATES = "templates"
VIEWS: dict[str, tuple[InstanceStatus, ...]] = {
    "": (),
    "running": (InstanceStatus.RUNNING,),
    "stopped": (InstanceStatus.STOPPED,),
    "problems": (InstanceStatus.ERROR, InstanceStatus.UNKNOWN, InstanceStatus.MISSING),
}
_KEYS = {"tag": "tags", "host": "host", "image": "image", "project": "project", "state": "status"}


def list_instances(visit: Visit) -> Response:
    """List the instances of a filter, a page at a time."""
    text, view, sort = visit.field("q"), visit.field("view"), visit.field("sort") or "name"
    window = Window(sort, visit.field("cursor") or None, PER_PAGE, count=True)
    query = parse_filter(text, VIEWS.get(view, ()))
    query = replace(query, template=True) if view == TEMPLATES else query
    found = visit.parts.instances.page(visit.actor, query, window)

    def link(**more: str) -> str:
        given = {"q": text, "view": view, "sort": sort, **more}
        return "?" + urlencode({name: value for name, value in given.items() if value})

    return visit.show(
        "instances.html", rows=found.items, total=found.total or 0, next_cursor=found.next_cursor, q=text, view=view,
        sort=sort, link=link, columns=views.columns(visit.request), all_columns=views.COLUMNS,
        filters=views.filters(visit.request),
    )  # fmt: skip


def parse_filter(text: str, status: tuple[InstanceStatus, ...] = ()) -> InstanceQuery:
    """Give what a line such as ``web tag:blue host:anton`` asks for; raises InvalidInput for an unknown state."""
    given: dict[str, Any] = {"status": status, "tags": ()}
    words = []
    for each in text.split()[:20]:
        key, colon, value = each.partition(":")
        if not colon or key not in _KEYS:
            words.append(each)
        elif key == "tag":
            given["tags"] += (value,)
        elif key == "state" and value == TEMPLATE:
            given["template"] = True
        elif key == "state":
            given["status"] = (_status(value),)
        else:
            given[_KEYS[key]] = value
    if given["status"] == (InstanceStatus.STOPPED,):
        given.setdefault("template", False)  # a template is never merely stopped
    return InstanceQuery(**given, search=" ".join(words)[:255])


def _status(value: str) -> InstanceStatus:
    if value not in list(InstanceStatus):
        states = ", ".join(InstanceStatus)
        raise InvalidInput(f"There is no state {value[:40]!r}.", hint=f"The states are {states}.", field="state")
    return InstanceStatus(value)


def confirm(visit: Visit) -> Response:
    """Show what would become of each, and ask."""
    chosen = _selection(visit)
    outcomes = visit.parts.owner.actions.act(visit.actor, chosen, _action(visit), dry_run=True)
    return visit.show("confirm.html", outcomes=outcomes, verb=visit.field("verb"), tags=visit.field("tags"))


def act(visit: Visit) -> Response:
    """Do it to each, and tell what came of it."""
    outcomes = visit.parts.owner.actions.act(visit.actor, _selection(visit), _action(visit))
    return visit.show("acted.html", outcomes=outcomes, verb=visit.field("verb"))


def _selection(visit: Visit) -> Selection:
    names = tuple(visit.form.get("id", ()))
    visit.note(f"instances {len(names)}")
    return Selection(InstanceQuery(), names)


def _action(visit: Visit) -> Action:
    tags = tuple(visit.field("tags").split())
    arguments = {"tags": tags} if tags else {}
    verb = visit.field("verb")
    if verb not in VERBS:
        raise InvalidInput(f"There is no verb {verb[:40]!r}.", field="verb")
    return Action(verb, {**arguments, "force": True} if visit.field("force") else arguments)


VERBS = frozenset({"start", "stop", "restart", "delete", "tag", "untag", "pause", "resume", "reset", "save", "restore"})


def show_instance(visit: Visit) -> Response:
    """Show one instance with its load, what is plugged in, and what was done with it."""
    view = _found(visit)
    id = view.instance.id
    usage = visit.parts.instances.usage(visit.actor, "", id)
    operations = visit.parts.operations.page(visit.actor, OperationQuery(resource_id=id), Window(limit=6))
    return visit.show(
        "instance.html", view=view, address=view.address, usage=usage, charts=charts(usage.hour),
        operations=operations.items,
    )  # fmt: skip


def charts(hour: tuple[Rates, ...]) -> list[dict[str, Any]]:
    """Give the lines of the last hour; a second one is drawn dashed."""
    mib = 1 << 20
    return [
        {"title": "CPU", "unit": "%", "top": 100, "lines": [[each.cpu for each in hour]], "names": ()},
        _memory([each.resident / mib for each in hour]),
        _chart("Disk", [[each.disk_read / mib for each in hour], [each.disk_written / mib for each in hour]],
               "MiB/s", "read", "write"),
        _chart("Network", [[each.net_received / mib for each in hour], [each.net_sent / mib for each in hour]],
               "MiB/s", "in", "out"),
    ]  # fmt: skip


def _memory(mib: list[float]) -> dict[str, Any]:
    if max(mib, default=0) < _MANY_MIB:
        return _chart("Memory taken", [mib], "MiB")
    return _chart("Memory taken", [[each / 1024 for each in mib]], "GiB")


def _chart(title: str, lines: list[list[float]], unit: str, *names: str) -> dict[str, Any]:
    highest = max((each for line in lines for each in line), default=0)
    return {"title": title, "unit": unit, "top": round_up(highest), "lines": lines, "names": names}


def round_up(value: float) -> float:
    """Give the next 1, 2 or 5 times a power of ten: where a chart's axis ends."""
    top = 1.0
    while top < value:
        for factor in (1, 2, 5):
            if top * factor >= value:
                return top * factor
        top *= 10
    return top


def show_console(visit: Visit) -> Response:
    """Show the frame of a console, the serial one or the screen, and what is done with the instance meanwhile."""
    view = _found(visit)
    kind, works = visit.field("kind") or SERIAL, view.instance.operation_id
    running = visit.parts.operations.show(visit.actor, works) if works else None
    return visit.show("console.html", view=view, kind=kind, running=running, address=view.address, port=VIEWER_PORT)


def open_console(visit: Visit) -> Response:
    """Give the address of one connection to a console."""
    kind = visit.field("kind") or SERIAL
    secret, _ = visit.parts.tickets.create(visit.actor, "", visit.request.path_params["ref"], kind)
    force = "&force=true" if visit.field("force") else ""
    return JSONResponse({"url": f"/v1/console?ticket={secret}{force}"}, 201)


def give_viewer(visit: Visit) -> Response:
    """Give the file with which virt-viewer opens the port that ``zcloud console --spice --port`` listens at."""
    text = viewer_file("spice", VIEWER_PORT, _found(visit).instance.name)
    return Response(text, media_type="application/x-virt-viewer", headers={"Cache-Control": "no-store"})


def show_events(visit: Visit) -> Response:
    """Show what happened to one instance, the newest first."""
    view = _found(visit)
    events = visit.parts.events.latest(visit.actor, view.instance.id, 200)
    return visit.show("instance_events.html", view=view, events=events, address=view.address)


def _found(visit: Visit) -> InstanceView:
    return visit.parts.instances.show(visit.actor, visit.field("project"), visit.request.path_params["ref"])


ROUTES = (
    page("/instances", "GET /v1/instances", list_instances),
    change("/instances/confirm", "POST /v1/instances/actions", confirm),
    change("/instances/actions", "POST /v1/instances/actions", act),
    page("/instances/{ref}", "GET /v1/instances/{ref}", show_instance),
    page("/instances/{ref}/console", "POST /v1/instances/{ref}/console", show_console),
    change("/instances/{ref}/console", "POST /v1/instances/{ref}/console", open_console),
    page("/instances/{ref}/viewer", "POST /v1/instances/{ref}/console", give_viewer),
    page("/instances/{ref}/events", "GET /v1/events", show_events),
)
