"""Signing in and out, dark or light, and the language."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from zcloud.api.guard import origin_of
from zcloud.domain.errors import LoginFailed, LoginThrottled, SecondFactorNeeded
from zcloud.services.signin import SESSION_LIFE
from zcloud.web.guard import Visit, change, page
from zcloud.web.languages import COOKIE as LANGUAGE
from zcloud.web.languages import LANGUAGES
from zcloud.web.render import COOKIE, THEME

_THEMES = ("light", "dark")
_YEAR_S = 365 * 86400


def sign_in_page(visit: Visit) -> Response:
    """Ask for name and password."""
    return visit.show("signin.html", next=_own_path(visit.field("next")), name="", error=None, needs_code=False)


def sign_in(visit: Visit) -> Response:
    """Begin a session, and go where the person wanted to."""
    name, target = visit.field("name"), _own_path(visit.field("next"))
    try:
        secret, _ = visit.parts.signin.login(
            name, visit.field("password"), origin_of(visit.request), visit.field("code")
        )
    except (LoginFailed, SecondFactorNeeded, LoginThrottled) as error:
        status = 429 if isinstance(error, LoginThrottled) else 401
        needs_code = isinstance(error, SecondFactorNeeded) or bool(visit.field("code"))
        return visit.show("signin.html", status, next=target, name=name[:64], error=error, needs_code=needs_code)
    response = RedirectResponse(target, 303)
    keep(response, visit.request, COOKIE, secret, int(SESSION_LIFE.total_seconds()))
    return response


def sign_out(visit: Visit) -> Response:
    """End the session."""
    visit.parts.signin.logout(visit.actor)
    response = RedirectResponse("/signin", 303)
    response.delete_cookie(COOKIE, path="/")
    return response


def set_theme(visit: Visit) -> Response:
    """Keep dark, light, or as the system has it."""
    response = RedirectResponse(_own_path(visit.field("next")), 303)
    wanted = visit.field("theme")
    keep(response, visit.request, THEME, wanted if wanted in _THEMES else "", _YEAR_S)
    return response


def set_language(visit: Visit) -> Response:
    """Keep one of the languages that there are, or what the browser prefers."""
    response = RedirectResponse(_own_path(visit.field("next")), 303)
    wanted = visit.field("language")
    keep(response, visit.request, LANGUAGE, wanted if wanted in LANGUAGES else "", _YEAR_S)
    return response


def keep(response: Response, request: Request, name: str, value: str, seconds: int) -> None:
    """Have the browser keep a value, which no script of a page can read."""
    secure = request.url.scheme == "https"
    response.set_cookie(name, value, max_age=seconds, path="/", secure=secure, httponly=True, samesite="lax")


def _own_path(wanted: str) -> str:
    """Give a path of this server: nobody is sent elsewhere by a link to the sign-in page."""
    parts = urlsplit(wanted.replace("\\", "/"))
    is_own = (
        wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and not parts.netloc and wanted.isprintable()
    )
    return wanted if is_own else "/overview"


ROUTES = (
    page("/signin", "POST /v1/login", sign_in_page),
    change("/signin", "POST /v1/login", sign_in),
    change("/signout", "POST /v1/logout", sign_out),
    change("/theme", "POST /v1/login", set_theme),
    change("/language", "POST /v1/login", set_language),
)
