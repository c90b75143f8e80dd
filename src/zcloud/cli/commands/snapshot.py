"""``zcloud snapshot``."""

from __future__ import annotations

import click

from zcloud.cli.asking import confirm, name_argument, wait_option, yes_option
from zcloud.cli.base import command
from zcloud.cli.output import Column, show_rows
from zcloud.cli.progress import finish
from zcloud.cli.settings import App
from zcloud.cli.text import _, plain
from zcloud.cli.units import age, size
from zcloud.client import route

COLUMNS = (
    Column("NAME", lambda each: "  " * each["depth"] + each["name"]),
    Column("NOW", lambda each: "*" if each["current"] else ""),
    Column("STATE", "state"),
    Column("QUIESCED", "quiesced"),
    Column("MEMORY", lambda each: size(each["memory"]) if each["memory"] else "-", right=True),
    Column("AGE", lambda each: age(each["created_at"]), right=True),
    Column("BY", "created_by"),
    Column("ID", "id", wide=True),
)


@command
@name_argument("instances")
def list_snapshots(app: App, name: str) -> None:
    """List the snapshots of an instance as a tree; * is where its disks come from now."""
    show_rows(app, app.client.get(route("instances", name, "snapshots"), project=app.project)["items"], COLUMNS)


@command
@name_argument("instances")
@click.argument("snapshot")
@click.option("--memory", is_flag=True, help="With what its guest has in memory; it is paused while that is written.")
@wait_option
def create(app: App, name: str, snapshot: str, memory: bool, wait: bool) -> None:
    """Take a snapshot of all disks of an instance, while it runs, too."""
    body = {"name": snapshot, "memory": memory}
    answer = app.client.post(route("instances", name, "snapshots"), body, project=app.project)
    told = _("The snapshot {snapshot} of {name} is taken.").format(snapshot=plain(snapshot), name=plain(name))
    finish(app, answer, told, wait=wait)


@command
@name_argument("instances")
@click.argument("snapshot")
@click.option("--disks-only", is_flag=True, help="Leave its memory alone, and boot from the disks.")
@yes_option
@wait_option
def revert(app: App, name: str, snapshot: str, disks_only: bool, yes: bool, wait: bool) -> None:
    """Go back to a snapshot: what the disks have now is lost; one that runs is started from there.

    From a snapshot with memory the guest goes on as it was then, whether it runs now or not.
    """
    names = {"name": plain(name), "snapshot": plain(snapshot)}
    confirm(_("Give up what {name} has now, and go back to {snapshot}?").format(**names), yes=yes)
    at = route("instances", name, "snapshots", snapshot, "revert")
    answer = app.client.post(at, {"disks_only": disks_only}, project=app.project)
    finish(app, answer, _("{name} is as it was at {snapshot}.").format(**names), wait=wait)


@command
@name_argument("instances")
@click.argument("snapshot")
@yes_option
@wait_option
def delete(app: App, name: str, snapshot: str, yes: bool, wait: bool) -> None:
    """Delete a snapshot, anywhere in the tree; those after it stay."""
    names = {"name": plain(name), "snapshot": plain(snapshot)}
    confirm(_("Delete the snapshot {snapshot} of {name}?").format(**names), yes=yes)
    answer = app.client.delete(route("instances", name, "snapshots", snapshot), project=app.project)
    finish(app, answer, _("The snapshot {snapshot} of {name} is deleted.").format(**names), wait=wait)
