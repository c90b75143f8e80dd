"""The API as an ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import BaseRoute, WebSocketRoute

from zcloud.api.access import check_table
from zcloud.api.bell import Bell
from zcloud.api.edge import Edge
from zcloud.api.openapi import Description
from zcloud.api.parts import ApiParts
from zcloud.api.problems import problem_response
from zcloud.api.routes import ROUTERS


def create_app(parts: ApiParts, pages: Sequence[BaseRoute] = ()) -> FastAPI:
    """Give the application, with ``pages``: the routes of another face, which come first.

    Raises Internal where a route has no row in the access table, or a row no route.
    """
    app = FastAPI(
        title="zcloud",
        version=parts.settings.version,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_lifespan,
        exception_handlers={HTTPException: _no_such_route},
    )
    # The routes as they are: include_router would make each a second time.
    app.router.routes += pages
    app.router.routes += [route for router in ROUTERS for route in router.routes]
    app.router.routes.append(parts.console)
    app.add_middleware(Edge)
    app.state.parts = parts
    app.state.operations_bell, app.state.events_bell = Bell(parts.operations.watch), Bell(parts.events.watch)
    check_table(_routes(app))
    app.state.openapi = Description(app)
    return app


def end_streams(app: FastAPI) -> None:
    """End all streams and long polls, so that the server can stop; may be called in any thread."""
    app.state.operations_bell.close()
    app.state.events_bell.close()


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    await app.state.operations_bell.open()
    await app.state.events_bell.open()
    yield
    end_streams(app)


async def _no_such_route(request: Request, error: Exception) -> Response:
    return problem_response(error, request.state.request_id)


def _routes(app: FastAPI) -> set[tuple[str, str]]:
    routes = [route for route in app.routes if isinstance(route, APIRoute)]
    found = {(method, route.path_format) for route in routes for method in route.methods or ()}
    return found | {("WEBSOCKET", route.path) for route in app.routes if isinstance(route, WebSocketRoute)}
