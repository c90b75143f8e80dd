"""``zcloud instance screenshot`` and ``zcloud instance keys``."""

from __future__ import annotations

from pathlib import Path

import click

from zcloud.cli.asking import name_argument
from zcloud.cli.base import command
from zcloud.cli.output import say
from zcloud.cli.settings import App
from zcloud.cli.text import _, plain
from zcloud.cli.units import size
from zcloud.client import route


@command
@name_argument("instances")
@click.option("-f", "--file", type=click.Path(path_type=Path, dir_okay=False), help="Where to [NAME.png].")
def screenshot(app: App, name: str, file: Path | None) -> None:
    """Write a picture of an instance's screen to a PNG file."""
    picture = app.client.request("GET", route("instances", name, "screenshot"), query={"project": app.project}).data
    path = file or Path(f"{name}.png")
    path.write_bytes(picture)
    say(app, _("{file} written ({size}).").format(file=plain(str(path)), size=size(len(picture))))


@command
@name_argument("instances")
@click.argument("keys", nargs=-1, metavar="[KEYS]...")
@click.option("--text", default="", help="Type this text, as on a US keyboard; \\n presses Enter.")
def keys(app: App, name: str, keys: tuple[str, ...], text: str) -> None:
    """Press keys of an instance, like ctrl-alt-del or f2, one after the other."""
    if bool(keys) == bool(text):
        raise click.UsageError(_("Give keys, or --text."))
    body = {"text": text.replace("\\n", "\n")} if text else {"keys": list(keys)}
    app.client.post(route("instances", name, "keys"), body, project=app.project)
    say(app, _("Pressed."))
