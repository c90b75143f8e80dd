"""``zcloud flavor``."""

from __future__ import annotations

import click

from zcloud.cli.asking import confirm, name_argument, yes_option
from zcloud.cli.base import command
from zcloud.cli.output import Column, say, show_rows
from zcloud.cli.params import MIB, SIZE
from zcloud.cli.settings import App
from zcloud.cli.text import _, plain
from zcloud.cli.units import size
from zcloud.client import route

COLUMNS = (
    Column("NAME", "name"),
    Column("VCPUS", "vcpus", right=True),
    Column("MEMORY", lambda each: size(each["memory_mib"] << 20), right=True),
    Column("ROOT DISK", lambda each: size(each["root_size"]) if each["root_size"] else _("the image's"), right=True),
)


@command
def list_flavors(app: App) -> None:
    """List flavors."""
    show_rows(app, app.client.pages("/v1/flavors"), COLUMNS, empty=_("There are no flavors."))


@command
@click.argument("name")
@click.option("--vcpus", type=click.IntRange(1), required=True, help="Virtual CPUs.")
@click.option("--memory", type=MIB, required=True, help="Memory, like 4G.")
@click.option("--disk-size", type=SIZE, default=0, help="Size of the root disk [the image's].")
def add(app: App, name: str, vcpus: int, memory: int, disk_size: int) -> None:
    """Add a named size."""
    app.client.post("/v1/flavors", {"name": name, "vcpus": vcpus, "memory_mib": memory, "root_size": disk_size})
    say(app, _("The flavor {name} is there.").format(name=plain(name)))


@command
@name_argument("flavors")
@yes_option
def remove(app: App, name: str, yes: bool) -> None:
    """Remove a named size; instances keep theirs."""
    confirm(_("Remove the flavor {name}?").format(name=plain(name)), yes=yes)
    app.client.delete(route("flavors", name))
    say(app, _("{name} is removed.").format(name=plain(name)))
