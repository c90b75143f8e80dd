"""A driver's options as people type them."""

from __future__ import annotations

from collections.abc import Sequence

import click

from zcloud.cli.text import _


def read_options(texts: Sequence[str]) -> dict[str, str]:
    """Read ``KEY=VALUE``; the values stay text, as only the server knows their types. Raises click.BadParameter."""
    options: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name or name in options:
            raise click.BadParameter(_("{text!r} is not KEY=VALUE, or comes twice.").format(text=text))
        options[name] = value
    return options
