"""Images, their upload, the catalogue, and flavors."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Literal

from fastapi import Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from zcloud.api import show
from zcloud.api.answers import accepted, answer, created, listing, nothing, one
from zcloud.api.params import IdPath, Offset, Project, RefPath, routes
from zcloud.api.parts import Call, Calling
from zcloud.api.uploads import receive
from zcloud.domain import instance
from zcloud.services.images import ImageSpec
from zcloud.wire.base import Listing
from zcloud.wire.flavors import Flavor, FlavorCreate
from zcloud.wire.images import CatalogueImage, Image, ImageCreate, Upload, UploadFinish
from zcloud.wire.operations import Accepted

router = routes("images")

Format = Annotated[
    Literal["", "qcow2", "raw", "iso"], Query(description="Only those of this format; iso: media, for CD drives.")
]


@router.get("/images", response_model=Listing[Image])
def list_images(call: Calling, project: Project = "", format: Format = "") -> Response:
    """List the images that the caller may use."""
    return listing(Image, call.parts.images.all(call.actor, project, format), show.image)


@router.post(
    "/images",
    status_code=202,
    response_model=Accepted,
    responses={201: {"model": Image, "description": "It waits for its bytes."}},
)
def create_image(call: Calling, body: ImageCreate) -> Response:
    """Make an image: 202 and an operation where it comes from a URL, 201 where its bytes are to be sent."""
    if body.source.kind == "upload":
        call.parts.uploads.arrivals.check_room(body.source.size)
    image, operation = call.parts.images.create(call.actor, ImageSpec(**body.model_dump()))
    if operation is not None:
        return accepted(call, operation)
    return created(call, Image, show.image(image), f"/v1/images/{image.id}")


@router.get("/images/{ref}", response_model=Image)
def show_image(call: Calling, ref: RefPath, project: Project = "") -> Response:
    """Show an image."""
    return one(Image, show.image(call.parts.images.show(call.actor, ref, project)))


@router.get("/uploads", response_model=Listing[Upload])
def list_uploads(call: Calling, project: Project = "") -> Response:
    """List the images that wait for bytes, and how many of them are there."""
    limit = call.parts.uploads.arrivals.limits.max_piece
    return listing(Upload, call.parts.uploads.all(call.actor, project), lambda it: show.upload(it, limit))


@router.get("/images/{id}/upload", response_model=Upload)
def show_upload(call: Calling, id: IdPath) -> Response:
    """Show where an upload is to go on."""
    return _upload(call, id, tail=True)


@router.put(
    "/images/{id}/upload",
    response_model=Upload,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def send_piece(call: Calling, id: IdPath, offset: Offset, request: Request) -> Response:
    """Send the piece of an upload that begins at ``offset``; what came is kept also when the connection breaks.

    With ``Content-Digest: sha-256=:...:`` (RFC 9530) the piece is kept whole or not at all.
    """
    await receive(call, id, offset, request)
    return await run_in_threadpool(_upload, call, id, tail=False)


@router.post("/images/{id}/upload/finish", status_code=202, response_model=Accepted)
def finish_upload(call: Calling, id: IdPath, body: UploadFinish) -> Response:
    """Say that all bytes were sent: the image's import begins."""
    return accepted(call, call.parts.uploads.finish(call.actor, id, body.sha256))


def _upload(call: Call, id: str, *, tail: bool) -> Response:
    found = call.parts.uploads.show(call.actor, id, tail=tail)
    shown = show.upload(found, call.parts.uploads.arrivals.limits.max_piece)
    return answer(Upload, shown, upload_offset=str(shown.offset))


@router.post("/images/{ref}/pause", status_code=202, response_model=Accepted)
def pause_image(call: Calling, ref: RefPath, project: Project = "") -> Response:
    """Let an image's download rest; what came of it is kept."""
    return accepted(call, call.parts.images.pause(call.actor, ref, project))


@router.post("/images/{ref}/resume", status_code=202, response_model=Accepted)
def resume_image(call: Calling, ref: RefPath, project: Project = "") -> Response:
    """Let an image's paused download go on where it was."""
    return accepted(call, call.parts.images.resume(call.actor, ref, project))


@router.delete("/images/{ref}", status_code=202, response_model=Accepted)
def delete_image(call: Calling, ref: RefPath, project: Project = "") -> Response:
    """Delete an image that nothing is based on."""
    return accepted(call, call.parts.images.delete(call.actor, ref, project, call.revision))


@router.get("/catalogue", response_model=Listing[CatalogueImage])
async def list_catalogue(call: Calling) -> Response:
    """List the official cloud images that can be imported by name."""
    return listing(
        CatalogueImage, call.parts.known.catalogue.all(), lambda it: CatalogueImage(**dataclasses.asdict(it))
    )


@router.get("/flavors", response_model=Listing[Flavor])
def list_flavors(call: Calling) -> Response:
    """List the named sizes."""
    return listing(Flavor, call.parts.flavors.all(), show.flavor)


@router.post("/flavors", status_code=201, response_model=Flavor)
def create_flavor(call: Calling, body: FlavorCreate) -> Response:
    """Add a named size."""
    flavor = call.parts.flavors.add(call.actor, instance.Flavor(**body.model_dump()))
    return created(call, Flavor, show.flavor(flavor), f"/v1/flavors/{flavor.name}")


@router.get("/flavors/{ref}", response_model=Flavor)
def show_flavor(call: Calling, ref: RefPath) -> Response:
    """Show a named size."""
    return answer(Flavor, show.flavor(call.parts.flavors.show(ref)))


@router.delete("/flavors/{ref}", status_code=204)
def delete_flavor(call: Calling, ref: RefPath) -> Response:
    """Remove a named size; instances made with it stay as they are."""
    call.parts.flavors.remove(call.actor, ref)
    return nothing()
