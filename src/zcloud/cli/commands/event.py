"""``zcloud event``."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from typing import Any

import click

from zcloud.cli.base import command
from zcloud.cli.output import Column, note, show_rows
from zcloud.cli.settings import App
from zcloud.cli.text import _, plain
from zcloud.client import Record


def _when(event: Mapping[str, Any]) -> str:
    return str(event["time"])[:19].replace("T", " ")


COLUMNS = (
    Column("TIME (UTC)", _when),
    Column("KIND", "kind"),
    Column("WHAT", lambda each: f"{each['resource_kind']} {each['resource_name']}"),
    Column("WHO", "actor"),
    Column("MESSAGE", "message"),
    Column("SEQ", "seq", wide=True, right=True),
)


@command
@click.option("--limit", type=click.IntRange(1, 1000), default=50, help="At most so many, the newest [50].")
@click.option("--resource", default="", metavar="ID", help="Only of this thing.")
@click.option("--kind", multiple=True, help="Only of this kind; `instance.` means all that begin so. Repeatable.")
def list_events(app: App, limit: int, resource: str, kind: tuple[str, ...]) -> None:
    """List what happened last."""
    newest: deque[Record] = deque(maxlen=limit)
    after: str | None = "0"
    while after is not None:
        page = app.client.get("/v1/events", limit=1000, after=after, resource=resource, kind=kind)
        newest += page["items"]
        after = page["next_cursor"]
    show_rows(app, newest, COLUMNS)


@command
@click.option("--after", default="", metavar="SEQ", help="Begin after this event.")
def follow(app: App, after: str) -> None:
    """Print what happens, as it happens, until Ctrl-C; with -o json a line for each event."""

    def tell(why: Record) -> None:
        note(app, _("Some events were missed: {why}").format(why=plain(why["message"])))

    for event in app.client.events.follow(after, missed=tell):
        if app.for_people:
            told = (_when(event), event["kind"], event["resource_name"], event["message"])
            click.echo("  ".join(plain(each) for each in told))
        else:
            click.echo(json.dumps(event))
