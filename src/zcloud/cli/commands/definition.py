"""``zcloud instance xml`` and ``zcloud instance edit``: for those who run the cloud."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from zcloud.cli.asking import confirm, name_argument, wait_option, yes_option
from zcloud.cli.base import command
from zcloud.cli.output import note, say
from zcloud.cli.progress import finish
from zcloud.cli.settings import App
from zcloud.cli.text import _, plain, plain_lines
from zcloud.client import route


@command
@name_argument("instances")
@click.option("--live", is_flag=True, help="What runs, instead of what is defined.")
def xml(app: App, name: str, live: bool) -> None:
    """Show an instance's libvirt XML, without secrets."""
    text = app.client.text(route("instances", name, "xml"), project=app.project, live=live)
    sys.stdout.write(plain_lines(text))


@command
@name_argument("instances")
@click.option("--file", type=click.Path(path_type=Path), help="Take the XML from this file instead of an editor.")
@click.option("--dry-run", is_flag=True, help="Only show the difference.")
@yes_option
@wait_option
def edit(app: App, name: str, file: Path | None, dry_run: bool, yes: bool, wait: bool) -> None:
    """Change an instance's libvirt XML; only what zcloud's records do not rest on."""
    path, query = route("instances", name, "xml"), {"project": app.project}
    answer = app.client.request("GET", path, query=query)
    tag, text = answer.headers.get("etag", "*"), answer.data.decode()
    written = file.read_text() if file else click.edit(text, extension=".xml")
    if written is None or written == text:
        say(app, _("Nothing was changed."))
        return
    planned = app.client.put(path, {"xml": written}, tag=tag, dry_run=True, **query)
    if not planned["difference"]:
        say(app, _("Nothing was changed."))
        return
    click.echo(plain_lines(planned["difference"]))
    if planned["at_next_start"]:
        note(app, _("It runs on as it is; the change is there at its next start."))
    if dry_run:
        return
    confirm(_("Change the definition of {name}?").format(name=plain(name)), yes=yes)
    done = app.client.put(path, {"xml": written}, tag=tag, **query)
    finish(app, done, _("The definition of {name} is changed.").format(name=plain(name)), wait=wait)
