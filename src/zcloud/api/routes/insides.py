"""What a running guest is asked through its agent."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Body, Path
from starlette.responses import Response

from zcloud.api.answers import accepted, answer, listing, nothing
from zcloud.api.params import Project, RefPath, routes
from zcloud.api.parts import Calling
from zcloud.services.insides import Place
from zcloud.wire.base import Listing
from zcloud.wire.insides import (
    GuestCommand,
    GuestFile,
    GuestFilesystem,
    GuestFreeze,
    GuestInfo,
    GuestPassword,
    GuestPerson,
    GuestProcess,
    GuestRead,
    GuestResult,
    GuestTrimmed,
)
from zcloud.wire.operations import Accepted

router = routes("instances")
Freeze = Annotated[GuestFreeze, Body()]
_A_MINUTE = GuestFreeze()  # what a request without a body asks for
Pid = Annotated[int, Path(ge=1, le=1 << 62, description="The command's process id.")]


@router.get("/instances/{ref}/guest/filesystems", response_model=Listing[GuestFilesystem])
def list_filesystems(call: Calling, ref: RefPath, project: Project = "") -> Response:
    """List the file systems that the guest has mounted, as its agent tells now."""
    return listing(GuestFilesystem, call.parts.owner.insides.filesystems(call.actor, project, ref), _show)


@router.get("/instances/{ref}/guest/info", response_model=GuestInfo)
def show_guest_info(call: Calling, ref: RefPath, project: Project = "") -> Response:
    """Give what the guest says of itself now: its system, names, clock, and who is logged in."""
    its, ahead_s = call.parts.owner.insides.info(call.actor, project, ref)
    users = tuple(GuestPerson(each.name, _time(each.since)) for each in its.users)
    told = (its.os, its.os_id, its.os_version, its.kernel, its.machine, its.hostname, its.timezone, its.utc_offset_s)
    return answer(GuestInfo, GuestInfo(*told, ahead_s, users))


@router.post("/instances/{ref}/guest/trim", response_model=Listing[GuestTrimmed])
def trim_guest(call: Calling, ref: RefPath, project: Project = "") -> Response:
    """Have the guest give back what its file systems do not use."""
    trimmed = call.parts.owner.insides.trim(call.actor, project, ref)
    return listing(GuestTrimmed, trimmed, lambda its: GuestTrimmed(its.path, its.bytes, its.error))


@router.post("/instances/{ref}/guest/time", status_code=204, response_class=Response)
def set_guest_time(call: Calling, ref: RefPath, project: Project = "") -> Response:
    """Set the guest's clock to the server's."""
    call.parts.owner.insides.set_time(call.actor, project, ref)
    return nothing()


@router.post("/instances/{ref}/guest/password", status_code=204, response_class=Response)
def set_guest_password(call: Calling, ref: RefPath, body: GuestPassword, project: Project = "") -> Response:
    """Give a user of the guest another password; zcloud keeps it nowhere."""
    call.parts.owner.insides.set_password(call.actor, project, ref, body.user, body.password)
    return nothing()


@router.post("/instances/{ref}/guest/commands", status_code=201, response_model=GuestProcess)
def begin_guest_command(call: Calling, ref: RefPath, body: GuestCommand, project: Project = "") -> Response:
    """Begin a command in the guest, as its root and without a shell."""
    pid = call.parts.owner.insides.execute(call.actor, project, ref, body.command, body.input)
    return answer(GuestProcess, GuestProcess(pid), 201)


@router.get("/instances/{ref}/guest/commands/{pid}", response_model=GuestResult)
def show_guest_command(call: Calling, ref: RefPath, pid: Pid, project: Project = "") -> Response:
    """Say how a command in the guest is; once it has ended, a single time."""
    its = call.parts.owner.insides.result(call.actor, project, ref, pid)
    out, err = (b64encode(each).decode() for each in (its.out, its.err))
    return answer(GuestResult, GuestResult(its.exited, its.code, its.signal, out, err, its.truncated))


@router.post("/instances/{ref}/guest/file", response_model=GuestFile)
def read_guest_file(call: Calling, ref: RefPath, body: GuestRead, project: Project = "") -> Response:
    """Give the beginning of a file in the guest; that it was read is told by an event."""
    content = call.parts.owner.insides.read_file(call.actor, project, ref, body.path, body.limit)
    return answer(GuestFile, GuestFile(b64encode(content).decode()))


@router.post("/instances/{ref}/guest/freeze", status_code=202, response_model=Accepted)
def freeze_guest(call: Calling, ref: RefPath, project: Project = "", body: Freeze = _A_MINUTE) -> Response:
    """Have the guest write all that it has, and hold its file systems still for a while that ends by itself."""
    freeze = call.parts.owner.freezing.freeze
    return accepted(call, freeze(call.actor, project, ref, body.seconds, call.revision))


@router.post("/instances/{ref}/guest/thaw", status_code=202, response_model=Accepted)
def thaw_guest(call: Calling, ref: RefPath, project: Project = "") -> Response:
    """Let the guest write again."""
    return accepted(call, call.parts.owner.freezing.thaw(call.actor, project, ref, call.revision))


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _show(place: Place) -> GuestFilesystem:
    it = place.filesystem
    return GuestFilesystem(it.mountpoint, it.kind, it.device, it.used, it.total, place.volumes)
