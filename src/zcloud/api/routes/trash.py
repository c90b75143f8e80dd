"""The trash: deleted instances that can still be brought back."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Body
from starlette.responses import Response

from zcloud.api import show
from zcloud.api.answers import accepted, answer, paged
from zcloud.api.params import Part, Project, RefPath, routes
from zcloud.api.parts import Calling
from zcloud.services.instances import InstanceView
from zcloud.wire.base import Listing
from zcloud.wire.operations import Accepted
from zcloud.wire.trash import Emptied, Trashed, TrashEmpty, TrashRestore

router = routes("trash")

Restore = Annotated[TrashRestore, Body()]
Empty = Annotated[TrashEmpty, Body()]
_AS_IT_WAS, _MINE = TrashRestore(), TrashEmpty()  # what a request without a body asks for


@router.get("/trash", response_model=Listing[Trashed])
def list_trash(call: Calling, part: Part, project: Project = "") -> Response:
    """List the deleted instances that can still be brought back."""
    trash = call.parts.owner.trash

    def convert(view: InstanceView) -> Trashed:
        it = view.instance
        return Trashed(
            id=it.id,
            name=str(it.trash["name"]),
            project=view.names.project,
            host=view.names.host,
            vcpus=it.vcpus,
            memory_mib=it.memory_mib,
            disk_size=sum(each.size for each in view.volumes),
            tags=it.tags,
            protected=it.protected,
            operation_id=it.operation_id,
            at=datetime.fromisoformat(it.trash["at"]),
            until=trash.until(it),
        )

    return paged(Trashed, trash.page(call.actor, project, part), convert)


@router.post("/trash/empty", status_code=202, response_model=Emptied)
def empty_trash(call: Calling, body: Empty = _MINE) -> Response:
    """Remove all that is in a project's trash for good."""
    begun = call.parts.owner.trash.empty(call.actor, body.project)
    return answer(Emptied, Emptied(tuple(map(show.operation, begun))), 202)


@router.post("/trash/{ref}/restore", status_code=202, response_model=Accepted)
def restore_from_trash(call: Calling, ref: RefPath, body: Restore = _AS_IT_WAS, project: Project = "") -> Response:
    """Bring a deleted instance back; it is stopped then."""
    return accepted(call, call.parts.owner.trash.restore(call.actor, project, ref, body.name))


@router.delete("/trash/{ref}", status_code=202, response_model=Accepted)
def purge_from_trash(call: Calling, ref: RefPath, project: Project = "") -> Response:
    """Remove an instance in the trash for good."""
    return accepted(call, call.parts.owner.trash.purge(call.actor, project, ref))
