"""``zcloud instance hardware``."""

from __future__ import annotations

from typing import Any

import click

from zcloud.cli.asking import name_argument, wait_option
from zcloud.cli.base import command
from zcloud.cli.commands.instance import find
from zcloud.cli.drivers import read_options
from zcloud.cli.output import Column, say, show_data, show_rows
from zcloud.cli.progress import finish_all
from zcloud.cli.settings import App
from zcloud.cli.text import _
from zcloud.client import Record, route

COLUMNS = (Column("OPTION", "option"), Column("NOW", "now"), Column("FROM THE NEXT START", "next"))


@command
@name_argument("instances")
@click.option("--set", "given", multiple=True, metavar="OPTION=VALUE", help="Choose an option; repeatable.")
@click.option("--reset", multiple=True, metavar="OPTION", help="Let it be as the guest's system has it; repeatable.")
@click.option("--upgrade-machine", is_flag=True, help="Take the newest machine type of its host.")
@wait_option
def hardware(app: App, name: str, given: tuple[str, ...], wait: bool, **asked: Any) -> None:
    """Show an instance's hardware, or change it; docs/reference/hardware.md has every option.

    A guest that runs has the change when it starts again.
    """
    body = {"set": read_options(given), "reset": list(asked["reset"]), "upgrade_machine": asked["upgrade_machine"]}
    body = {key: value for key, value in body.items() if value}
    if not body:
        _show(app, find(app, name))
        return
    answer = app.client.patch(route("instances", name, "hardware"), body, project=app.project)
    finish_all(app, [(answer, _("{name} has it from its next start on.").format(name=name))], wait=wait)


def _show(app: App, instance: Record) -> None:
    if not app.for_people:
        show_data(app, instance["hardware"])
        return
    waiting = instance["pending"]
    rows = [{"option": "machine", "now": instance["machine"]}, *_rows(instance)]
    for row in rows:
        change = waiting.get(row["option"])
        row |= {"now": _word(change["now"] if change else row["now"]), "next": _word(change["next"] if change else "")}
    show_rows(app, rows, COLUMNS)
    if waiting:
        say(app, _("Start it again to have what waits: zcloud restart {name}").format(name=instance["name"]))


def _rows(instance: Record) -> list[Record]:
    return [{"option": option, "now": value} for option, value in instance["hardware"].items()]


def _word(value: object) -> str:
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    return str(value)
