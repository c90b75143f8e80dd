"""A driver's options as people type them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from zcloud.cli.text import _

_SECRETS = ("key", "password", "secret")  # how drivers' options of this kind are called


def read_options(texts: Sequence[str]) -> dict[str, str]:
    """Read ``KEY=VALUE``; the values stay text, as only the server knows their types. Raises click.BadParameter.

    ``@FILE`` is what is in a file, ``@-`` is asked for without showing it: a secret is seen by all in a command line.
    """
    options: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name or name in options:
            raise click.BadParameter(_("{text!r} is not KEY=VALUE, or comes twice.").format(text=text))
        if value and not value.startswith("@") and name.endswith(_SECRETS):
            raise click.BadParameter(
                _("A command line is seen by all on this machine: give {name}=@FILE, or {name}=@- to be asked.").format(
                    name=name
                )
            )
        options[name] = _read(name, value[1:]) if value.startswith("@") else value
    return options


def _read(name: str, path: str) -> str:
    if path == "-":
        return str(click.prompt(name, hide_input=True, err=True))
    try:
        return Path(path).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise click.BadParameter(_("{path} cannot be read: {error}").format(path=path, error=error)) from error
