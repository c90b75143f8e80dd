"""``zcloud snapshot schedule``."""

from __future__ import annotations

from typing import Any

import click

from zcloud.cli.asking import completer, confirm, yes_option
from zcloud.cli.base import command
from zcloud.cli.output import Column, say, show_rows
from zcloud.cli.settings import App
from zcloud.cli.text import _, plain
from zcloud.cli.units import age, parse_span
from zcloud.client import route

COLUMNS = (
    Column("NAME", "name"),
    Column("OF", lambda each: f"tag {each['tag']}" if each["tag"] else each["instance_id"]),
    Column("WHEN", lambda each: f"daily at {each['at']} UTC" if each["at"] else f"every {each['every_h']}h"),
    Column("KEEPS", "keep", right=True),
    Column("NEXT", lambda each: f"{each['due_at'][:16]}Z"),
    Column("LAST", lambda each: age(each["last_at"]), right=True),
    Column("SKIPPED", lambda each: ", ".join(sorted(set(each["skipped"].values())))),
    Column("BY", "created_by", wide=True),
    Column("ID", "id", wide=True),
)


def _hours(context: click.Context, option: click.Parameter, value: str) -> int:
    del context, option
    seconds = parse_span(value) if value else 0
    if seconds % 3600:
        raise click.BadParameter(_("{text!r} is not a whole number of hours.").format(text=value))
    return seconds // 3600


@command
def list_schedules(app: App) -> None:
    """List schedules of snapshots; SKIPPED says why some could not be taken the last time."""
    show_rows(app, app.client.get("/v1/snapshot-schedules", project=app.project)["items"], COLUMNS)


@command
@click.argument("instance", required=False, default="", shell_complete=completer("instances"))
@click.option("--tag", default="", help="Of all instances of the project that have this tag, also later ones.")
@click.option("--every", "every_h", default="", metavar="SPAN", callback=_hours, help="How often, like 6h or 1d.")
@click.option("--daily-at", "at", default="", metavar="HH:MM", help="Every day at this time, in UTC.")
@click.option("--keep", type=int, default=7, show_default=True, help="How many of its snapshots an instance keeps.")
@click.option("--name", default="", help="What it and its snapshots are called [auto].")
def create(app: App, **wanted: Any) -> None:
    """Have the server take snapshots of an instance, or of those with a tag, and delete its own old ones."""
    made = app.client.post("/v1/snapshot-schedules", {**wanted, "project": app.project or ""})
    told = _("The schedule {name} takes its first snapshot at {time} UTC.")
    say(app, told.format(name=plain(made["name"]), time=made["due_at"][:16].replace("T", " ")))


@command
@click.argument("name")
@click.option("--every", "every_h", default="", metavar="SPAN", callback=_hours, help="How often, like 6h or 1d.")
@click.option("--daily-at", "at", default="", metavar="HH:MM", help="Every day at this time, in UTC.")
@click.option("--keep", type=int, help="How many of its snapshots an instance keeps.")
def change(app: App, name: str, **wanted: Any) -> None:
    """Change when a schedule takes snapshots, and how many it keeps."""
    changes = {key: value for key, value in wanted.items() if value}
    if not changes:
        raise click.UsageError(_("Say what is to be changed: --every, --daily-at or --keep."))
    made = app.client.patch(route("snapshot-schedules", name), changes, project=app.project)
    told = _("The schedule {name} takes its next snapshot at {time} UTC.")
    say(app, told.format(name=plain(made["name"]), time=made["due_at"][:16].replace("T", " ")))


@command
@click.argument("name")
@yes_option
def delete(app: App, name: str, yes: bool) -> None:
    """Delete a schedule; the snapshots that it took stay."""
    confirm(_("Delete the schedule {name}?").format(name=plain(name)), yes=yes)
    app.client.delete(route("snapshot-schedules", name), project=app.project)
    say(app, _("The schedule {name} is deleted; its snapshots stay.").format(name=plain(name)))
