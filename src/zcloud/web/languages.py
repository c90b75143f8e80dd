"""The languages of the console: which one a browser gets, and its catalogue.

They are GNU gettext's, made by tools/languages.py.
"""

from __future__ import annotations

import gettext
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from starlette.requests import Request

COOKIE = "zcloud-language"
SOURCE = "en"  # what the templates are written in
LANGUAGES = {SOURCE: "English", "ru": "Русский", "zh-CN": "简体中文"}  # BCP 47 tag -> its own name
CATALOGUES = Path(__file__).with_name("catalogues")


def language_of(request: Request) -> str:
    """Give the language that was chosen, else the one that the browser likes best of those there are, else English."""
    chosen = request.cookies.get(COOKIE, "")
    return chosen if chosen in LANGUAGES else next(_liked(request.headers.get("accept-language", "")), SOURCE)


@cache
def translations(language: str) -> gettext.NullTranslations:
    """Give a language's catalogue; what it lacks is shown in English."""
    if language == SOURCE:
        return gettext.NullTranslations()
    with (CATALOGUES / f"{language.replace('-', '_')}.mo").open("rb") as file:
        return gettext.GNUTranslations(file)


def _liked(header: str) -> Iterator[str]:
    """Give the languages of an Accept-Language header that there are, the best first (RFC 9110, 12.5.4)."""
    known = {tag.partition("-")[0]: tag for tag in LANGUAGES}
    for _, wanted in sorted(((-_weight(each), each.partition(";")[0]) for each in header.split(",")[:20]), key=_first):
        if (tag := known.get(wanted.strip().partition("-")[0].lower())) is not None:
            yield tag


def _first(each: tuple[float, str]) -> float:
    return each[0]


def _weight(entry: str) -> float:
    _, found, text = entry.partition(";q=")
    try:
        return float(text) if found else 1.0
    except ValueError:
        return 0.0
