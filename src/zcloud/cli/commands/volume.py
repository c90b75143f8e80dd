"""``zcloud volume``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from zcloud.cli.asking import completer, confirm, name_argument, wait_option, yes_option
from zcloud.cli.base import command
from zcloud.cli.disks import ask_to_attach, ask_to_detach, how_options, plug_options
from zcloud.cli.names import namer
from zcloud.cli.output import Column, say, show_data, show_record, show_rows
from zcloud.cli.params import SIZE
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
        Column("INSTANCE", _holders(app)),
        Column("AGE", lambda each: age(each["created_at"]), right=True),
        Column("IMAGE", "image_id", wide=True),
    )


def _holders(app: App) -> Callable[[Record], str]:
    """Give what names the instance that has a volume, or those that share it."""
    name = namer(app, "instances", "id")
    return lambda each: ", ".join(name({"id": id}) for id in (each["readers"] or [each["instance_id"] or ""]))


pool_option = click.option("--pool", required=True, shell_complete=completer("pools"), help="Where it is to lie.")


@command
@click.option("--pool", default="", shell_complete=completer("pools"), help="Only in this pool.")
@click.option("--unused", is_flag=True, help="Only those that no instance has.")
def list_volumes(app: App, pool: str, unused: bool) -> None:
    """List volumes."""
    rows = app.client.pages("/v1/volumes", project=app.project, pool=pool, unused=unused)
    show_rows(app, list(rows), columns(app))


@command
@name_argument("volumes", name="volume")
def show(app: App, volume: str) -> None:
    """Show a volume, by its name or its id."""
    show_record(app, _find(app, volume), columns(app))


@command
@click.argument("name")
@click.option("--size", "bytes_", type=SIZE, required=True, help="How large it is, like 10G.")
@click.option("--pool", default="", shell_complete=completer("pools"), help="Where it is [the default pool].")
@wait_option
def create(app: App, name: str, bytes_: int, pool: str, wait: bool) -> None:
    """Make a volume that no instance has yet."""
    body = {"name": name, "size": bytes_, "pool": pool, "project": app.project or ""}
    answer = app.client.post("/v1/volumes", body)
    finish(app, answer, _("The volume {name} is ready.").format(name=plain(name)), wait=wait)


@command
@name_argument("volumes", name="volume")
@click.option("--name", required=True, metavar="NAME", help="Its new name; the guest knows it by its serial.")
def change(app: App, volume: str, name: str) -> None:
    """Give a volume another name."""
    found = _find(app, volume)
    changed = app.client.patch(route("volumes", found["id"]), {"name": name}, revision=found["revision"])
    if app.for_people:
        say(app, _("{old} is {name} now.").format(old=plain(found["name"]), name=plain(name)))
    else:
        show_data(app, changed)


@command
@name_argument("volumes", name="volume")
@click.option("--size", "bytes_", type=SIZE, required=True, help="How large it is to be, like 20G.")
@click.option("--disk-only", is_flag=True, help="Leave partitions and file systems in the guest as they are.")
@wait_option
def resize(app: App, volume: str, bytes_: int, disk_only: bool, wait: bool) -> None:
    """Make a volume larger; a guest that runs with it sees it at once, and grows its file systems where it can."""
    body = {"size": bytes_, "filesystems": not disk_only}
    answer = app.client.post(route("volumes", volume, "resize"), body, project=app.project)
    told = _("{name} has {size} now.").format(name=plain(volume), size=size(bytes_))
    finish(app, answer, told, wait=wait)


@command
@name_argument("volumes", name="volume")
@click.argument("name")
@click.option("--size", "bytes_", type=SIZE, default=0, help="How large the copy is [as the original].")
@click.option("--pool", default="", shell_complete=completer("pools"), help="Where it lies [as the original].")
@wait_option
def clone(app: App, volume: str, name: str, wait: bool, **options: Any) -> None:
    """Make a free volume with the bytes of another one, that no running guest has."""
    body = {"name": name, "size": options["bytes_"], "pool": options["pool"]}
    answer = app.client.post(route("volumes", volume, "clone"), body, project=app.project)
    finish(app, answer, _("{name} is a copy of {volume}.").format(name=plain(name), volume=plain(volume)), wait=wait)


@command
@name_argument("volumes", name="volume")
@pool_option
@wait_option
def move(app: App, volume: str, pool: str, wait: bool) -> None:
    """Move a volume to another pool of its host, of whatever kind; a guest that runs with it runs on."""
    answer = app.client.post(route("volumes", volume, "move"), {"pool": pool}, project=app.project)
    finish(app, answer, _("{name} is in the pool {pool}.").format(name=plain(volume), pool=plain(pool)), wait=wait)


@command
@name_argument("instances")
@pool_option
@wait_option
def move_instance(app: App, name: str, pool: str, wait: bool) -> None:
    """Move all disks of an instance to another pool of its host, of whatever kind, while it runs or not."""
    answer = app.client.post(route("instances", name, "move"), {"pool": pool}, project=app.project)
    told = _("The disks of {name} are in the pool {pool}.").format(name=plain(name), pool=plain(pool))
    finish(app, answer, told, wait=wait)


@command
@name_argument("volumes", name="volume")
@name_argument("instances", name="instance")
@plug_options
@wait_option
def attach(app: App, volume: str, instance: str, wait: bool, **settings: object) -> None:
    """Attach a volume to an instance, while it runs, too; several read it at once with --shared."""
    answer = ask_to_attach(app, instance, {"volume": volume, **settings})
    told = _("{instance} has {name}.").format(instance=plain(instance), name=plain(volume))
    finish(app, answer, told, wait=wait)


@command
@name_argument("volumes", name="volume")
@how_options
@click.option("--from", "instance", shell_complete=completer("instances"), help="Of several that share it, this one.")
@wait_option
def detach(app: App, volume: str, instance: str | None, wait: bool, **how: object) -> None:
    """Take a volume from the instance that has it."""
    found = _find(app, volume)
    having = found["readers"] or [each for each in [found["instance_id"]] if each]
    if not having:
        raise click.UsageError(_("No instance has {name}.").format(name=plain(found["name"])))
    if len(having) > 1 and not instance:
        raise click.UsageError(_("Several instances share {name}: say --from.").format(name=plain(found["name"])))
    answer = ask_to_detach(app, instance or having[0], found["id"], how)
    told = _("{name} is free.") if len(having) == 1 else _("{name} is taken away; others still read it.")
    finish(app, answer, told.format(name=plain(found["name"])), wait=wait)


@command
@name_argument("volumes", name="volume")
@yes_option
@wait_option
def delete(app: App, volume: str, yes: bool, wait: bool) -> None:
    """Delete a volume that no instance has, by its name or its id."""
    found = _find(app, volume)
    name = plain(found["name"])
    confirm(_("Delete the volume {name} ({size}) with its data?").format(name=name, size=size(found["size"])), yes=yes)
    finish(app, app.client.delete(route("volumes", found["id"])), _("{name} is deleted.").format(name=name), wait=wait)


def _find(app: App, ref: str) -> Record:
    """Give a volume by name or id; raises ApiError."""
    found: Record = app.client.get(route("volumes", ref), project=app.project)
    return found
