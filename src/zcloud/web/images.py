"""Images and CDs: the lists, one of them, importing one from the catalogue or an address, and sending one."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, RedirectResponse, Response

from zcloud.api.uploads import receive
from zcloud.domain.errors import InvalidInput, ZcloudError
from zcloud.domain.image import CD, Image, ImageState
from zcloud.domain.operation import ENDED, OperationStatus, StepStatus
from zcloud.domain.people import Role
from zcloud.services.context import Window
from zcloud.services.images import ImageSpec
from zcloud.services.instances import InstanceQuery
from zcloud.services.media import DRIVERS
from zcloud.services.operations import OperationQuery
from zcloud.web.guard import Visit, change, page, piece

PIECE = 8 << 20
"""So many bytes a browser sends at once: a lost connection costs less than these."""

_SHOWN, _MOST = 20, 200
_UNFINISHED = tuple(each for each in OperationStatus if each not in ENDED)
_NEW = {"kind": "catalogue", "name": "", "catalogue": "", "url": "", "checksum": "", "os_id": "", "default_user": "",
        "min_memory_mib": "", "project": "", "public": ""}  # fmt: skip


def list_images(visit: Visit) -> Response:
    """List the images that the person may use, with how far those are that come."""
    rows = [each for each in visit.parts.images.all(visit.actor) if each.format != CD]
    return visit.show("images.html", rows=rows, shares=_shares(visit))


def list_media(visit: Visit) -> Response:
    """List the CDs of the library, with how far those are that come."""
    rows = visit.parts.images.all(visit.actor, format=CD)
    return visit.show("media.html", rows=rows, shares=_shares(visit), drivers=DRIVERS)


def show_image(visit: Visit) -> Response:
    """Show an image: what it is, where it came from, who uses it, and how far it is."""
    parts, actor = visit.parts, visit.actor
    image = parts.images.show(actor, _ref(visit), visit.field("project"))
    waits = image.state is ImageState.WAITING
    operations = parts.operations.page(actor, OperationQuery(resource_id=image.id), Window(limit=6)).items
    using = InstanceQuery(inserted=image.id) if image.format == CD else InstanceQuery(image=image.id)
    return visit.show(
        "image.html",
        it=image,
        users=parts.instances.page(actor, using, Window(limit=_SHOWN, count=True)),
        operations=operations,
        running=next((each for each in operations if each.status not in ENDED), None),
        upload=next((each for each in parts.uploads.all(actor) if each.image.id == image.id), None) if waits else None,
        piece=_piece(visit),
        source=_address(image),
        drivers=DRIVERS,
    )


def _piece(visit: Visit) -> int:
    return min(PIECE, visit.parts.uploads.arrivals.limits.max_piece)


def _address(image: Image) -> str:
    """Give where an image came from, without what may be a signature."""
    url = urlsplit(str(image.source.get("url", "")))
    return url._replace(query="", fragment="").geturl()


def ask_for_image(visit: Visit) -> Response:
    """Ask where an image is to come from."""
    kind = {"kind": "upload"} if _of_media(visit) else {}
    return _form(visit, {**_NEW, **kind, "catalogue": visit.field("catalogue")})


def add_image(visit: Visit) -> Response:
    """Import an image; one that is sent from the browser waits for its bytes, which the page's script then sends."""
    sends = visit.field("kind") == "upload"
    try:
        if sends:
            visit.parts.uploads.arrivals.check_room(visit.number("size"))
        image, _ = visit.parts.images.create(visit.actor, _spec(visit))
    except ZcloudError as error:
        if _from_script(visit):
            raise
        return _form(visit, {**_NEW, **visit.given}, error)
    if sends and _from_script(visit):
        return JSONResponse({"id": image.id, "name": image.name}, 201)
    return RedirectResponse(f"/images/{image.id}", 303)


def _form(visit: Visit, given: dict[str, str], error: ZcloudError | None = None) -> Response:
    values: dict[str, Any] = {
        "given": given, "catalogue": visit.parts.known.catalogue.all(), "piece": _piece(visit),
        "media": _of_media(visit),
        "operator": visit.actor.role is not None and visit.actor.role.includes(Role.OPERATOR),
    }  # fmt: skip
    if error is not None:
        return visit.ask_again("image_new.html", error, **values)
    return visit.show("image_new.html", error=None, **values)


def _spec(visit: Visit) -> ImageSpec:
    kind, chosen = visit.field("kind"), visit.line("catalogue", 80)
    checksum = visit.line("checksum", 135)
    sources: dict[str, dict[str, Any]] = {
        "catalogue": {"kind": kind, "name": chosen, "checksum": checksum},
        "url": {"kind": kind, "url": visit.line("url", 2000), "checksum": checksum},
        "upload": {"kind": kind, "size": visit.number("size"), "checksum": ""},
    }
    if kind not in sources:
        raise InvalidInput(f"There is no source {kind[:40]!r}.", field="kind")
    return ImageSpec(
        name=visit.line("name") or (chosen.replace(".", "-") if kind == "catalogue" else ""),
        source=sources[kind],
        project=visit.line("project", 80),
        public=bool(visit.field("public")),
        format=CD if _of_media(visit) else "",
        os_id=visit.line("os_id"),
        default_user=visit.line("default_user"),
        min_memory_mib=visit.number("min_memory_mib"),
    )


def pause(visit: Visit) -> Response:
    """Let an image's download rest."""
    visit.parts.images.pause(visit.actor, _ref(visit))
    return RedirectResponse(f"/images/{_ref(visit)}", 303)


def resume(visit: Visit) -> Response:
    """Let a paused download go on."""
    visit.parts.images.resume(visit.actor, _ref(visit))
    return RedirectResponse(f"/images/{_ref(visit)}", 303)


def delete(visit: Visit) -> Response:
    """Delete an image that nothing is based on."""
    operation = visit.parts.images.delete(visit.actor, _ref(visit))
    return RedirectResponse(f"/operations/{operation.id}", 303)


def show_upload(visit: Visit) -> Response:
    """Tell a browser where its upload is to go on."""
    return _where(visit, tail=True)


async def send_piece(visit: Visit) -> Response:
    """Take the piece of an upload that begins at ``offset``."""
    offset = visit.request.query_params.get("offset", "")
    if not (offset.isascii() and offset.isdecimal() and len(offset) < 19):
        raise InvalidInput("offset must be a whole number.", field="offset")
    await receive(visit, _ref(visit), int(offset), visit.request)
    return await run_in_threadpool(_where, visit, tail=False)


def finish_upload(visit: Visit) -> Response:
    """Begin the import of what was sent."""
    visit.parts.uploads.finish(visit.actor, _ref(visit))
    return JSONResponse({"url": f"/images/{_ref(visit)}"}, 202)


def _where(visit: Visit, *, tail: bool) -> Response:
    found = visit.parts.uploads.show(visit.actor, _ref(visit), tail=tail)
    return JSONResponse({"offset": found.offset, "size": found.size, "tail_sha256": found.tail_sha256})


def _shares(visit: Visit) -> dict[str, float]:
    """Give how much has come of each image that comes, where that is known."""
    query = OperationQuery(status=_UNFINISHED, resource_kind="image")
    operations = visit.parts.operations.page(visit.actor, query, Window(limit=_MOST)).items
    steps = {each.resource_id: step for each in operations for step in each.steps if step.status == StepStatus.RUNNING}
    uploads = visit.parts.uploads.all(visit.actor)
    return {id: step.done / step.total for id, step in steps.items() if step.total} | {
        each.image.id: each.offset / each.size for each in uploads if each.size
    }


def _of_media(visit: Visit) -> bool:
    return visit.request.url.path == _NEW_CD


def _from_script(visit: Visit) -> bool:
    return "hx-request" in visit.request.headers


def _ref(visit: Visit) -> str:
    return str(visit.request.path_params["ref"])


_ONE = "/images/{ref}"
_NEW_CD = "/media/new"
ROUTES = (
    page("/images", "GET /v1/images", list_images),
    page("/images/new", "POST /v1/images", ask_for_image),
    change("/images/new", "POST /v1/images", add_image),
    page("/media", "GET /v1/images", list_media),
    page(_NEW_CD, "POST /v1/images", ask_for_image),
    change(_NEW_CD, "POST /v1/images", add_image),
    page(_ONE, "GET /v1/images/{ref}", show_image),
    change(f"{_ONE}/pause", "POST /v1/images/{ref}/pause", pause),
    change(f"{_ONE}/resume", "POST /v1/images/{ref}/resume", resume),
    change(f"{_ONE}/delete", "DELETE /v1/images/{ref}", delete),
    page(f"{_ONE}/upload", "GET /v1/images/{id}/upload", show_upload),
    piece(f"{_ONE}/upload", "PUT /v1/images/{id}/upload", send_piece),
    change(f"{_ONE}/upload/finish", "POST /v1/images/{id}/upload/finish", finish_upload),
)
