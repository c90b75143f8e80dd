"""What an owner does with an instance's power beyond starting and stopping it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Body
from starlette.responses import Response

from zcloud.api.answers import accepted, nothing
from zcloud.api.params import Project, RefPath, routes
from zcloud.api.parts import Call, Calling
from zcloud.domain.instance import NicRequest
from zcloud.services.cloning import CloneSpec
from zcloud.wire.instances import InstanceClone, InstanceRename, TemplateRequest
from zcloud.wire.media import EjectRequest, InsertRequest
from zcloud.wire.operations import Accepted

router = routes("instances")

Eject = Annotated[EjectRequest, Body()]
_EITHER = EjectRequest()  # what a request without a body asks for


@router.post("/instances/{ref}/pause", status_code=202, response_model=Accepted)
def pause_instance(call: Calling, ref: RefPath, project: Project = "") -> Response:
    """Hold a guest as it is; it goes on when it is resumed, and never by itself."""
    return _act(call, project, ref, "pause")


@router.post("/instances/{ref}/resume", status_code=202, response_model=Accepted)
def resume_instance(call: Calling, ref: RefPath, project: Project = "") -> Response:
    """Let a paused guest go on."""
    return _act(call, project, ref, "resume")


@router.post("/instances/{ref}/reset", status_code=202, response_model=Accepted)
def reset_instance(call: Calling, ref: RefPath, project: Project = "") -> Response:
    """Press the reset button: the guest boots again and is not asked."""
    return _act(call, project, ref, "reset")


@router.post("/instances/{ref}/save", status_code=202, response_model=Accepted)
def save_instance(call: Calling, ref: RefPath, project: Project = "") -> Response:
    """Keep a guest's memory in a file and give its CPU and memory back."""
    return _act(call, project, ref, "save")


@router.post("/instances/{ref}/restore", status_code=202, response_model=Accepted)
def restore_instance(call: Calling, ref: RefPath, project: Project = "") -> Response:
    """Let a saved guest go on from where it was."""
    return _act(call, project, ref, "restore")


@router.post("/instances/{ref}/discard-saved", status_code=202, response_model=Accepted)
def discard_saved_instance(call: Calling, ref: RefPath, project: Project = "") -> Response:
    """Forget a guest's saved memory; it boots afresh at its next start."""
    return _act(call, project, ref, "discard")


@router.post("/instances/{ref}/insert", status_code=202, response_model=Accepted)
def insert_disc(call: Calling, ref: RefPath, body: InsertRequest, project: Project = "") -> Response:
    """Put a CD into an instance's drive; a running machine that has no drive gets one at its next start."""
    return accepted(call, *call.parts.owner.media.insert(call.actor, project, ref, body.image, call.revision))


@router.post("/instances/{ref}/eject", status_code=202, response_model=Accepted)
def eject_disc(call: Calling, ref: RefPath, body: Eject = _EITHER, project: Project = "") -> Response:
    """Take a CD out of an instance's drive."""
    return accepted(call, call.parts.owner.media.eject(call.actor, project, ref, body.drive, call.revision))


@router.post("/instances/{ref}/rename", status_code=202, response_model=Accepted)
def rename_instance(call: Calling, ref: RefPath, body: InstanceRename, project: Project = "") -> Response:
    """Give an instance another name, on its networks too."""
    rename = call.parts.owner.naming.rename
    return accepted(call, rename(call.actor, project, ref, body.name, hostname=body.hostname, revision=call.revision))


@router.post("/instances/{ref}/clone", status_code=202, response_model=Accepted)
def clone_instance(call: Calling, ref: RefPath, body: InstanceClone, project: Project = "") -> Response:
    """Clone an instance that is off, runs or is a template; all clones are made, or none."""
    given = dict(body)
    given["nics"] = None if body.nics is None else tuple(NicRequest(**each.model_dump()) for each in body.nics)
    cloned = call.parts.owner.cloning.clone(call.actor, project, ref, CloneSpec(**given))
    return accepted(call, cloned.operation, cloned.warnings)


@router.post("/instances/{ref}/template", status_code=202, response_model=Accepted)
def template_instance(call: Calling, ref: RefPath, body: TemplateRequest, project: Project = "") -> Response:
    """Make a template of an instance that is off, or an instance of a template without linked clones."""
    template = call.parts.owner.cloning.template
    return accepted(call, template(call.actor, project, ref, on=body.on, revision=call.revision))


@router.post("/instances/{ref}/forget", status_code=204)
def forget_instance(call: Calling, ref: RefPath, project: Project = "") -> Response:
    """Let an adopted instance go; its host is not asked, and its domain stays as it is."""
    call.parts.owner.adopting.forget(call.actor, project, ref, call.revision)
    return nothing()


def _act(call: Call, project: str, ref: str, verb: str) -> Response:
    return accepted(call, call.parts.owner.lifecycle.act(call.actor, project, ref, verb, call.revision))
