"""``zcloud instance nic``."""

from __future__ import annotations

import click

from zcloud.cli.asking import completer, name_argument, wait_option
from zcloud.cli.base import command
from zcloud.cli.output import Column, show_rows
from zcloud.cli.params import SPAN
from zcloud.cli.progress import finish
from zcloud.cli.settings import App
from zcloud.cli.text import _, plain
from zcloud.client import route

COLUMNS = (
    Column("NIC", "slot", right=True),
    Column("NETWORK", "network"),
    Column("ADDRESS", "address"),
    Column("MAC", "mac"),
    Column("LINK", "link"),
    Column("NAME", "hostname"),
    Column("ID", "id", wide=True),
)


@command
@name_argument("instances")
def list_nics(app: App, name: str) -> None:
    """List the NICs of an instance."""
    show_rows(app, app.client.get(route("instances", name, "nics"), project=app.project)["items"], COLUMNS)


@command
@name_argument("instances")
@click.option("--network", default="", shell_complete=completer("networks"), help="Its network [the default one].")
@click.option("--address", default="", help="Its address [the next free one].")
@click.option("--mac", default="", help="Its MAC address [one that was never given out].")
@wait_option
def add(app: App, name: str, network: str, address: str, mac: str, wait: bool) -> None:
    """Add a NIC to an instance, while it runs, too."""
    body = {"network": network, "address": address, "mac": mac.lower()}
    answer = app.client.post(route("instances", name, "nics"), body, project=app.project)
    finish(app, answer, _("{name} has another NIC.").format(name=plain(name)), wait=wait)


@command
@name_argument("instances")
@click.argument("nic")
@click.option("--deadline", type=SPAN, default=60, help="How long the guest may take to let go of it [60s].")
@wait_option
def remove(app: App, name: str, nic: str, deadline: int, wait: bool) -> None:
    """Take a NIC from an instance (its slot, address or MAC), and give its address back."""
    answer = app.client.delete(route("instances", name, "nics", nic), project=app.project, deadline_s=deadline)
    finish(app, answer, _("{name} has {nic} no more.").format(name=plain(name), nic=plain(nic)), wait=wait)


@command
@name_argument("instances")
@click.argument("nic")
@click.option("--link", type=click.Choice(("up", "down")), required=True, help="Join its link, or cut it.")
@wait_option
def change(app: App, name: str, nic: str, link: str, wait: bool) -> None:
    """Cut the link of a NIC (its slot, address or MAC) as if its cable were pulled, or join it again."""
    answer = app.client.patch(route("instances", name, "nics", nic), {"link": link}, project=app.project)
    told = _("The link of {nic} of {name} is {link}.").format(nic=plain(nic), name=plain(name), link=link)
    finish(app, answer, told, wait=wait)
