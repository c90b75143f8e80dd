"""Snapshots of instances."""

from __future__ import annotations

from starlette.responses import Response

from zcloud.api import show
from zcloud.api.answers import accepted, listing
from zcloud.api.params import Project, RefPath, routes
from zcloud.api.parts import Calling
from zcloud.wire.base import Listing
from zcloud.wire.operations import Accepted
from zcloud.wire.snapshots import Snapshot, SnapshotCreate

router = routes("snapshots")


@router.get("/instances/{ref}/snapshots", response_model=Listing[Snapshot])
def list_snapshots(call: Calling, ref: RefPath, project: Project = "") -> Response:
    """List the snapshots of an instance as a tree: each after its parent, with its depth."""
    return listing(Snapshot, call.parts.owner.snapshots.all(call.actor, project, ref), show.snapshot)


@router.post("/instances/{ref}/snapshots", status_code=202, response_model=Accepted)
def create_snapshot(call: Calling, ref: RefPath, body: SnapshotCreate, project: Project = "") -> Response:
    """Take a snapshot of all disks; a running guest's file systems are held still by its agent meanwhile."""
    create = call.parts.owner.snapshots.create
    return accepted(call, create(call.actor, project, ref, body.name, call.revision)[1])


@router.post("/instances/{ref}/snapshots/{snapshot}/revert", status_code=202, response_model=Accepted)
def revert_snapshot(call: Calling, ref: RefPath, snapshot: RefPath, project: Project = "") -> Response:
    """Go back to a snapshot; a guest that runs loses its power, and is started from there."""
    return accepted(call, call.parts.owner.snapshots.revert(call.actor, project, ref, snapshot, call.revision))


@router.delete("/instances/{ref}/snapshots/{snapshot}", status_code=202, response_model=Accepted)
def delete_snapshot(call: Calling, ref: RefPath, snapshot: RefPath, project: Project = "") -> Response:
    """Delete a snapshot, anywhere in the tree."""
    return accepted(call, call.parts.owner.snapshots.delete(call.actor, project, ref, snapshot))
