"""``zcloud user``."""

from __future__ import annotations

from typing import Any

import click

from zcloud.cli.asking import ask_password, confirm, name_argument, yes_option
from zcloud.cli.base import command
from zcloud.cli.output import Column, say, show_rows
from zcloud.cli.settings import App
from zcloud.cli.text import _, plain
from zcloud.cli.units import age
from zcloud.client import Record, route

_ROLES = ("admin", "operator", "viewer", "none")
COLUMNS = (
    Column("NAME", "name"),
    Column("ROLE", "role"),
    Column("STATE", lambda each: _("disabled") if each["disabled"] else "ok"),
    Column("AGE", lambda each: age(each["created_at"]), right=True),
    Column("ID", "id", wide=True),
)


@command
def list_users(app: App) -> None:
    """List users; the role shown holds in every project."""
    show_rows(app, app.client.pages("/v1/users"), COLUMNS)


@command
@click.argument("name")
@click.option("--role", type=click.Choice(_ROLES), default="none", help="A role in every project [none].")
@click.option("--no-password", is_flag=True, help="Without a password: nobody can sign in as this user.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
def add(app: App, name: str, role: str, no_password: bool, password_stdin: bool) -> None:
    """Add a user; the password is asked for. Then: zcloud project member PROJECT USER ROLE."""
    body: Record = {"name": name, "role": None if role == "none" else role}
    if not no_password:
        body["password"] = ask_password(_("New password"), stdin=password_stdin, twice=True)
    app.client.post("/v1/users", body)
    say(app, _("The user {name} is there.").format(name=plain(name)))


@command
@name_argument("users")
@click.option("--role", type=click.Choice(_ROLES), default=None, help="A role in every project.")
@click.option("--disable/--enable", default=None, help="Let the user in no more, or again.")
@click.option("--password", "ask", is_flag=True, help="Set a password, which is asked for.")
@click.option("--password-stdin", is_flag=True, help="Set the password from standard input.")
def change(app: App, name: str, role: str | None, disable: bool | None, ask: bool, password_stdin: bool) -> None:
    """Change a user's role or password, or disable the user."""
    body: dict[str, Any] = {}
    if role is not None:
        body["role"] = None if role == "none" else role
    if disable is not None:
        body["disabled"] = disable
    if ask or password_stdin:
        body["password"] = ask_password(_("New password"), stdin=password_stdin, twice=True)
    if not body:
        raise click.UsageError(_("Give at least one setting."))
    user = app.client.get(route("users", name))
    app.client.patch(route("users", user["id"]), body, revision=user["revision"])
    say(app, _("{name} is changed.").format(name=plain(user["name"])))


@command
@name_argument("users")
@yes_option
def reset_second_factor(app: App, name: str, yes: bool) -> None:
    """Take away the second factor of a user who has lost it; the user's sessions end."""
    confirm(_("Let {name} sign in with the password alone?").format(name=plain(name)), yes=yes)
    app.client.delete(route("users", name, "second-factor"))
    say(app, _("{name} signs in with the password alone.").format(name=plain(name)))


@command
@name_argument("users")
@yes_option
def delete(app: App, name: str, yes: bool) -> None:
    """Delete a user with all tokens and keys; what the user made stays."""
    confirm(_("Delete the user {name}?").format(name=plain(name)), yes=yes)
    app.client.delete(route("users", name))
    say(app, _("{name} is deleted.").format(name=plain(name)))
