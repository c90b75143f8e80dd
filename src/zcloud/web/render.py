"""From what services gave to HTML: the templates, their filters, and the headers of a page."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from starlette.requests import Request
from starlette.responses import Response

from zcloud.api.access import ROUTES, admit
from zcloud.api.parts import parts_of
from zcloud.base.clock import SystemClock
from zcloud.domain.errors import Forbidden
from zcloud.domain.people import Actor
from zcloud.web import assets
from zcloud.web.languages import LANGUAGES, language_of, translations
from zcloud.web.words import GLYPHS, NAVIGATION, Glyph

COOKIE, THEME = "zcloud-session", "zcloud-theme"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; report-uri /csp-report"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "Vary": "Cookie, HX-Request, Accept-Language",
}
_WORTH_PACKING = 1400
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_AGES = ((86400, "d"), (3600, "h"), (60, "min"))


def render(request: Request, actor: Actor, template: str, status: int = 200, **values: Any) -> Response:
    """Give a page; its texts are in the language that is set, its bytes packed where the browser takes that."""
    settings, language = parts_of(request).settings, language_of(request)
    shown = environment(language).get_template(template).render(
        me=actor,
        language=language,
        here=request.url.path,
        query=dict(request.query_params),
        theme=request.cookies.get(THEME, ""),
        request_id=request.state.request_id,
        version=settings.version,
        zone=settings.zone,
        may=lambda like: may(actor, like),
        **values,
    )  # fmt: skip
    body, headers = shown.encode(), dict(_HEADERS)
    if len(body) > _WORTH_PACKING and "gzip" in request.headers.get("accept-encoding", ""):
        body, headers["Content-Encoding"] = gzip.compress(body, 4, mtime=0), "gzip"
    return Response(body, status, headers, "text/html; charset=utf-8")


def may(actor: Actor, like: str) -> bool:
    """Say whether the access table lets the actor pass a route, such as ``POST /v1/instances``."""
    method, _, path = like.partition(" ")
    try:
        admit(actor, ROUTES[(method, path)])
    except Forbidden:
        return False
    return True


@cache
def environment(language: str) -> Environment:
    """Give the templates in a language; what a template does not know is an error, and all text is escaped."""
    said = translations(language)
    loader = FileSystemLoader(Path(__file__).with_name("templates"))
    found = Environment(
        loader=loader,
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    found.install_gettext_translations(said, newstyle=True)  # type: ignore[attr-defined]
    found.filters |= {
        "size": size,
        "age": lambda since: age(since, said.gettext),
        "word": word,
        "glyph": glyph,
        "line": line,
        "figure": figure,
        "pair": pair,
    }
    found.globals |= {"asset": assets.address, "navigation": NAVIGATION, "languages": LANGUAGES}
    return found


def pair(text: str) -> tuple[str, str]:
    """Give an entry of a choice whose value is its text."""
    return text, text


def size(count: float) -> str:
    """Give a number of bytes for people: ``4.4 GiB``."""
    unit = 0
    while count >= 1024 and unit < len(_UNITS) - 1:
        count, unit = count / 1024, unit + 1
    return f"{count:.0f} {_UNITS[unit]}" if count >= 100 or count == int(count) else f"{count:.1f} {_UNITS[unit]}"


def age(since: datetime | None, translate: Callable[[str], str] = str) -> str:
    """Give how long ago something was: ``3 d``."""
    if since is None:
        return "–"
    seconds = max((SystemClock().now() - since).total_seconds(), 0)
    for length, unit in _AGES:
        if seconds >= length:
            return f"{int(seconds // length)} {translate(unit)}"
    return f"{int(seconds)} {translate('s')}"


def word(status: str) -> str:
    """Give a status as people read it."""
    return status.replace("_", " ").capitalize()


def glyph(status: str) -> Glyph:
    """Give the mark and the colour of a status."""
    return GLYPHS.get(status, Glyph("unknown", "off"))


def figure(value: float) -> str:
    """Give a measured number, with as many digits as people look at: ``0``, ``0.5``, ``12``."""
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}".removesuffix(".0")


def line(values: list[float], top: float, width: int = 480, height: int = 120) -> str:
    """Give a chart's line as an SVG path; zero is at the bottom."""
    if len(values) < 2:
        return ""
    step, scale = width / (len(values) - 1), height / (top or 1)
    points = (f"{n * step:.1f} {height - min(each, top) * scale:.1f}" for n, each in enumerate(values))
    return "M" + "L".join(points)
