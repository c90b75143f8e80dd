"""The outermost layer: a request id, security headers, and an answer whatever happens inside."""

from __future__ import annotations

import re
import time
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from zcloud.api.problems import problem_response
from zcloud.base import meters
from zcloud.base.ids import new_id

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}


class Edge:
    """ASGI middleware around everything."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else new_id()
        state: dict[str, Any] = scope.setdefault("state", {})
        state["request_id"] = request_id
        begun, asked_at = False, time.perf_counter()

        async def send_with_headers(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                _count(scope, message["status"], time.perf_counter() - asked_at)
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = request_id
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except Exception as error:
            if begun:
                raise
            await problem_response(error, request_id)(scope, receive, send_with_headers)


def _count(scope: Scope, status: int, seconds: float) -> None:
    """Count an answer by its route, never by what the client made up."""
    route = str(getattr(scope.get("route"), "path_format", "none"))
    method = scope["method"] if scope["method"] in _METHODS else "other"
    meters.REQUESTS.labels(method, route, str(status)).inc()
    meters.REQUEST_SECONDS.labels(method, route).observe(seconds)
