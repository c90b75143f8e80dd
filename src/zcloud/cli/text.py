"""Texts: one door for translations, and texts from elsewhere made harmless."""

from __future__ import annotations

import gettext
import re
from pathlib import Path

_catalogue = gettext.translation("zcloud", Path(__file__).parent / "locale", fallback=True)
_CONTROL_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-_])")


def _(text: str) -> str:
    """Give ``text`` in the person's language."""
    return _catalogue.gettext(text) if text else ""


def plain(value: object) -> str:
    """Give a value as one line that cannot steer a terminal: control and direction characters are spelled out."""
    text = "" if value is None else str(value)
    return text if text.isprintable() else "".join(map(_visible, text))


def plain_lines(text: str) -> str:
    """Give a text of several lines (a log, a description) without what would steer the terminal."""
    unsteered = _CONTROL_SEQUENCE.sub("", text).replace("\r\n", "\n")
    return "\n".join(plain(line.expandtabs()) for line in unsteered.split("\n"))


def _visible(character: str) -> str:
    if character.isprintable() or character == "\xa0":
        return character
    return character.encode("unicode_escape").decode("ascii")
