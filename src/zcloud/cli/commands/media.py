"""``zcloud instance insert`` and ``zcloud instance eject``."""

from __future__ import annotations

import click

from zcloud.cli.asking import completer, name_argument, wait_option
from zcloud.cli.base import command
from zcloud.cli.many import ask_each, verb
from zcloud.cli.output import note
from zcloud.cli.progress import finish
from zcloud.cli.settings import App
from zcloud.cli.text import _, plain
from zcloud.client import route


@command
@name_argument("instances")
@click.argument("image", shell_complete=completer("images"))
@wait_option
def insert(app: App, name: str, image: str, wait: bool) -> None:
    """Put a CD, an image of format iso, into an instance's drive."""
    answer = app.client.post(route("instances", name, "insert"), {"image": image}, project=app.project)
    for told in answer["warnings"]:
        note(app, plain(told))
    finish(app, answer, _("The CD {image} is in the drive of {name}.").format(image=plain(image), name=plain(name)),
           wait=wait)  # fmt: skip


@command
@name_argument("instances", many=True)
@click.option("--drive", type=click.Choice(("cd", "drivers")), help="Which drive [the one that has a CD].")
@wait_option
def eject(app: App, name: tuple[str, ...], drive: str | None, wait: bool) -> None:
    """Take the CD out of instances' drives."""
    body = {"drive": drive} if drive else {}
    ask_each(app, name, verb(app, "eject", **body), _("The CD of {name} is out."), wait=wait)
