"""What the server says about itself."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request
from starlette.responses import Response

from zcloud.api.answers import answer
from zcloud.api.params import routes
from zcloud.api.parts import ApiParts, parts_of

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


@router.get("/readyz", response_model=dict[str, str])
def readyz(parts: Parts) -> Response:
    """Say whether requests can be served: the store answers."""
    parts.health.check()
    return answer(dict[str, str], {"status": "ok"})


@router.get("/v1/openapi.json", include_in_schema=False)
async def openapi(request: Request) -> Response:
    """Give the API's description."""
    return Response(request.app.state.openapi, media_type="application/json")
