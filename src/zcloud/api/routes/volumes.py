"""Volumes, and the disks of instances."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from fastapi import Depends, Query
from starlette.responses import Response

from zcloud.api import show
from zcloud.api.answers import accepted, listing, one, paged
from zcloud.api.params import Part, Project, RefPath, RefQuery, routes
from zcloud.api.parts import Calling
from zcloud.domain import storage
from zcloud.domain.attachment import Attachment, Discard, DiskBus, DiskCache, DiskIo, IoLimits
from zcloud.services.disks import DiskSpec, Parting
from zcloud.services.volumes import Growth, VolumeSpec
from zcloud.wire.base import Listing
from zcloud.wire.operations import Accepted
from zcloud.wire.volumes import (
    Disk,
    DiskAttach,
    DiskChange,
    MoveRequest,
    Volume,
    VolumeChange,
    VolumeClone,
    VolumeCreate,
    VolumeResize,
)

router = routes("volumes")

Unused = Annotated[bool, Query(description="Only those that no instance has.")]
Force = Annotated[bool, Query(description="Do not ask the guest whether the disk is mounted.")]
Delete = Annotated[bool, Query(description="Delete the volume too.")]
Deadline = Annotated[int, Query(ge=1, le=3600, description="Seconds that the guest has to let go of it.")]


async def _how(force: Force = False, delete: Delete = False, deadline_s: Deadline = 60) -> Parting:
    return Parting(force, delete, deadline_s)


How = Annotated[Parting, Depends(_how)]


@router.get("/volumes", response_model=Listing[Volume])
def list_volumes(
    call: Calling, part: Part, project: Project = "", pool: RefQuery = "", unused: Unused = False
) -> Response:
    """List the volumes that the caller may see."""
    volumes = call.parts.devices.volumes
    found = volumes.page(call.actor, project, pool, part, free=unused)
    return paged(Volume, found, partial(show.volume, readers=volumes.readers(found.items)))


@router.post("/volumes", status_code=202, response_model=Accepted)
def create_volume(call: Calling, body: VolumeCreate) -> Response:
    """Make a volume that no instance has yet."""
    spec = VolumeSpec(body.name, body.size, body.pool)
    return accepted(call, call.parts.devices.volumes.create(call.actor, body.project, spec)[1])


@router.get("/volumes/{ref}", response_model=Volume)
def show_volume(call: Calling, ref: RefPath, project: Project = "") -> Response:
    """Show a volume."""
    return _one(call, call.parts.devices.volumes.show(call.actor, project, ref))


@router.patch("/volumes/{ref}", response_model=Volume)
def change_volume(call: Calling, ref: RefPath, body: VolumeChange, project: Project = "") -> Response:
    """Give a volume another name."""
    return _one(call, call.parts.devices.volumes.rename(call.actor, project, ref, body.name, call.revision))


def _one(call: Calling, volume: storage.Volume) -> Response:
    return one(Volume, show.volume(volume, call.parts.devices.volumes.readers([volume])))


@router.post("/volumes/{ref}/resize", status_code=202, response_model=Accepted)
def resize_volume(call: Calling, ref: RefPath, body: VolumeResize, project: Project = "") -> Response:
    """Make a volume larger; a guest that runs with it sees the new size."""
    volumes, revision = call.parts.devices.volumes, call.revision
    how = Growth(body.size, body.filesystems)
    return accepted(call, volumes.resize(call.actor, project, ref, how, revision))


@router.post("/volumes/{ref}/clone", status_code=202, response_model=Accepted)
def clone_volume(call: Calling, ref: RefPath, body: VolumeClone, project: Project = "") -> Response:
    """Make a free volume with the bytes of another one, that no running guest has."""
    spec = VolumeSpec(body.name, body.size, body.pool)
    cloned = call.parts.devices.volumes.clone(call.actor, project, ref, spec)
    return accepted(call, cloned[1])


@router.post("/volumes/{ref}/move", status_code=202, response_model=Accepted)
def move_volume(call: Calling, ref: RefPath, body: MoveRequest, project: Project = "") -> Response:
    """Move a volume to another pool of its host; a guest that runs with it runs on."""
    moving = call.parts.devices.moving
    return accepted(call, moving.move_volume(call.actor, project, ref, body.pool, call.revision))


@router.post("/instances/{ref}/move", status_code=202, response_model=Accepted)
def move_instance(call: Calling, ref: RefPath, body: MoveRequest, project: Project = "") -> Response:
    """Move all disks of an instance to another pool of its host, while it runs or not."""
    moving = call.parts.devices.moving
    return accepted(call, moving.move_instance(call.actor, project, ref, body.pool, call.revision))


@router.delete("/volumes/{ref}", status_code=202, response_model=Accepted)
def delete_volume(call: Calling, ref: RefPath, project: Project = "") -> Response:
    """Delete a volume that no instance has."""
    return accepted(call, call.parts.devices.volumes.delete(call.actor, project, ref, call.revision))


@router.get("/instances/{ref}/disks", response_model=Listing[Disk])
def list_disks(call: Calling, ref: RefPath, project: Project = "") -> Response:
    """List the disks of an instance."""
    return listing(Disk, call.parts.devices.disks.all(call.actor, project, ref), show.disk)


@router.post("/instances/{ref}/disks", status_code=202, response_model=Accepted)
def attach_disk(call: Calling, ref: RefPath, body: DiskAttach, project: Project = "") -> Response:
    """Attach a volume, or a new one, to an instance; while it runs, too."""
    given: dict[str, Any] = body.model_dump(include={"volume", "size", "pool", "name"})
    limits = IoLimits(**body.limits.model_dump())
    attachment = Attachment(
        DiskBus(body.bus),
        body.read_only,
        body.serial,
        limits,
        cache=DiskCache(body.cache),
        io=DiskIo(body.io),
        discard=Discard(body.discard),
        shared=body.shared,
    )
    spec = DiskSpec(**given, attachment=attachment)
    return accepted(call, call.parts.devices.disks.attach(call.actor, project, ref, spec, call.revision)[1])


@router.patch("/instances/{ref}/disks/{disk}", status_code=202, response_model=Accepted)
def limit_disk(call: Calling, ref: RefPath, disk: RefPath, body: DiskChange, project: Project = "") -> Response:
    """Limit what a disk may do a second, at once and for later starts."""
    limits = IoLimits(**body.limits.model_dump())
    return accepted(call, call.parts.devices.disks.limit(call.actor, project, ref, disk, limits, call.revision))


@router.delete("/instances/{ref}/disks/{disk}", status_code=202, response_model=Accepted)
def detach_disk(call: Calling, ref: RefPath, disk: RefPath, how: How, project: Project = "") -> Response:
    """Take a disk from an instance; a running guest is asked first whether it is mounted."""
    return accepted(call, call.parts.devices.disks.detach(call.actor, project, ref, disk, how, call.revision))
