"""``zcloud volume``."""

from __future__ import annotations

import click

from zcloud.cli.asking import completer, confirm, wait_option, yes_option
from zcloud.cli.base import command
from zcloud.cli.names import namer
from zcloud.cli.output import Column, show_record, show_rows
from zcloud.cli.progress import finish
from zcloud.cli.settings import App
from zcloud.cli.text import _, plain
from zcloud.cli.units import age, size
from zcloud.client import Record, route


def columns(app: App) -> tuple[Column, ...]:
    """Give the columns of a volume; pools and instances are named."""
    return (
        Column("ID", "id"),
        Column("NAME", "name"),
        Column("STATE", "state"),
        Column("ROLE", "role"),
        Column("SIZE", lambda each: size(each["size"]), right=True),
        Column("TAKES", lambda each: size(each["allocated"]), right=True),
        Column("POOL", namer(app, "pools", "pool_id")),
        Column("INSTANCE", namer(app, "instances", "instance_id")),
        Column("AGE", lambda each: age(each["created_at"]), right=True),
        Column("IMAGE", "image_id", wide=True),
    )


@command
@click.option("--pool", default="", shell_complete=completer("pools"), help="Only in this pool.")
@click.option("--unused", is_flag=True, help="Only those that no instance has.")
def list_volumes(app: App, pool: str, unused: bool) -> None:
    """List volumes."""
    rows = app.client.pages("/v1/volumes", project=app.project, pool=pool)
    show_rows(app, [each for each in rows if not (unused and each["instance_id"])], columns(app))


@command
@click.argument("volume", shell_complete=completer("volumes", "id"))
def show(app: App, volume: str) -> None:
    """Show a volume, by its id or its name."""
    show_record(app, _find(app, volume), columns(app))


@command
@click.argument("volume", shell_complete=completer("volumes", "id"))
@yes_option
@wait_option
def delete(app: App, volume: str, yes: bool, wait: bool) -> None:
    """Delete a volume that no instance has, by its id or its name."""
    found = _find(app, volume)
    name = plain(found["name"])
    confirm(_("Delete the volume {name} ({size}) with its data?").format(name=name, size=size(found["size"])), yes=yes)
    finish(app, app.client.delete(route("volumes", found["id"])), _("{name} is deleted.").format(name=name), wait=wait)


def _find(app: App, ref: str) -> Record:
    """Give a volume by id, or by a name that only one has; raises ApiError, click.UsageError."""
    named = [each for each in app.client.pages("/v1/volumes", project=app.project) if ref in (each["id"], each["name"])]
    if len(named) > 1:
        raise click.UsageError(_("{n} volumes are named {name}; give the id.").format(n=len(named), name=plain(ref)))
    found: Record = named[0] if named else app.client.get(route("volumes", ref))
    return found
