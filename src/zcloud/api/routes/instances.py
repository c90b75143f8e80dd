"""Instances."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from fastapi import Body, Depends, Query
from starlette.responses import PlainTextResponse, Response

from zcloud.api import show
from zcloud.api.answers import accepted, answer, one, paged
from zcloud.api.params import LineQuery, Part, Project, RefPath, RefQuery, routes
from zcloud.api.parts import Calling
from zcloud.domain.attachment import IoLimits
from zcloud.domain.hardware import settle, to_record
from zcloud.domain.install import InstallRequest
from zcloud.domain.instance import DiskRequest, Firmware, InstanceSpec, InstanceStatus, NicRequest, OnBoot
from zcloud.services.instances import InstanceQuery
from zcloud.wire import instances as wire
from zcloud.wire.base import Listing
from zcloud.wire.instances import (
    Candidate,
    ConsoleRequest,
    ConsoleTicket,
    Instance,
    InstanceBrief,
    InstanceChange,
    InstanceCreate,
    Placement,
    PowerRequest,
    Refusal,
)
from zcloud.wire.operations import Accepted

router = routes("instances")

_EVERY = len(InstanceStatus)
Statuses = Annotated[tuple[InstanceStatus, ...], Query(max_length=_EVERY, description="Only in these states.")]
Tags = Annotated[tuple[LineQuery, ...], Query(max_length=32, description="Only with all of these tags.")]
Templates = Annotated[bool | None, Query(description="Only templates, or only what is none.")]
Brief = Annotated[bool, Query(description="Only what a table shows of each (InstanceBrief), in a quarter of the time.")]
Keep = Annotated[
    tuple[RefQuery, ...],
    Query(max_length=17, description="Disks to keep when it is removed for good: names, ids, or all."),
]
Purge = Annotated[bool, Query(description="Remove it for good now; keep= does so, too.")]


async def _query(
    *,
    project: Project = "",
    status: Statuses = (),
    tag: Tags = (),
    host: RefQuery = "",
    image: RefQuery = "",
    search: LineQuery = "",
) -> InstanceQuery:
    return InstanceQuery(project, status, tag, host, image, search)


Which = Annotated[InstanceQuery, Depends(_query)]
Power = Annotated[PowerRequest, Body()]
Console = Annotated[ConsoleRequest, Body()]
_GENTLY, _SERIAL = PowerRequest(), ConsoleRequest()  # what a request without a body asks for


@router.get("/instances", response_model=Listing[Instance] | Listing[InstanceBrief])
def list_instances(
    call: Calling, which: Which, part: Part, template: Templates = None, brief: Brief = False
) -> Response:
    """List the instances that the caller may see; no host is asked."""
    which = replace(which, template=template)
    if brief:
        return paged(InstanceBrief, call.parts.instances.briefs(call.actor, which, part), show.brief)
    return paged(Instance, call.parts.instances.page(call.actor, which, part), show.instance)


@router.post(
    "/instances",
    status_code=202,
    response_model=Accepted,
    responses={200: {"model": Placement, "description": "With dry_run: where it would run."}},
)
def create_instance(
    call: Calling,
    body: InstanceCreate,
    dry_run: Annotated[bool, Query(description="Only explain the placement; change nothing.")] = False,
) -> Response:
    """Launch an instance."""
    spec = _spec(body)
    if not dry_run:
        instance, operation = call.parts.launch.launch(call.actor, body.project, spec)
        return accepted(call, operation, instance.guest["warnings"])
    rehearsal = call.parts.launch.explain(call.actor, body.project, spec)
    found, instance = rehearsal.placement, rehearsal.instance
    candidates = tuple(Candidate(each.host.name, each.host.id, each.score) for each in found.candidates)
    refusals = tuple(Refusal(each.host, each.filter, each.reason, each.nearest) for each in found.refusals)
    return answer(
        Placement,
        Placement(
            candidates, refusals, to_record(settle(instance.options)), show.reasons(instance),
            tuple(instance.guest["warnings"]), rehearsal.drivers, instance.firmware,
        ),
    )  # fmt: skip


@router.get("/instances/{ref}", response_model=Instance)
def show_instance(call: Calling, ref: RefPath, project: Project = "") -> Response:
    """Show an instance."""
    return one(Instance, show.instance(call.parts.instances.show(call.actor, project, ref)))


@router.patch("/instances/{ref}", response_model=Instance)
def change_instance(call: Calling, ref: RefPath, body: InstanceChange, project: Project = "") -> Response:
    """Change an instance's protection or tags."""
    instances, changes = call.parts.instances, body.model_dump(exclude_unset=True)
    changed = instances.change(call.actor, project, ref, changes, call.revision)
    return one(Instance, show.instance(instances.show(call.actor, project, changed.id)))


@router.delete("/instances/{ref}", status_code=202, response_model=Accepted)
def delete_instance(
    call: Calling, ref: RefPath, project: Project = "", keep: Keep = (), purge: Purge = False
) -> Response:
    """Put an instance into the trash, from which it can be brought back for some days."""
    delete = call.parts.owner.trash.delete
    return accepted(call, delete(call.actor, project, ref, purge=purge, keep=keep, revision=call.revision))


@router.post("/instances/{ref}/start", status_code=202, response_model=Accepted)
def start_instance(call: Calling, ref: RefPath, project: Project = "") -> Response:
    """Start an instance; room on its host is claimed at once."""
    return accepted(call, call.parts.instances.start(call.actor, project, ref, call.revision))


@router.post("/instances/{ref}/stop", status_code=202, response_model=Accepted)
def stop_instance(call: Calling, ref: RefPath, body: Power = _GENTLY, project: Project = "") -> Response:
    """Ask the guest to shut down, or take its power."""
    stop = call.parts.instances.stop
    return accepted(call, stop(call.actor, project, ref, revision=call.revision, **body.model_dump()))


@router.post("/instances/{ref}/restart", status_code=202, response_model=Accepted)
def restart_instance(call: Calling, ref: RefPath, body: Power = _GENTLY, project: Project = "") -> Response:
    """Stop an instance and start it again."""
    restart = call.parts.instances.restart
    return accepted(call, restart(call.actor, project, ref, revision=call.revision, **body.model_dump()))


@router.get("/instances/{ref}/console-log", response_class=PlainTextResponse)
def show_console_log(call: Calling, ref: RefPath, project: Project = "") -> Response:
    """Give the end of what the guest wrote to its serial console, as its host has it; the bytes are the guest's."""
    instance = call.parts.instances.for_console_log(call.actor, project, ref)
    log = call.parts.read_console_log(instance.host_id, instance)
    return Response(log.decode("utf-8", "replace"), media_type="text/plain; charset=utf-8")


@router.post("/instances/{ref}/console", status_code=201, response_model=ConsoleTicket)
def open_console(call: Calling, ref: RefPath, body: Console = _SERIAL, project: Project = "") -> Response:
    """Give a ticket for one connection to the serial console, or to the screen; it is over in seconds."""
    secret, ticket = call.parts.tickets.create(call.actor, project, ref, body.kind)
    url = f"/v1/console?ticket={secret}" + ("&force=true" if body.force else "")
    return answer(ConsoleTicket, ConsoleTicket(url, ticket.expires_at), 201)


def _spec(body: InstanceCreate) -> InstanceSpec:
    given: dict[str, Any] = {name: value for name, value in dict(body).items() if name != "project"}
    given["firmware"] = Firmware(body.firmware) if body.firmware else None
    given["on_boot"] = OnBoot(body.on_boot)
    given["nics"] = tuple(NicRequest(**each.model_dump()) for each in body.nics)
    given["disks"] = tuple(_disk(each) for each in body.disks)
    given["install"] = InstallRequest(**body.install.model_dump()) if body.install else None
    given["guest"] = body.guest.model_dump(exclude_defaults=True)
    return InstanceSpec(**given)


def _disk(asked: wire.DiskRequest) -> DiskRequest:
    given = asked.model_dump()
    filesystem = asked.filesystem or ("ext4" if asked.mount else "")
    return DiskRequest(**given | {"limits": IoLimits(**given["limits"]), "filesystem": filesystem})
