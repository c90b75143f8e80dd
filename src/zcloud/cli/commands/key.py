"""``zcloud key``."""

from __future__ import annotations

from pathlib import Path

import click

from zcloud.cli.asking import confirm, name_argument, yes_option
from zcloud.cli.base import command
from zcloud.cli.launching import own_key, read_key
from zcloud.cli.output import Column, say, show_rows
from zcloud.cli.settings import App
from zcloud.cli.text import _, plain
from zcloud.cli.units import age
from zcloud.client import route

COLUMNS = (
    Column("NAME", "name"),
    Column("FINGERPRINT", "fingerprint"),
    Column("AGE", lambda each: age(each["created_at"]), right=True),
    Column("KEY", "public_key", wide=True),
)


@command
def list_keys(app: App) -> None:
    """List your SSH public keys."""
    show_rows(
        app, app.client.pages("/v1/keys"), COLUMNS, empty=_("You have no keys here. Add one: zcloud key add NAME")
    )


@command
@click.argument("name")
@click.argument("file", required=False, default="")
def add(app: App, name: str, file: str) -> None:
    """Add a public key from a file [your own ~/.ssh/id_*.pub]."""
    # A path without a slash is a file here, not a stored key's name.
    line = read_key(str(Path(file).expanduser().absolute())) if file else own_key(Path.home())
    if not line:
        raise click.UsageError(_("You have no public key in ~/.ssh; give its file, or make one with ssh-keygen."))
    added = app.client.post("/v1/keys", {"name": name, "public_key": line})
    say(app, _("Added {name}: {key}").format(name=plain(name), key=plain(added["fingerprint"])))


@command
@name_argument("keys")
@yes_option
def delete(app: App, name: str, yes: bool) -> None:
    """Delete one of your keys; instances that have it keep it."""
    confirm(_("Delete the key {name}?").format(name=plain(name)), yes=yes)
    app.client.delete(route("keys", name))
    say(app, _("{name} is deleted.").format(name=plain(name)))
