"""``zcloud token``."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import click

from zcloud.cli.asking import completer, confirm, name_argument, yes_option
from zcloud.cli.base import command
from zcloud.cli.names import namer
from zcloud.cli.output import Column, note, say, show_data, show_rows
from zcloud.cli.params import SPAN
from zcloud.cli.settings import App
from zcloud.cli.text import _, plain
from zcloud.cli.units import age
from zcloud.client import route


@command
def list_tokens(app: App) -> None:
    """List your API tokens."""
    columns = (
        Column("NAME", "name"),
        Column("ROLE", lambda each: each["role"] or _("yours")),
        Column("PROJECT", namer(app, "projects", "project_id")),
        Column("EXPIRES", lambda each: (each["expires_at"] or _("never"))[:16]),
        Column("USED", lambda each: age(each["last_used_at"]), right=True),
        Column("AGE", lambda each: age(each["created_at"]), right=True),
        Column("ID", "id", wide=True),
    )
    show_rows(app, app.client.pages("/v1/tokens"), columns, empty=_("You have no tokens."))


@command
@click.argument("name")
@click.option("--role", type=click.Choice(("admin", "operator", "member", "viewer")), help="At most this role [yours].")
@click.option(
    "--only", default="", metavar="PROJECT", shell_complete=completer("projects"), help="In this project only."
)
@click.option("--expires", type=SPAN, default=None, metavar="30d", help="How long it is good for [for ever].")
def create(app: App, name: str, role: str | None, only: str, expires: int | None) -> None:
    """Make a token for scripts; its secret is printed once, alone on standard output."""
    until = datetime.fromtimestamp(time.time() + expires, UTC).isoformat() if expires else None
    body = {"name": name, "role": role, "project": only, "expires_at": until}
    created = app.client.post("/v1/tokens", body)
    if not app.for_people:
        show_data(app, created)
        return
    click.echo(plain(created["secret"]))
    note(app, _("Keep it: it is not shown again. Use it as ZCLOUD_TOKEN, or as Authorization: Bearer."))


@command
@name_argument("tokens")
@yes_option
def delete(app: App, name: str, yes: bool) -> None:
    """Revoke one of your tokens."""
    confirm(_("Revoke the token {name}?").format(name=plain(name)), yes=yes)
    app.client.delete(route("tokens", name))
    say(app, _("{name} is revoked.").format(name=plain(name)))
