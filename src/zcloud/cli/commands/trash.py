"""``zcloud trash``: deleted instances that can still be brought back."""

from __future__ import annotations

import click

from zcloud.cli.asking import completer, confirm, wait_option, yes_option
from zcloud.cli.base import command
from zcloud.cli.commands.listing import extent
from zcloud.cli.many import ask_each
from zcloud.cli.output import Column, show_rows
from zcloud.cli.progress import finish, finish_all
from zcloud.cli.settings import App
from zcloud.cli.text import _, plain
from zcloud.cli.units import age, size
from zcloud.client import Record, route

COLUMNS = (
    Column("NAME", "name"),
    Column("DELETED", lambda each: _("{age} ago").format(age=age(each["at"]))),
    Column("KEPT UNTIL", lambda each: each["until"][:16].replace("T", " ")),
    Column("SIZE", extent),
    Column("DISKS", lambda each: size(each["disk_size"]), right=True),
    Column("HOST", "host"),
    Column("PROJECT", "project", wide=True),
    Column("TAGS", "tags", wide=True),
    Column("ID", "id"),
)


@command
def list_trash(app: App) -> None:
    """List deleted instances that can still be brought back."""
    rows = app.client.pages("/v1/trash", project=app.project)
    show_rows(app, rows, COLUMNS, empty=_("The trash is empty."))


@command
@click.argument("name", shell_complete=completer("trash"))
@click.option("--name", "new_name", default="", metavar="NAME", help="Bring it back under this name.")
@wait_option
def restore(app: App, name: str, new_name: str, wait: bool) -> None:
    """Bring a deleted instance back, stopped; NAME is what it was called, or its id."""
    body = {"name": new_name} if new_name else None
    answer = app.client.post(route("trash", name, "restore"), body, project=app.project)
    told = _("{name} is back; start it: zcloud start {name}")
    finish(app, answer, told.format(name=plain(new_name or name)), wait=wait)


@command
@click.argument("name", nargs=-1, required=True, metavar="NAME...", shell_complete=completer("trash"))
@yes_option
@wait_option
def purge(app: App, name: tuple[str, ...], yes: bool, wait: bool) -> None:
    """Remove instances in the trash for good, with their disks."""
    confirm(_("Remove {names} for good, with all disks?").format(names=", ".join(map(plain, name))), yes=yes)

    def ask(each: str) -> Record:
        answer: Record = app.client.delete(route("trash", each), project=app.project)
        return answer

    ask_each(app, name, ask, _("{name} is gone."), wait=wait)


@command
@yes_option
@wait_option
def empty(app: App, yes: bool, wait: bool) -> None:
    """Remove all that is in the trash for good."""
    names = [plain(each["name"]) for each in app.client.pages("/v1/trash", project=app.project)]
    if not names:
        show_rows(app, [], COLUMNS, empty=_("The trash is empty."))
        return
    confirm(_("Remove {names} for good, with all disks?").format(names=", ".join(names)), yes=yes)
    answer = app.client.post("/v1/trash/empty", {"project": app.project} if app.project else None)
    gone = _("{name} is gone.")
    begun = [({"operation": each}, gone.format(name=plain(each["resource"]["name"]))) for each in answer["operations"]]
    finish_all(app, begun, wait=wait)
