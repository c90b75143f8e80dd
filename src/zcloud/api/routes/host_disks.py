"""Hosts' own disks."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from zcloud.api import show
from zcloud.api.answers import accepted, answer, listing
from zcloud.api.params import LineQuery, RefPath, routes
from zcloud.api.parts import Calling
from zcloud.domain.hostdisk import FileSystem, Wish
from zcloud.wire.base import Listing
from zcloud.wire.hostdisks import DiskPrepare, DiskRelease, FileSystemName, HostDisk, Preparation
from zcloud.wire.operations import Accepted

router = routes("hosts")
Erase = Annotated[bool, Query(description="What is on it may be lost.")]


@router.get("/hosts/{ref}/disks", response_model=Listing[HostDisk])
def list_host_disks(call: Calling, ref: RefPath) -> Response:
    """List a host's disks, what is on them and who uses them; the host is asked."""
    return listing(HostDisk, call.parts.devices.host_disks.all(call.actor, ref), show.host_disk)


@router.get("/hosts/{ref}/disks/{disk}/preparation", response_model=Preparation)
def plan_preparation(
    call: Calling,
    ref: RefPath,
    disk: RefPath,
    mount: LineQuery,
    filesystem: FileSystemName = "ext4",
    erase: Erase = False,
) -> Response:
    """Say what preparing a disk for pools would do and what would be lost; nothing is changed."""
    wish = Wish(mount, FileSystem(filesystem), erase)
    return answer(Preparation, show.preparation(call.parts.devices.host_disks.plan(call.actor, ref, disk, wish)))


@router.post("/hosts/{ref}/disks/{disk}/prepare", status_code=202, response_model=Accepted)
def prepare_disk(call: Calling, ref: RefPath, disk: RefPath, body: DiskPrepare) -> Response:
    """Give a disk a partition, a file system and a mount, as its plan said."""
    wish = Wish(body.mount, FileSystem(body.filesystem), body.erase)
    return accepted(call, call.parts.devices.host_disks.prepare(call.actor, ref, disk, wish, body.digest))


@router.post("/hosts/{ref}/disks/release", status_code=202, response_model=Accepted)
def release_disk(call: Calling, ref: RefPath, body: DiskRelease) -> Response:
    """Unmount a disk that was prepared, for good; what is on it stays."""
    return accepted(call, call.parts.devices.host_disks.release(call.actor, ref, body.mount))
