"""A driver's options as people type them."""

from __future__ import annotations

from collections.abc import Sequence

import click

from zcloud.cli.text import _

# Not yes, no, on, off: those are choices of some options, and only the driver knows its types.
_WORDS: dict[str, bool] = {"true": True, "false": False}


def read_options(texts: Sequence[str]) -> dict[str, bool | int | str]:
    """Read ``KEY=VALUE``: numbers, true and false as what they are, all else as text; raises click.BadParameter."""
    options: dict[str, bool | int | str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name or name in options:
            raise click.BadParameter(_("{text!r} is not KEY=VALUE, or comes twice.").format(text=text))
        options[name] = _WORDS.get(value.lower(), int(value) if value.isascii() and value.isdigit() else value)
    return options
