"""Images, their upload, the catalogue, and flavors."""

from __future__ import annotations

import dataclasses

from fastapi import Request
from starlette.responses import Response

from zcloud.api import show
from zcloud.api.answers import accepted, answer, created, listing, nothing, one
from zcloud.api.params import IdPath, Project, RefPath, routes
from zcloud.api.parts import Calling
from zcloud.api.uploads import receive
from zcloud.domain import instance
from zcloud.services.images import ImageSpec
from zcloud.wire.base import Listing
from zcloud.wire.flavors import Flavor, FlavorCreate
from zcloud.wire.images import CatalogueImage, Image, ImageCreate
from zcloud.wire.operations import Accepted

router = routes("images")


@router.get("/images", response_model=Listing[Image])
def list_images(call: Calling, project: Project = "") -> Response:
    """List the images that the caller may use."""
    return listing(Image, call.parts.images.all(call.actor, project), show.image)


@router.post(
    "/images",
    status_code=202,
    response_model=Accepted,
    responses={201: {"model": Image, "description": "It waits for its bytes."}},
)
def create_image(call: Calling, body: ImageCreate) -> Response:
    """Make an image: 202 and an operation where it comes from a URL, 201 where its bytes are to be sent."""
    image, operation = call.parts.images.create(call.actor, ImageSpec(**body.model_dump()))
    if operation is not None:
        return accepted(call, operation)
    return created(call, Image, show.image(image), f"/v1/images/{image.id}")


@router.get("/images/{ref}", response_model=Image)
def show_image(call: Calling, ref: RefPath, project: Project = "") -> Response:
    """Show an image."""
    return one(Image, show.image(call.parts.images.show(call.actor, ref, project)))


@router.put(
    "/images/{id}/content",
    status_code=202,
    response_model=Accepted,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def upload_image(call: Calling, id: IdPath, request: Request) -> Response:
    """Send the bytes of an image that waits for them; its import begins when all are there."""
    return accepted(call, await receive(call, id, request))


@router.delete("/images/{ref}", status_code=202, response_model=Accepted)
def delete_image(call: Calling, ref: RefPath, project: Project = "") -> Response:
    """Delete an image that nothing is based on."""
    return accepted(call, call.parts.images.delete(call.actor, ref, project, call.revision))


@router.get("/catalogue", response_model=Listing[CatalogueImage])
async def list_catalogue(call: Calling) -> Response:
    """List the official cloud images that can be imported by name."""
    return listing(CatalogueImage, call.parts.catalogue.all(), lambda it: CatalogueImage(**dataclasses.asdict(it)))


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
