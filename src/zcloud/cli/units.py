"""Sizes and times, as people write and read them."""

from __future__ import annotations

import re
import time
from datetime import datetime

import click

from zcloud.cli.text import _

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SIZE = re.compile(r"(\d{1,15})(?:\.(\d{1,6}))?([KMGT]?)(?:I?B)?", re.IGNORECASE | re.ASCII)
_SPAN = re.compile(r"(\d{1,6})([smhdw])", re.ASCII)
_SPANS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def parse_size(text: str) -> int:
    """Give the bytes of a size such as ``4G``, ``512MiB`` or ``1.5T``; units are powers of 1024.

    A number without a unit is refused (``--memory 512`` could mean anything), but 0 is 0. Raises click.BadParameter.
    """
    match = _SIZE.fullmatch(text.strip())
    if not match or not (text.strip()[-1].isalpha() or int(match[1]) == 0):
        raise click.BadParameter(
            _("{text!r} is not a size; write it with its unit, like 4G or 512M.").format(text=text)
        )
    unit = _UNITS[match[3].upper()]
    fraction = match[2] or ""
    return int(match[1]) * unit + int(fraction or 0) * unit // int(10 ** len(fraction))


def parse_mib(text: str) -> int:
    """Give the MiB of a size, which has to be whole MiB; raises click.BadParameter."""
    size = parse_size(text)
    if size % (1 << 20):
        raise click.BadParameter(_("{text!r} is not a whole number of MiB.").format(text=text))
    return size >> 20


def parse_span(text: str) -> int:
    """Give the seconds of ``90s``, ``15m``, ``12h``, ``30d`` or ``2w``; raises click.BadParameter."""
    match = _SPAN.fullmatch(text.strip())
    if not match:
        raise click.BadParameter(_("{text!r} is not a time span; write 90s, 15m, 12h, 30d or 2w.").format(text=text))
    return int(match[1]) * _SPANS[match[2]]


def size(value: int | None) -> str:
    """Give bytes in the largest unit that keeps a digit before the point: ``4G``, ``1.5T``, ``800M``."""
    if value is None:
        return ""
    for unit in ("T", "G", "M", "K"):
        if abs(value) >= _UNITS[unit]:
            return f"{value / _UNITS[unit]:.1f}".removesuffix(".0") + unit
    return f"{value}B" if value else "0"


def timestamp(text: str) -> float:
    """Give the seconds since 1970 of a time in ISO 8601."""
    return datetime.fromisoformat(text).timestamp()


def age(text: str | None, now: float | None = None) -> str:
    """Give how long ago a time was: ``42s``, ``17m``, ``5h``, ``12d``; nothing for no time."""
    if not text:
        return ""
    return span((time.time() if now is None else now) - timestamp(text))


def span(seconds: float) -> str:
    """Give a number of seconds in the unit in which it is small."""
    seconds = max(int(seconds), 0)
    for limit, unit, step in ((120, "s", 1), (7200, "m", 60), (172800, "h", 3600)):
        if seconds < limit:
            return f"{seconds // step}{unit}"
    return f"{seconds // 86400}d"
