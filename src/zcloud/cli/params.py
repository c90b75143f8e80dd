"""Types of options: sizes and spans of time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from zcloud.cli.units import parse_mib, parse_size, parse_span


class Converted(click.ParamType[int]):
    """A number that one of our readers understands."""

    def __init__(self, name: str, read: Callable[[str], int]) -> None:
        self.name = name
        self._read = read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Give the number that is meant."""
        try:
            return value if isinstance(value, int) else self._read(value)
        except click.BadParameter as error:
            self.fail(error.message, param, ctx)


SIZE = Converted("size", parse_size)  # bytes
MIB = Converted("size", parse_mib)
SPAN = Converted("span", parse_span)  # seconds
