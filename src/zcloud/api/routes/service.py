"""What the server says about itself."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from zcloud.api.answers import answer
from zcloud.api.params import routes
from zcloud.api.parts import ApiParts, parts_of
from zcloud.services.exposition import CONTENT_TYPE
from zcloud.wire.health import Readiness, ReadyCheck

router = routes("service", prefix="")


async def _parts(request: Request) -> ApiParts:
    return parts_of(request)


Parts = Annotated[ApiParts, Depends(_parts)]


@router.get("/", response_model=dict[str, str])
async def about(parts: Parts) -> Response:
    """Say what this is and where its documentation is."""
    told = {
        "service": "zcloud",
        "version": parts.settings.version,
        "zone": parts.settings.zone,
        "api": "/v1",
        "openapi": "/v1/openapi.json",
    }
    return answer(dict[str, str], told)


@router.get("/healthz", response_model=dict[str, str])
async def healthz() -> Response:
    """Say that the process lives."""
    return answer(dict[str, str], {"status": "ok"})


@router.get("/readyz", response_model=Readiness, responses={503: {"model": Readiness}})
def readyz(parts: Parts) -> Response:
    """Say whether requests can be served and operations are run, and why not (503).

    The schema is the right one, the store can be written, a worker beats, and an observer watches.
    """
    checks = tuple(ReadyCheck(each.name, not each.reason, each.reason) for each in parts.health.check())
    if all(each.ok for each in checks):
        return answer(Readiness, Readiness("ok", checks))
    return answer(Readiness, Readiness("unready", checks), 503)


@router.get("/metrics", response_class=PlainTextResponse)
def metrics(parts: Parts) -> Response:
    """Give all metrics in Prometheus' text format.

    A token with the role viewer everywhere reads them (`zcloud token create NAME --role viewer`), or anybody on this
    machine where `metrics.open_on_loopback` is set. No host is asked: what is told of guests is what the observer
    saw last.
    """
    return StreamingResponse(parts.whole.metrics.read(), media_type=CONTENT_TYPE)


@router.get("/v1/openapi.json", include_in_schema=False)
def openapi(request: Request) -> Response:
    """Give the API's description."""
    return Response(request.app.state.openapi.read(), media_type="application/json")
