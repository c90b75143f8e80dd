"""``zcloud instance disk``."""

from __future__ import annotations

from typing import Any

import click

from zcloud.cli.asking import completer, confirm, name_argument, wait_option, yes_option
from zcloud.cli.base import command
from zcloud.cli.disks import (
    ask_to_attach,
    ask_to_detach,
    how_options,
    limit_option,
    limits_text,
    plug_options,
    read_limits,
    size_option,
)
from zcloud.cli.output import Column, show_rows
from zcloud.cli.params import SIZE
from zcloud.cli.progress import finish
from zcloud.cli.settings import App
from zcloud.cli.text import _, plain
from zcloud.cli.units import size
from zcloud.client import route

COLUMNS = (
    Column("NAME", "name"),
    Column("SIZE", lambda each: size(each["size"]), right=True),
    Column("TAKES", lambda each: size(each["allocated"]), right=True),
    Column("BUS", "bus"),
    Column("TARGET", "target"),
    Column("SERIAL", "serial"),
    Column("READ-ONLY", "read_only"),
    Column("SHARED", "shared", wide=True),
    Column("LIMITS", lambda each: limits_text(each["limits"])),
    Column("STATE", "state"),
    Column("CACHE", "cache", wide=True),
    Column("IO", "io", wide=True),
    Column("DISCARD", "discard", wide=True),
    Column("ID", "id", wide=True),
)


@command
@name_argument("instances")
def list_disks(app: App, name: str) -> None:
    """List the disks of an instance; the guest knows them by their serials."""
    show_rows(app, app.client.get(route("instances", name, "disks"), project=app.project)["items"], COLUMNS)


@command
@name_argument("instances")
@click.option("--volume", default="", shell_complete=completer("volumes"), help="A volume that is there.")
@size_option
@click.option("--pool", default="", shell_complete=completer("pools"), help="Where a new one is [as the root disk].")
@click.option("--name", "disk_name", default="", help="The name of a new one.")
@plug_options
@wait_option
def add(app: App, name: str, bytes_: int, disk_name: str, wait: bool, **settings: object) -> None:
    """Add a disk to an instance, while it runs, too: a new one (--size), or a volume (--volume)."""
    answer = ask_to_attach(app, name, {"size": bytes_, "name": disk_name, **settings})
    finish(app, answer, _("{name} has another disk.").format(name=plain(name)), wait=wait)


@command
@name_argument("instances")
@click.argument("disk")
@how_options
@click.option("--delete", is_flag=True, help="Delete the volume with its data, too.")
@yes_option
@wait_option
def remove(app: App, name: str, disk: str, yes: bool, wait: bool, **how: object) -> None:
    """Take a disk from an instance, by its name or id; it stays as a volume."""
    if how["delete"]:
        confirm(_("Delete the volume {name} with its data?").format(name=plain(disk)), yes=yes)
    answer = ask_to_detach(app, name, disk, how)
    finish(app, answer, _("{name} has {disk} no more.").format(name=plain(name), disk=plain(disk)), wait=wait)


@command
@name_argument("instances")
@click.argument("disk")
@limit_option
@click.option("--size", "bytes_", type=SIZE, default=0, help="How large it is to be, like 20G.")
@click.option("--disk-only", is_flag=True, help="With --size: leave what lies on it in the guest as it is.")
@wait_option
def change(app: App, name: str, disk: str, limits: tuple[str, ...], wait: bool, **larger: Any) -> None:
    """Set all limits of a disk anew (--limit none: no limit any more), or make it larger with its file systems."""
    if bool(limits) == bool(larger["bytes_"]):
        raise click.UsageError(_("Give --limit or --size."))
    told = _("{disk} of {name} is changed.").format(disk=plain(disk), name=plain(name))
    if limits:
        place = route("instances", name, "disks", disk)
        finish(app, app.client.patch(place, {"limits": read_limits(limits)}, project=app.project), told, wait=wait)
        return
    disks = app.client.get(route("instances", name, "disks"), project=app.project)["items"]
    found = next((each for each in disks if disk in (each["id"], each["name"])), None)
    if found is None:
        raise click.UsageError(_("{name} has no disk {disk}.").format(name=plain(name), disk=plain(disk)))
    body = {"size": larger["bytes_"], "filesystems": not larger["disk_only"]}
    finish(app, app.client.post(route("volumes", found["id"], "resize"), body), told, wait=wait)
