"""``zcloud pool``."""

from __future__ import annotations

from collections.abc import Callable

import click

from zcloud.cli.asking import completer, confirm, name_argument, wait_option, yes_option
from zcloud.cli.base import command
from zcloud.cli.drivers import read_options
from zcloud.cli.names import namer
from zcloud.cli.output import Column, say, show_data, show_record, show_rows
from zcloud.cli.params import SIZE
from zcloud.cli.progress import finish
from zcloud.cli.settings import App
from zcloud.cli.text import _, plain
from zcloud.cli.units import age, size
from zcloud.client import Record, route


def columns(app: App) -> tuple[Column, ...]:
    """Give the columns of a pool; hosts are named."""
    return (
        Column("NAME", "name"),
        Column("STATE", _state),
        Column("DRIVER", "driver"),
        Column("HOST", _host(namer(app, "hosts", "host_id"))),
        Column("TOTAL", lambda each: size(each["total"]), right=True),
        Column("FREE", lambda each: size(each["available"]), right=True),
        Column("PROMISED", lambda each: size(each["promised"]), right=True),
        Column("OF", lambda each: size(each["promisable"]), right=True),
        Column("DEFAULT", "is_default"),
        Column("OVERCOMMIT", "overcommit", wide=True, right=True),
        Column("OPTIONS", lambda each: [f"{key}={value}" for key, value in each["options"].items()], wide=True),
        Column("WARNING", "warning", wide=True),
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
    """Show a pool, and where a shared one can be used."""
    pool = app.client.get(route("pools", name))
    show_record(app, pool, [each._replace(wide=False) for each in columns(app)])
    if app.for_people and pool["joined"]:
        say(app, "")
        show_rows(app, pool["joined"], _joined(app), empty="")


@command
@click.argument("name")
@click.option("--host", default="", shell_complete=completer("hosts"), help="The host that it is on.")
@click.option("--hosts", default="", metavar="A,B", help="Of a shared kind: the hosts that use it [all].")
@click.option("--driver", default="directory", help="What kind it is [directory].")
@click.option(
    "--option",
    "options",
    multiple=True,
    metavar="KEY=VALUE",
    help="A driver's option; repeatable. @FILE reads the value, @- asks for it.",
)
@click.option("--path", default="", help="Short for --option path=….")
@click.option("--overcommit", type=float, default=2.0, help="How much may be promised for each byte [2].")
@click.option("--default", "is_default", is_flag=True, help="Take it where no pool is named.")
@wait_option
def create(app: App, name: str, options: tuple[str, ...], path: str, hosts: str, **rest: object) -> None:
    """Make a pool on a host, or one that hosts share."""
    wait = bool(rest.pop("wait"))
    given = read_options(options) | ({"path": path} if path else {})
    users = [each.strip() for each in hosts.split(",") if each.strip()]
    answer = app.client.post("/v1/pools", {"name": name, "hosts": users, "options": given, **rest})
    finish(app, answer, _("The pool {name} is ready.").format(name=plain(name)), wait=wait)


@command
@name_argument("pools")
@click.option("--overcommit", type=float, required=True, help="How much may be promised for each byte.")
def change(app: App, name: str, overcommit: float) -> None:
    """Change how much of a pool is promised."""
    _change(app, name, {"overcommit": overcommit}, _("{name} is changed."))


@command
@name_argument("pools")
@click.option("--undo", is_flag=True, help="Let it take new volumes again.")
def drain(app: App, name: str, undo: bool) -> None:
    """Put no new volumes into a pool; those that are there stay usable."""
    told = _("{name} takes new volumes again.") if undo else _("{name} takes no new volumes.")
    _change(app, name, {"draining": not undo}, told)


@command
@name_argument("pools")
@wait_option
def refresh(app: App, name: str, wait: bool) -> None:
    """Look at a pool now: join it where it is not, and measure it."""
    answer = app.client.post(route("pools", name, "refresh"))
    finish(app, answer, _("{name} was looked at.").format(name=plain(name)), wait=wait)


@command
@name_argument("pools")
@click.argument("bytes_", metavar="SIZE", type=SIZE)
@wait_option
def grow(app: App, name: str, bytes_: int, wait: bool) -> None:
    """Make a pool itself SIZE large, like 200G, of what is free where it lies."""
    answer = app.client.post(route("pools", name, "grow"), {"size": bytes_})
    finish(app, answer, _("{name} has {size} now.").format(name=plain(name), size=size(bytes_)), wait=wait)


@command
@name_argument("pools")
@yes_option
@wait_option
def delete(app: App, name: str, yes: bool, wait: bool) -> None:
    """Delete a pool that has no volumes."""
    confirm(_("Delete the pool {name}?").format(name=plain(name)), yes=yes)
    finish(app, app.client.delete(route("pools", name)), _("{name} is deleted.").format(name=plain(name)), wait=wait)


def _change(app: App, name: str, body: dict[str, object], told: str) -> None:
    pool = app.client.get(route("pools", name))
    changed = app.client.patch(route("pools", pool["id"]), body, revision=pool["revision"])
    if app.for_people:
        say(app, told.format(name=plain(pool["name"])))
    else:
        show_data(app, changed)


def _joined(app: App) -> tuple[Column, ...]:
    return (
        Column("ON", namer(app, "hosts", "host_id")),
        Column("STATE", "state"),
        Column("SINCE", lambda each: age(each["since"])),
        Column("REASON", "reason"),
    )


def _host(named: Callable[[Record], str]) -> Callable[[Record], str]:
    """Name the host of a pool, or say that hosts share it."""
    return lambda pool: named(pool) if pool["host_id"] else _("shared")


def _state(pool: Record) -> str:
    """Give the state; of one that is ready also what keeps new volumes out, or where it cannot be used."""
    words = [pool["state"]]
    words += [_("draining")] if pool["draining"] else []
    words += [_("degraded")] if pool["warning"] else []
    away = sum(each["state"] != "ready" for each in pool["joined"])
    words += [_("not on {count} hosts").format(count=away)] if away else []
    return ", ".join(words)
