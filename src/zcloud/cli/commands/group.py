"""``zcloud group``."""

from __future__ import annotations

from collections.abc import Iterable

import click

from zcloud.cli.asking import confirm, name_argument, wait_option, yes_option
from zcloud.cli.base import command
from zcloud.cli.output import Column, say, show_data, show_rows
from zcloud.cli.params import SPAN
from zcloud.cli.progress import finish
from zcloud.cli.settings import App
from zcloud.cli.text import _, plain
from zcloud.cli.units import age
from zcloud.client import Record, route


def order(members: list[Record]) -> str:
    """Give the members in one line: ``db, then app1 + app2, then web``."""
    waves: dict[int, list[str]] = {}
    for each in members:
        waves.setdefault(each["order"], []).append(each["name"])
    return _in_turn(waves.values())


def _in_turn(waves: Iterable[Iterable[str]]) -> str:
    return _(", then ").join(" + ".join(map(plain, names)) for names in waves)


def _show_plan(app: App, group: str, verb: str, nobody: str) -> None:
    plan = app.client.post(route("groups", group, verb), None, project=app.project, dry_run=True)
    if app.for_people:
        say(app, _in_turn(plan["waves"]) or nobody)
    else:
        show_data(app, plan)


def waits(member: Record) -> str:
    """Say what those after a member wait for."""
    told = _("it is ready") if member["until"] == "ready" else _("it is started")
    return _("{until}, and {seconds} s").format(until=told, seconds=member["delay_s"]) if member["delay_s"] else told


COLUMNS = (
    Column("NAME", "name"),
    Column("INSTANCES", lambda each: len(each["members"]), right=True),
    Column("RUNNING", lambda each: sum(one["status"] == "running" for one in each["members"]), right=True),
    Column("ORDER", lambda each: order(each["members"])),
    Column("AGE", lambda each: age(each["created_at"]), right=True),
    Column("ID", "id", wide=True),
)
MEMBERS = (
    Column("ORDER", "order", right=True),
    Column("INSTANCE", "name"),
    Column("STATUS", "status"),
    Column("READY", "ready"),
    Column("THE NEXT WAIT UNTIL", waits),
    Column("IF IT FAILS", lambda each: _("they go on") if each["otherwise"] == "go-on" else _("they stay off")),
    Column("NOW", "stand"),
)


@command
def list_groups(app: App) -> None:
    """List groups, with the order in which their instances start."""
    show_rows(app, app.client.pages("/v1/groups", project=app.project), COLUMNS, empty=_("There are no groups."))


@command
@name_argument("groups", name="group")
def show(app: App, group: str) -> None:
    """Show a group: who starts when, what the next ones wait for, and how each stands now."""
    found = _get(app, group)
    if not app.for_people:
        show_data(app, found)
        return
    empty = _("It is empty; fill it: zcloud group add {name} INSTANCE --order 1").format(name=plain(group))
    show_rows(app, found["members"], MEMBERS, empty=empty)


@command
@click.argument("name")
def create(app: App, name: str) -> None:
    """Make an empty group."""
    app.client.post("/v1/groups", {"name": name, "project": app.project or ""})
    say(
        app,
        _("The group {name} is there; fill it: zcloud group add {name} INSTANCE --order 1").format(name=plain(name)),
    )


@command
@name_argument("groups", name="group")
@name_argument("instances", name="instance", many=True)
@click.option("--order", type=click.IntRange(0, 1000), required=True, help="Lower ones start first.")
@click.option("--until", type=click.Choice(("started", "ready")), default="started", help="What the next wait for.")
@click.option("--delay", "delay_s", type=SPAN, default=0, help="How much longer they wait [0s].")
@click.option("--otherwise", type=click.Choice(("stop", "go-on")), default="stop", help="If it does not get there.")
def add(app: App, group: str, instance: tuple[str, ...], **place: object) -> None:
    """Give instances their place in a group, or another place than they have."""
    for each in instance:
        changed = app.client.put(route("groups", group, "members", each), place, project=app.project)
    say(app, _("The order is: {order}").format(order=order(changed["members"])))


@command
@name_argument("groups", name="group")
@name_argument("instances", name="instance", many=True)
def remove(app: App, group: str, instance: tuple[str, ...]) -> None:
    """Take instances out of a group; they stay as they are."""
    for each in instance:
        app.client.delete(route("groups", group, "members", each), project=app.project)
    say(app, _("{group} is without {names}.").format(group=plain(group), names=", ".join(map(plain, instance))))


@command
@name_argument("groups", name="group")
@click.option("--dry-run", is_flag=True, help="Only say who would start when.")
@wait_option
def start(app: App, group: str, dry_run: bool, wait: bool) -> None:
    """Start the instances of a group in their order, each when those before it are there."""
    if dry_run:
        _show_plan(app, group, "start", _("All run already."))
        return
    answer = app.client.post(route("groups", group, "start"), None, project=app.project)
    finish(app, answer, _("The group {name} runs.").format(name=plain(group)), wait=wait)


@command
@name_argument("groups", name="group")
@click.option("--force", is_flag=True, help="Take their power instead of asking the guests.")
@click.option("--deadline", type=SPAN, default=90, help="How long a guest may take to shut down [90s].")
@click.option("--dry-run", is_flag=True, help="Only say who would stop when.")
@wait_option
def stop(app: App, group: str, force: bool, deadline: int, dry_run: bool, wait: bool) -> None:
    """Stop the instances of a group: those that start last are stopped first."""
    if dry_run:
        _show_plan(app, group, "stop", _("All are off already."))
        return
    answer = app.client.post(
        route("groups", group, "stop"), {"force": force, "deadline_s": deadline}, project=app.project
    )
    finish(app, answer, _("The group {name} is off.").format(name=plain(group)), wait=wait)


@command
@name_argument("groups", name="group")
@click.argument("name")
def rename(app: App, group: str, name: str) -> None:
    """Give a group another name."""
    app.client.patch(route("groups", group), {"name": name}, project=app.project)
    say(app, _("{old} is {name} now.").format(old=plain(group), name=plain(name)))


@command
@name_argument("groups", name="group")
@yes_option
def delete(app: App, group: str, yes: bool) -> None:
    """Remove a group; its instances stay as they are."""
    confirm(_("Remove the group {name}? Its instances stay.").format(name=plain(group)), yes=yes)
    app.client.delete(route("groups", group), project=app.project)
    say(app, _("{name} is removed.").format(name=plain(group)))


def _get(app: App, group: str) -> Record:
    found: Record = app.client.get(route("groups", group), project=app.project)
    return found
