"""Snapshots of instances."""

from __future__ import annotations

from starlette.responses import Response

from zcloud.api import show
from zcloud.api.answers import accepted, answer, created, listing, nothing
from zcloud.api.params import Project, RefPath, routes
from zcloud.api.parts import Calling
from zcloud.domain import schedule as schedules
from zcloud.wire.base import Listing
from zcloud.wire.operations import Accepted
from zcloud.wire.snapshots import (
    Schedule,
    ScheduleChange,
    ScheduleCreate,
    Snapshot,
    SnapshotCreate,
    SnapshotRevert,
)

router = routes("snapshots")
_AS_TAKEN = SnapshotRevert()


@router.get("/instances/{ref}/snapshots", response_model=Listing[Snapshot])
def list_snapshots(call: Calling, ref: RefPath, project: Project = "") -> Response:
    """List the snapshots of an instance as a tree: each after its parent, with its depth."""
    return listing(Snapshot, call.parts.owner.snapshots.all(call.actor, project, ref), show.snapshot)


@router.post("/instances/{ref}/snapshots", status_code=202, response_model=Accepted)
def create_snapshot(call: Calling, ref: RefPath, body: SnapshotCreate, project: Project = "") -> Response:
    """Take a snapshot of all disks; a running guest's file systems are held still by its agent meanwhile.

    With memory the guest is paused instead, until its memory is written; it goes on from that moment after a revert.
    """
    create = call.parts.owner.snapshots.create
    return accepted(call, create(call.actor, project, ref, body.name, call.revision, memory=body.memory)[1])


@router.post("/instances/{ref}/snapshots/{snapshot}/revert", status_code=202, response_model=Accepted)
def revert_snapshot(
    call: Calling, ref: RefPath, snapshot: RefPath, body: SnapshotRevert = _AS_TAKEN, project: Project = ""
) -> Response:
    """Go back to a snapshot; a guest that runs loses its power, and is started from there.

    From one with memory the guest goes on as it was then, whether it runs now or not.
    """
    revert = call.parts.owner.snapshots.revert
    return accepted(call, revert(call.actor, project, ref, snapshot, call.revision, disks_only=body.disks_only))


@router.delete("/instances/{ref}/snapshots/{snapshot}", status_code=202, response_model=Accepted)
def delete_snapshot(call: Calling, ref: RefPath, snapshot: RefPath, project: Project = "") -> Response:
    """Delete a snapshot, anywhere in the tree."""
    return accepted(call, call.parts.owner.snapshots.delete(call.actor, project, ref, snapshot))


@router.get("/snapshot-schedules", response_model=Listing[Schedule])
def list_schedules(call: Calling, project: Project = "") -> Response:
    """List schedules of snapshots, of one project or of all that one may see."""
    return listing(Schedule, call.parts.owner.schedules.all(call.actor, project), show.schedule)


@router.post("/snapshot-schedules", status_code=201, response_model=Schedule)
def create_schedule(call: Calling, body: ScheduleCreate) -> Response:
    """Have snapshots taken every so many hours, or daily; what was missed while the server was down is taken once."""
    spec = schedules.ScheduleSpec(body.name, body.instance, body.tag, body.every_h, body.at, body.keep)
    made = call.parts.owner.schedules.create(call.actor, body.project, spec)
    return created(call, Schedule, show.schedule(made), f"/v1/snapshot-schedules/{made.id}")


@router.patch("/snapshot-schedules/{ref}", response_model=Schedule)
def change_schedule(call: Calling, ref: RefPath, body: ScheduleChange, project: Project = "") -> Response:
    """Change when a schedule takes snapshots, and how many it keeps; the next round counts from its last one."""
    changes = body.model_dump(exclude_unset=True)
    return answer(Schedule, show.schedule(call.parts.owner.schedules.change(call.actor, project, ref, changes)))


@router.delete("/snapshot-schedules/{ref}", status_code=204)
def delete_schedule(call: Calling, ref: RefPath, project: Project = "") -> Response:
    """Delete a schedule; the snapshots that it took stay."""
    call.parts.owner.schedules.delete(call.actor, project, ref)
    return nothing()
