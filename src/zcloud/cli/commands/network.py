"""``zcloud network``."""

from __future__ import annotations

from typing import Any

import click

from zcloud.cli.asking import completer, confirm, name_argument, wait_option, yes_option
from zcloud.cli.base import command
from zcloud.cli.drivers import read_options
from zcloud.cli.names import namer
from zcloud.cli.output import Column, say, show_data, show_record, show_rows
from zcloud.cli.progress import finish
from zcloud.cli.settings import App
from zcloud.cli.text import _, plain
from zcloud.client import Record, route


def columns(app: App) -> tuple[Column, ...]:
    """Give the columns of a network; hosts are named."""
    return (
        Column("NAME", "name"),
        Column("STATE", "state"),
        Column("KIND", "kind"),
        Column("HOST", namer(app, "hosts", "host_id")),
        Column("ADDRESSES", "cidr"),
        Column("GATEWAY", "gateway"),
        Column("FOR", lambda each: _("everybody") if each["project_id"] is None else _("project")),
        Column("DEFAULT", "is_default"),
        Column("DNS", "dns", wide=True),
        Column("SEARCH", "search", wide=True),
        Column("RANGES", lambda each: list(map(_range_text, each["ranges"])), wide=True),
        Column("OPTIONS", lambda each: [f"{key}={value}" for key, value in each["options"].items()], wide=True),
        Column("ID", "id", wide=True),
    )


PORTS = (
    Column("ADDRESS", "address"),
    Column("NAME", "hostname"),
    Column("MAC", "mac"),
    Column("INSTANCE", "instance_id", wide=True),
)


def read_range(text: str) -> dict[str, Any]:
    """Read ``FIRST-LAST[,reserved][,comment=TEXT]``; raises click.BadParameter."""
    span, *settings = text.split(",")
    first, dash, last = span.partition("-")
    found: dict[str, Any] = {"first": first.strip(), "last": (last if dash else first).strip()}
    for each in settings:
        if each == "reserved":
            found["reserved"] = True
        elif each.startswith("comment="):
            found["comment"] = each.removeprefix("comment=")
        else:
            raise click.BadParameter(_("{text!r} is not understood; write FIRST-LAST[,reserved].").format(text=each))
    return found


@command
def list_networks(app: App) -> None:
    """List the networks that you may use."""
    show_rows(app, app.client.pages("/v1/networks"), columns(app), empty=_("There are no networks."))


@command
@name_argument("networks")
def show(app: App, name: str) -> None:
    """Show a network, and the addresses that it gave out."""
    detail = app.client.get(route("networks", name))
    if not app.for_people:
        show_data(app, detail)
        return
    show_record(app, detail["network"], [each._replace(wide=False) for each in columns(app)])
    if detail["ports"]:
        click.echo()
        show_rows(app, detail["ports"], PORTS)


@command
@click.argument("name")
@click.option("--host", required=True, shell_complete=completer("hosts"), help="The host that it is on.")
@click.option("--kind", type=click.Choice(("nat", "bridge")), default="nat", help="What it is [nat].")
@click.option("--cidr", required=True, metavar="A.B.C.D/N", help="Its addresses.")
@click.option("--gateway", default="", help="The gateway [nat: the first address].")
@click.option("--dns", multiple=True, help="A name server; repeatable.")
@click.option("--search", default="", help="The search domain.")
@click.option(
    "--range", "ranges", multiple=True, metavar="FIRST-LAST[,reserved]", help="Addresses to give; repeatable."
)
@click.option("--option", "options", multiple=True, metavar="KEY=VALUE", help="A driver's option; repeatable.")
@click.option("--bridge", default="", help="Short for --option bridge=….")
@click.option("--default", "is_default", is_flag=True, help="Take it where no network is named.")
@click.option("--own", is_flag=True, help="For the project (--project) only.")
@wait_option
def create(app: App, name: str, wait: bool, own: bool, bridge: str, **settings: Any) -> None:
    """Make a network on a host, or use a bridge that is there (--kind bridge --bridge br0)."""
    options = read_options(settings.pop("options")) | ({"bridge": bridge} if bridge else {})
    ranges = [read_range(each) for each in settings.pop("ranges")]
    body = {key: value for key, value in settings.items() if value}
    body |= {"name": name, "options": options, "ranges": ranges}
    if own:
        body["project"] = app.project or "default"
    answer = app.client.post("/v1/networks", body)
    finish(app, answer, _("The network {name} is ready.").format(name=plain(name)), wait=wait)


@command
@name_argument("networks")
@click.option("--dns", multiple=True, help="A name server; repeatable.")
@click.option("--search", default=None, help="The search domain.")
@click.option("--range", "ranges", multiple=True, metavar="FIRST-LAST[,reserved]", help="All ranges, anew; repeatable.")
def change(app: App, name: str, dns: tuple[str, ...], search: str | None, ranges: tuple[str, ...]) -> None:
    """Change a network's name servers, search domain or ranges."""
    body: Record = {"search": search} if search is not None else {}
    body |= {"dns": list(dns)} if dns else {}
    body |= {"ranges": [read_range(each) for each in ranges]} if ranges else {}
    if not body:
        raise click.UsageError(_("Give at least one setting."))
    network = app.client.get(route("networks", name))["network"]
    changed = app.client.patch(route("networks", network["id"]), body, revision=network["revision"])
    if app.for_people:
        say(app, _("{name} is changed.").format(name=plain(network["name"])))
    else:
        show_data(app, changed)


@command
@name_argument("networks")
@yes_option
@wait_option
def delete(app: App, name: str, yes: bool, wait: bool) -> None:
    """Delete a network that nothing is connected to."""
    confirm(_("Delete the network {name}?").format(name=plain(name)), yes=yes)
    finish(app, app.client.delete(route("networks", name)), _("{name} is deleted.").format(name=plain(name)), wait=wait)


@command
@name_argument("networks")
@click.option("--format", "form", type=click.Choice(("hosts", "zone")), default="hosts", help="The form [hosts].")
def records(app: App, name: str, form: str) -> None:
    """Print a network's names, for a DNS server of your own."""
    click.echo(app.client.text(route("networks", name, "records"), form=form), nl=False)


@command
@name_argument("networks")
@click.argument("address")
def unfence(app: App, name: str, address: str) -> None:
    """Let an address be given out again that was in use after a restore."""
    app.client.delete(route("networks", name, "fences", address))
    say(app, _("{address} can be given out again.").format(address=plain(address)))


def _range_text(each: Record) -> str:
    return f"{each['first']}-{each['last']}" + (f" ({_('reserved')})" if each["reserved"] else "")
