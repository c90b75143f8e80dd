"""Sizes and hardware of instances."""

from __future__ import annotations

from starlette.responses import Response

from zcloud.api.answers import accepted
from zcloud.api.params import Project, RefPath, routes
from zcloud.api.parts import Calling
from zcloud.services.hardware import HardwareChange
from zcloud.services.sizes import SizeChange
from zcloud.wire.instances import HardwareRequest, ResizeRequest
from zcloud.wire.operations import Accepted

router = routes("instances")


@router.post("/instances/{ref}/resize", status_code=202, response_model=Accepted)
def resize_instance(call: Calling, ref: RefPath, body: ResizeRequest, project: Project = "") -> Response:
    """Give an instance another size; a running one at once, or with next_start when it starts again."""
    change = SizeChange(**body.model_dump())
    return accepted(call, call.parts.machines.sizes.resize(call.actor, project, ref, change, call.revision))


@router.patch("/instances/{ref}/hardware", status_code=202, response_model=Accepted)
def change_hardware(call: Calling, ref: RefPath, body: HardwareRequest, project: Project = "") -> Response:
    """Change an instance's hardware, for its guest from the next start on."""
    change = HardwareChange(**body.model_dump())
    return accepted(call, call.parts.machines.hardware.change(call.actor, project, ref, change, call.revision))
