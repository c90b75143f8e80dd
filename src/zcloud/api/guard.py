"""What every route goes through: who is it, may they, was it answered before, and what to write down."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from zcloud.api.access import ROUTES, Rule, Scope, admit
from zcloud.api.parts import ApiParts, parts_of
from zcloud.api.problems import ProblemResponse, problem_response
from zcloud.domain.errors import AlreadyExists, PayloadTooLarge, Unauthenticated
from zcloud.domain.people import Actor
from zcloud.services.audit import Answered
from zcloud.services.idempotency import StoredAnswer
from zcloud.services.signin import Origin

Handler = Callable[[Request], Awaitable[Response]]

_CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_HURRIED = _CHANGING - {"PUT"}  # an upload takes as long as it takes
_MAX_SECRET = 200
_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip", "via")
_KEPT_HEADERS = ("location", "etag", "content-type")


class BoundedRequest(Request):
    """A request whose body is read up to a limit only."""

    async def body(self) -> bytes:
        """Give the whole body; raises PayloadTooLarge."""
        known: bytes | None = getattr(self, "_body", None)
        if known is None:
            known = self._body = await self._read(parts_of(self).settings.max_body)
        return known

    async def _read(self, limit: int) -> bytes:
        announced = self.headers.get("content-length", "")
        if announced.isdecimal() and int(announced[:20]) > limit:
            raise PayloadTooLarge(f"A body has at most {limit} bytes.", limit=limit)
        chunks, size = list[bytes](), 0
        async for chunk in self.stream():
            size += len(chunk)
            if size > limit:
                raise PayloadTooLarge(f"A body has at most {limit} bytes.", limit=limit)
            chunks.append(chunk)
        return b"".join(chunks)


class GuardedRoute(APIRoute):
    """A route behind the access table.

    Its handler writes its answer itself. FastAPI's models of answers, a second's work for all routes, are only for the
    description: ``described`` makes them.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        self.described = partial(APIRoute, path, endpoint, **options)
        super().__init__(path, endpoint, **{**options, "response_model": None, "responses": {}})

    def get_route_handler(self) -> Callable[[Request], Any]:
        """Give the handler that guards FastAPI's own."""
        inner = super().get_route_handler()
        path = self.path_format

        async def handle(request: Request) -> Response:
            rule, guarded = ROUTES[(request.method, path)], BoundedRequest(request.scope, request.receive)
            if request.method not in _HURRIED:
                return await _serve(guarded, rule, path, inner)
            with parts_of(request).first():
                return await _serve(guarded, rule, path, inner)

        return handle


async def _serve(request: BoundedRequest, rule: Rule, path: str, inner: Handler) -> Response:
    parts, request_id = parts_of(request), request.state.request_id
    actor: Actor | None = None
    try:
        if rule.scope is not Scope.PUBLIC and not (rule.local and _is_local(request, parts)):
            actor = await _authenticate(request, parts)
            request.state.actor = actor
            admit(actor, rule)
        if request.method in _CHANGING and not rule.always:
            await run_in_threadpool(parts.reconcile.check_changes)
        if request.method in ("POST", "PATCH"):
            await request.body()  # refused before anything else when it is too large
        response = await _once(request, rule, actor, inner)
    except Exception as error:  # noqa: BLE001 - every error has an answer
        response = problem_response(error, request_id)
    if actor is not None and request.method in _CHANGING and (response.status_code >= 400 or not rule.part):
        also = getattr(request.state, "also", _nothing_else)
        await run_in_threadpool(parts.audit.record, actor, _answered(request, path, response), also)
    return response


def _is_local(request: Request, parts: ApiParts) -> bool:
    """Say whether a request comes from this machine itself and not through a proxy on it, where that is enough."""
    if not parts.settings.open_metrics or any(name in request.headers for name in _FORWARDED):
        return False
    return request.client is not None and request.client.host in ("127.0.0.1", "::1")


async def _authenticate(request: Request, parts: ApiParts) -> Actor:
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not 0 < len(secret) <= _MAX_SECRET or not secret.isascii():
        raise Unauthenticated("The request has no session or token.")
    return await run_in_threadpool(parts.signin.authenticate, secret, origin_of(request))


def origin_of(request: Request, client: str = "") -> Origin:
    """Give where a request comes from; ``client`` is what it calls itself."""
    address = request.client.host if request.client else ""
    return Origin(address, client or request.headers.get("user-agent", "")[:200], request.state.request_id)


async def _once(request: Request, rule: Rule, actor: Actor | None, inner: Handler) -> Response:
    """Answer; with an Idempotency-Key, answer what was answered before.

    What keeps a new answer is left in the request's state: it is one commit with the audit entry.
    """
    key = request.headers.get("idempotency-key")
    if key is None or actor is None or request.method != "POST":
        return await inner(request)
    kept, body = parts_of(request).idempotency, await request.body()
    asked = (request.method, request.url.path, request.url.query)
    stored = await run_in_threadpool(kept.begin, actor, key, asked, body)
    if stored is not None:
        return Response(stored.body, stored.status, {**stored.headers, "Idempotency-Replayed": "true"})
    response = await _answer(request, inner)
    if response.status_code >= 500:
        await run_in_threadpool(kept.abandon, actor, key)
    else:
        request.state.also = kept.finishing(actor, key, _to_keep(request, rule, response))
    return response


def _nothing_else(tx: object) -> None:
    del tx


async def _answer(request: Request, inner: Handler) -> Response:
    try:
        return await inner(request)
    except Exception as error:  # noqa: BLE001 - a refusal is an answer, and is given again
        return problem_response(error, request.state.request_id)


def _to_keep(request: Request, rule: Rule, response: Response) -> StoredAnswer:
    if rule.reveals and response.status_code < 400:
        again = AlreadyExists("This was answered before, with a secret that is shown once.")
        response = problem_response(again, request.state.request_id)
    headers = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
    return StoredAnswer(response.status_code, headers, bytes(response.body).decode())


def _answered(request: Request, path: str, response: Response) -> Answered:
    outcome = response.code if isinstance(response, ProblemResponse) else "ok"
    if "idempotency-replayed" in response.headers:
        outcome = "replayed"
    resource = getattr(request.state, "resource", request.url.path)
    return Answered(f"{request.method} {path}", str(resource)[:255], outcome)
