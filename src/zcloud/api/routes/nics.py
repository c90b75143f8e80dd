"""The NICs of instances."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query
from starlette.responses import Response

from zcloud.api import show
from zcloud.api.answers import accepted, listing
from zcloud.api.params import Project, RefPath, routes
from zcloud.api.parts import Calling
from zcloud.domain import instance as instances
from zcloud.wire.base import Listing
from zcloud.wire.instances import Nic, NicChange, NicRequest
from zcloud.wire.operations import Accepted

router = routes("nics")

NicPath = Annotated[
    str,
    Path(
        min_length=1,
        max_length=80,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9.:_-]*$",
        description="A NIC's slot, address, MAC address or id.",
    ),
]
Deadline = Annotated[int, Query(ge=1, le=3600, description="Seconds that the guest has to let go of it.")]


@router.get("/instances/{ref}/nics", response_model=Listing[Nic])
def list_nics(call: Calling, ref: RefPath, project: Project = "") -> Response:
    """List the NICs of an instance."""
    nics = call.parts.devices.nics.all(call.actor, project, ref)
    return listing(Nic, nics, lambda each: show.nic(each[0], each[1].name))


@router.post("/instances/{ref}/nics", status_code=202, response_model=Accepted)
def attach_nic(call: Calling, ref: RefPath, body: NicRequest, project: Project = "") -> Response:
    """Add a NIC to an instance; while it runs, too."""
    asked = instances.NicRequest(**body.model_dump())
    return accepted(call, call.parts.devices.nics.attach(call.actor, project, ref, asked, call.revision)[1])


@router.patch("/instances/{ref}/nics/{nic}", status_code=202, response_model=Accepted)
def change_nic(call: Calling, ref: RefPath, nic: NicPath, body: NicChange, project: Project = "") -> Response:
    """Cut a NIC's link, or join it again."""
    return accepted(call, call.parts.devices.nics.link(call.actor, project, ref, nic, body.link == "up", call.revision))


@router.delete("/instances/{ref}/nics/{nic}", status_code=202, response_model=Accepted)
def detach_nic(call: Calling, ref: RefPath, nic: NicPath, project: Project = "", deadline_s: Deadline = 60) -> Response:
    """Take a NIC from an instance, and give its address back."""
    return accepted(call, call.parts.devices.nics.detach(call.actor, project, ref, nic, deadline_s, call.revision))
