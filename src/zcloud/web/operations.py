"""Operations: the list, one with its steps, and the stream that tells pages that something changed."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from starlette.responses import RedirectResponse, Response, StreamingResponse

from zcloud.api.streams import first_seq, stream_changes
from zcloud.domain.operation import ENDED, OperationStatus
from zcloud.services.context import Window
from zcloud.services.operations import OperationQuery
from zcloud.web.guard import Visit, change, page

PER_PAGE = 50
VIEWS: dict[str, tuple[OperationStatus, ...]] = {
    "": (),
    "unfinished": tuple(each for each in OperationStatus if each not in ENDED),
    "failed": (OperationStatus.FAILED,),
    "cancelled": (OperationStatus.CANCELLED,),
}


KINDS = ("instance", "image", "volume", "network", "pool", "host", "group")


def list_operations(visit: Visit) -> Response:
    """List operations of a filter, the newest first."""
    given: dict[str, Any] = {"view": visit.field("view"), "kind": visit.line("kind", 40), "by": visit.line("by", 80)}
    query = OperationQuery(status=VIEWS.get(given["view"], ()), resource_kind=given["kind"], actor=given["by"])
    found = visit.parts.operations.page(visit.actor, query, Window("", visit.field("cursor") or None, PER_PAGE))

    def link(**more: str) -> str:
        return "?" + urlencode({name: value for name, value in {**given, **more}.items() if value})

    return visit.show(
        "operations.html", rows=found.items, next_cursor=found.next_cursor, kinds=KINDS, link=link, **given
    )


def show_operation(visit: Visit) -> Response:
    """Show an operation with its steps."""
    found = visit.parts.operations.show(visit.actor, visit.request.path_params["id"])
    return visit.show("operation.html", it=found, ended=found.status in ENDED)


def cancel(visit: Visit) -> Response:
    """Ask an operation to stop at its next step."""
    found = visit.parts.operations.cancel(visit.actor, visit.request.path_params["id"])
    return RedirectResponse(f"/operations/{found.id}", 303)


def retry(visit: Visit) -> Response:
    """Wake an operation, or ask again for one that failed."""
    found = visit.parts.operations.retry(visit.actor, visit.request.path_params["id"])
    return RedirectResponse(f"/operations/{found.id}", 303)


async def follow(visit: Visit) -> Response:
    """Tell which things changed that the person may see, from Last-Event-ID on."""
    stream = stream_changes(visit, *await first_seq(visit, None))
    return StreamingResponse(stream, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


ROUTES = (
    page("/operations", "GET /v1/operations", list_operations),
    page("/operations/{id}", "GET /v1/operations/{id}", show_operation),
    change("/operations/{id}/cancel", "POST /v1/operations/{id}/cancel", cancel),
    change("/operations/{id}/retry", "POST /v1/operations/{id}/retry", retry),
    page("/live", "GET /v1/events", follow),
)
