"""``zcloud reconcile``: what a restored server found, and the end of its waiting."""

from __future__ import annotations

import click

from zcloud.cli.asking import confirm, yes_option
from zcloud.cli.base import command
from zcloud.cli.output import Column, note, say, show_data, show_rows
from zcloud.cli.settings import App
from zcloud.cli.text import _, plain
from zcloud.client import Record

COLUMNS = (
    Column("KIND", "kind"),
    Column("WHAT", lambda each: f"{each['resource_kind']} {each['resource_name']}"),
    Column("HOST", "host"),
    Column("RECORDED", "recorded"),
    Column("FOUND", "found"),
    Column("BECOMES", "becomes"),
    Column("ID", "resource_id", wide=True),
)


@command
def show(app: App) -> None:
    """Show how hosts differ from the records of a restored server, and what becomes of each difference."""
    state = app.client.get("/v1/reconcile")
    if not app.for_people:
        rows = list(app.client.pages("/v1/reconcile/differences")) if state["active"] else []
        show_data(app, {**state, "items": rows})
        return
    if not state["active"]:
        say(app, _("The server does not reconcile: changes are allowed."))
        _tell_hosts(app, state)
        return
    told = _("Restored from a backup of {taken}; {count} operations that were unfinished then are not run again.")
    note(app, told.format(taken=plain(state["taken_at"][:19]), count=len(state["operations"])))
    _tell_hosts(app, state)
    empty = _("No host differs from the records.")
    show_rows(app, list(app.client.pages("/v1/reconcile/differences")), COLUMNS, empty=empty)
    note(app, _("Nothing is changed until an admin says: zcloud reconcile finish"))


@command
@yes_option
@click.option("--anyway", is_flag=True, help="Also where a host does not answer: it is compared when it is back.")
def finish(app: App, yes: bool, anyway: bool) -> None:
    """Take what hosts run as it is, and let the server change things again."""
    confirm(_("Take what the hosts run as it is, and go on?"), yes=yes)
    state = app.client.post("/v1/reconcile/finish", {"anyway": anyway})
    if app.for_people:
        say(app, _("The server goes on; power states follow within seconds."))
        _tell_hosts(app, state)
    else:
        show_data(app, state)


def _tell_hosts(app: App, state: Record) -> None:
    if state["unseen_hosts"]:
        names = ", ".join(plain(each) for each in state["unseen_hosts"])
        note(app, _("Not looked at yet: {names}").format(names=names))
    if state["pending_hosts"]:
        names = ", ".join(plain(each) for each in state["pending_hosts"])
        note(app, _("Compared when they answer: {names}").format(names=names))
