"""What every page goes through: who looks, may they, and was a change asked for by a page of ours.

A page has no row of its own in the access table: it takes what the API's route takes that does the same.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import cast
from urllib.parse import parse_qs, quote, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from zcloud.api.access import ROUTES, Rule, Scope, admit
from zcloud.api.guard import BoundedRequest, origin_of
from zcloud.api.parts import ApiParts, Call, parts_of
from zcloud.api.problems import STATUS, translate
from zcloud.domain.errors import Forbidden, InvalidInput, Kind, Unauthenticated, ZcloudError
from zcloud.domain.people import Actor
from zcloud.services.audit import Answered
from zcloud.web.render import COOKIE, render

NOBODY = Actor(user_id="", user_name="", role=None)
_MAX_SECRET, _MAX_FIELDS = 200, 2000
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Visit(Call):
    """One request of a browser; ``form`` has what the fields of a change hold."""

    form: Mapping[str, list[str]]

    def field(self, name: str) -> str:
        """Give a field's value, or what the address has by that name; empty where there is none."""
        return self.form[name][-1] if self.form.get(name) else self.request.query_params.get(name, "")

    @property
    def given(self) -> dict[str, str]:
        """Give what was filled in, each field's last value."""
        return {name: values[-1] for name, values in self.form.items() if values}

    def line(self, name: str, most: int = 255) -> str:
        """Give a field's text, one line without the spaces around it; raises InvalidInput."""
        text = self.field(name).strip()
        if len(text) > most or not text.isprintable():
            raise InvalidInput(f"{name} must be one line of at most {most} characters.", field=name)
        return text

    def number(self, name: str, default: int = 0) -> int:
        """Give a field's whole number, or the default where it is empty; raises InvalidInput."""
        text = self.line(name, 18)
        if text and not (text.isascii() and text.isdecimal()):
            raise InvalidInput(f"{name} must be a whole number, not {text!r}.", field=name)
        return int(text or default)

    def ratio(self, name: str, default: float = 1.0) -> float:
        """Give a field's number such as ``1.5``, or the default where it is empty; raises InvalidInput."""
        text = self.line(name, 18)
        try:
            return float(text or default)
        except ValueError:
            raise InvalidInput(f"{name} must be a number such as 1.5, not {text!r}.", field=name) from None

    def show(self, template: str, status: int = 200, **values: object) -> Response:
        """Answer with a page."""
        return render(self.request, self.actor, template, status, **values)

    def ask_again(self, template: str, error: ZcloudError, **values: object) -> Response:
        """Answer a form that was refused with the same form: what was filled in stays, and it says what is wrong."""
        response = self.show(template, STATUS[error.kind], error=error, **values)
        response.headers["X-Zcloud-Error"] = error.code
        return response


Handler = Callable[[Visit], Response] | Callable[[Visit], Awaitable[Response]]


def page(path: str, like: str, handler: Handler) -> Route:
    """Give the route of a page that takes what the API's route takes, such as ``GET /v1/instances``."""
    return Route(path, _guarded(path, _rule(like), handler), methods=["GET"])


def change(path: str, like: str, handler: Handler) -> Route:
    """Give the route of a form: a change that takes what the API's route takes."""
    return Route(path, _guarded(path, _rule(like), handler), methods=["POST"])


def rehearse(path: str, like: str, handler: Handler) -> Route:
    """Give the route of a form that is asked about as it is filled in: it changes nothing, so nothing is audited."""
    return Route(path, _guarded(path, _rule(like), handler, audited=False), methods=["POST"])


def piece(path: str, like: str, handler: Handler) -> Route:
    """Give the route that takes a piece of a file, whose bytes the handler reads as they come."""
    return Route(path, _guarded(path, _rule(like), handler), methods=["PUT"])


def _rule(like: str) -> Rule:
    method, _, path = like.partition(" ")
    return ROUTES[(method, path)]


def _guarded(
    path: str, rule: Rule, handler: Handler, *, audited: bool = True
) -> Callable[[Request], Awaitable[Response]]:
    async def serve(request: Request) -> Response:
        request.state.actor = NOBODY
        try:
            response = await _answer(await _admitted(request, rule), handler)
        except Unauthenticated:
            return _to_sign_in(request)
        except Exception as error:  # noqa: BLE001 - every error has a page
            response = _trouble(request, error)
        actor = request.state.actor
        worth = audited and _changes(request) and (response.status_code >= 400 or not rule.part)
        if worth and actor is not NOBODY:
            answered = _answered(request, path, response)
            await run_in_threadpool(parts_of(request).audit.record, actor, answered)
        return response

    return serve


async def _admitted(request: Request, rule: Rule) -> Visit:
    """Give the visit of who may; raises Unauthenticated, Forbidden, PayloadTooLarge, Reconciling."""
    parts, form = parts_of(request), dict[str, list[str]]()
    if _changes(request):
        _check_origin(request)
    if request.method == "POST":
        body = await BoundedRequest(request.scope, request.receive).body()
        form = _fields(body)
    actor = NOBODY
    if rule.scope is not Scope.PUBLIC:
        actor = request.state.actor = await _authenticate(request, parts)
        admit(actor, rule)
    if _changes(request) and not rule.always:
        await run_in_threadpool(parts.reconcile.check_changes)
    return Visit(request, parts, actor, form)


def _changes(request: Request) -> bool:
    return request.method in ("POST", "PUT")


async def _authenticate(request: Request, parts: ApiParts) -> Actor:
    secret = request.cookies.get(COOKIE, "")
    if not 0 < len(secret) <= _MAX_SECRET or not secret.isascii():
        raise Unauthenticated("Nobody is signed in.")
    return await run_in_threadpool(parts.signin.authenticate, secret, origin_of(request))


def _check_origin(request: Request) -> None:
    """Raise Forbidden where a change was not asked for by a page of this very server (cross-site forgery)."""
    origin = request.headers.get("origin", "")
    if urlsplit(origin).netloc.lower() != request.headers.get("host", "").lower():
        raise Forbidden("The change was not asked for by a page of this server.", hint="Load the page anew.")


def _fields(body: bytes) -> dict[str, list[str]]:
    try:
        return parse_qs(body.decode(), keep_blank_values=True, max_num_fields=_MAX_FIELDS)
    except ValueError as error:
        raise InvalidInput("The form cannot be read.") from error


async def _answer(visit: Visit, handler: Handler) -> Response:
    if inspect.iscoroutinefunction(handler):
        return cast("Response", await handler(visit))
    return await run_in_threadpool(cast("Callable[[Visit], Response]", handler), visit)


def _to_sign_in(request: Request) -> Response:
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    target = f"/signin?next={quote(here, safe='')}" if request.method == "GET" else "/signin"
    if "hx-request" in request.headers:
        return Response(status_code=401, headers={"HX-Redirect": target.partition("?")[0]})
    return RedirectResponse(target, 303)


def _trouble(request: Request, raised: Exception) -> Response:
    """Give an error as a page, or as the part of a page where only that was asked for."""
    error = translate(raised)
    if error.kind is Kind.INTERNAL:
        _log.error("request %s failed", request.state.request_id, exc_info=raised)
    template = "trouble_part.html" if "hx-request" in request.headers else "trouble.html"
    actor = request.state.actor
    response = render(request, actor, template, STATUS[error.kind], error=error, bare=actor is NOBODY)
    response.headers["X-Zcloud-Error"] = error.code
    if error.kind is Kind.THROTTLED:
        response.headers["Retry-After"] = str(error.details.get("retry_after_s", 1))
    return response


def _answered(request: Request, path: str, response: Response) -> Answered:
    resource = getattr(request.state, "resource", request.url.path)
    return Answered(f"{request.method} {path}", str(resource)[:255], response.headers.get("x-zcloud-error", "ok"))
