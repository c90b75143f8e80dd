"""``zcloud project``: projects, quotas and members."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from zcloud.cli.asking import completer, confirm, name_argument, yes_option
from zcloud.cli.base import command
from zcloud.cli.output import Column, say, show_record, show_rows
from zcloud.cli.params import MIB, SIZE
from zcloud.cli.settings import App
from zcloud.cli.text import _, plain
from zcloud.cli.units import age, size
from zcloud.client import Record, route

_LIMITS: tuple[tuple[str, Callable[[int], str]], ...] = (
    ("instances", str),
    ("vcpus", str),
    ("memory_mib", lambda value: size(value << 20)),
    ("volume_bytes", size),
)
COLUMNS = (
    Column("NAME", "name"),
    Column("DESCRIPTION", "description"),
    Column("QUOTA", lambda each: [f"{name.partition('_')[0]} {show(each['quota'][name])}" for name, show in _LIMITS
                                  if each["quota"][name] is not None]),
    Column("AGE", lambda each: age(each["created_at"]), right=True),
    Column("ID", "id", wide=True),
)  # fmt: skip


def _usage(project: Record) -> list[str]:
    told = []
    for name, show in _LIMITS:
        limit = project["quota"][name]
        used = show(project["usage"][name])
        told.append(f" {name.partition('_')[0]} {used}" + (f" / {show(limit)}" if limit is not None else ""))
    return told


DETAILS = (
    Column("name", "name"),
    Column("description", "description"),
    Column("uses", _usage),
    Column("members", lambda each: [f" {one['user']} ({one['role']})" for one in each["members"]]),
    Column("age", lambda each: age(each["created_at"])),
    Column("id", "id"),
)


def _quota_options(function: Callable[..., object]) -> Callable[..., object]:
    for option in (
        click.option("--disks", "volume_bytes", type=SIZE, help="Most bytes of all disks, like 1T."),
        click.option("--memory", "memory_mib", type=MIB, help="Most memory, like 64G."),
        click.option("--vcpus", type=click.IntRange(0), help="Most virtual CPUs."),
        click.option("--instances", type=click.IntRange(0), help="Most instances."),
        click.option("--description", default=None, help="What it is for."),
    ):
        function = option(function)
    return function


@command
def list_projects(app: App) -> None:
    """List your projects."""
    show_rows(app, app.client.pages("/v1/projects"), COLUMNS)


@command
@name_argument("projects")
def show(app: App, name: str) -> None:
    """Show a project: what it uses of its quota, and who is in it."""
    show_record(app, app.client.get(route("projects", name)), DETAILS)


@command
@click.argument("name")
@_quota_options
def create(app: App, name: str, description: str | None, **limits: Any) -> None:
    """Make a project; what has no limit is unlimited."""
    app.client.post("/v1/projects", {"name": name, "description": description or "", "quota": limits})
    say(app, _("The project {name} is there.").format(name=plain(name)))


@command
@name_argument("projects")
@_quota_options
@click.option("--unlimited", is_flag=True, help="Take all limits away that are not given.")
def change(app: App, name: str, description: str | None, unlimited: bool, **limits: Any) -> None:
    """Change a project's description or limits."""
    project = app.client.get(route("projects", name))
    given = {key: value for key, value in limits.items() if value is not None}
    body: Record = {} if description is None else {"description": description}
    if given or unlimited:
        body["quota"] = {**({} if unlimited else project["quota"]), **given}
    if not body:
        raise click.UsageError(_("Give at least one setting."))
    app.client.patch(route("projects", project["id"]), body, revision=project["revision"])
    say(app, _("{name} is changed.").format(name=plain(project["name"])))


@command
@name_argument("projects")
@yes_option
def delete(app: App, name: str, yes: bool) -> None:
    """Delete an empty project."""
    confirm(_("Delete the project {name}?").format(name=plain(name)), yes=yes)
    app.client.delete(route("projects", name))
    say(app, _("{name} is deleted.").format(name=plain(name)))


@command
@name_argument("projects")
@click.argument("user", shell_complete=completer("users"))
@click.argument("role", type=click.Choice(("operator", "member", "viewer", "none")))
def member(app: App, name: str, user: str, role: str) -> None:
    """Give a user a role in a project, or take it away (none)."""
    path = route("projects", name, "members", user)
    if role == "none":
        app.client.delete(path)
        say(app, _("{user} is not in {name} any more.").format(user=plain(user), name=plain(name)))
    else:
        app.client.put(path, {"role": role})
        say(app, _("{user} is {role} in {name}.").format(user=plain(user), role=role, name=plain(name)))
