"""``zcloud pool``."""

from __future__ import annotations

import click

from zcloud.cli.asking import completer, confirm, name_argument, wait_option, yes_option
from zcloud.cli.base import command
from zcloud.cli.drivers import read_options
from zcloud.cli.names import namer
from zcloud.cli.output import Column, say, show_data, show_record, show_rows
from zcloud.cli.progress import finish
from zcloud.cli.settings import App
from zcloud.cli.text import _, plain
from zcloud.cli.units import age, size
from zcloud.client import route


def columns(app: App) -> tuple[Column, ...]:
    """Give the columns of a pool; hosts are named."""
    return (
        Column("NAME", "name"),
        Column("STATE", "state"),
        Column("DRIVER", "driver"),
        Column("HOST", namer(app, "hosts", "host_id")),
        Column("TOTAL", lambda each: size(each["total"]), right=True),
        Column("FREE", lambda each: size(each["available"]), right=True),
        Column("PROMISED", lambda each: size(each["promised"]), right=True),
        Column("OF", lambda each: size(each["promisable"]), right=True),
        Column("DEFAULT", "is_default"),
        Column("OVERCOMMIT", "overcommit", wide=True, right=True),
        Column("OPTIONS", lambda each: [f"{key}={value}" for key, value in each["options"].items()], wide=True),
        Column("SEEN", lambda each: age(each["observed_at"]), wide=True),
        Column("ID", "id", wide=True),
    )


@command
def list_pools(app: App) -> None:
    """List pools: free is what the host sees, promised is the sum of its volumes."""
    show_rows(app, app.client.pages("/v1/pools"), columns(app), empty=_("There are no pools."))


@command
@name_argument("pools")
def show(app: App, name: str) -> None:
    """Show a pool."""
    show_record(app, app.client.get(route("pools", name)), [each._replace(wide=False) for each in columns(app)])


@command
@click.argument("name")
@click.option("--host", required=True, shell_complete=completer("hosts"), help="The host that it is on.")
@click.option("--driver", default="directory", help="What kind it is [directory].")
@click.option("--option", "options", multiple=True, metavar="KEY=VALUE", help="A driver's option; repeatable.")
@click.option("--path", default="", help="Short for --option path=….")
@click.option("--overcommit", type=float, default=2.0, help="How much may be promised for each byte [2].")
@click.option("--default", "is_default", is_flag=True, help="Take it where no pool is named.")
@wait_option
def create(app: App, name: str, options: tuple[str, ...], path: str, wait: bool, **rest: object) -> None:
    """Make a pool on a host."""
    given = read_options(options) | ({"path": path} if path else {})
    answer = app.client.post("/v1/pools", {"name": name, "options": given, **rest})
    finish(app, answer, _("The pool {name} is ready.").format(name=plain(name)), wait=wait)


@command
@name_argument("pools")
@click.option("--overcommit", type=float, required=True, help="How much may be promised for each byte.")
def change(app: App, name: str, overcommit: float) -> None:
    """Change how much of a pool is promised."""
    pool = app.client.get(route("pools", name))
    changed = app.client.patch(route("pools", pool["id"]), {"overcommit": overcommit}, revision=pool["revision"])
    if app.for_people:
        say(app, _("{name} is changed.").format(name=plain(pool["name"])))
    else:
        show_data(app, changed)


@command
@name_argument("pools")
@yes_option
@wait_option
def delete(app: App, name: str, yes: bool, wait: bool) -> None:
    """Delete a pool that has no volumes."""
    confirm(_("Delete the pool {name}?").format(name=plain(name)), yes=yes)
    finish(app, app.client.delete(route("pools", name)), _("{name} is deleted.").format(name=plain(name)), wait=wait)
