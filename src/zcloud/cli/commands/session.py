"""``zcloud login``, ``logout``, ``whoami`` and ``passwd``."""

from __future__ import annotations

import platform
import sys
from pathlib import Path

import click

from zcloud.cli.asking import ask_password
from zcloud.cli.base import command
from zcloud.cli.output import Column, say, show_record
from zcloud.cli.settings import App, save_config
from zcloud.cli.text import _, plain
from zcloud.client import ApiError, Client, Record


@command
@click.option("--user", default="", help="The user's name [asked for].")
@click.option("--password-stdin", is_flag=True, help="Read the password, and a code if needed, from standard input.")
def login(app: App, user: str, password_stdin: bool) -> None:
    """Sign in at a server (--url), and stay signed in.

    The server's address, its authority (--ca) and the session are kept in ~/.config/zcloud/cli.json,
    readable by you only. Scripts use an API token in ZCLOUD_TOKEN instead.
    """
    authority = _authority(app.ca)
    if not user and not sys.stdin.isatty():
        raise click.UsageError(_("There is no terminal to ask for the user's name on: give --user."))
    name = user or click.prompt(_("User"), err=True)
    password = ask_password(_("Password"), stdin=password_stdin)
    body = {"name": name, "password": password, "client": f"zcloud on {platform.node()}"[:200]}
    with Client(app.url, ca=authority) as client:
        answer = _login(client, body, password_stdin)
    kept = {"url": app.url, "ca": authority, "user": name, "token": answer["secret"], "project": app.project}
    save_config({key: value for key, value in kept.items() if value})
    say(app, _("Signed in at {url} as {name}.").format(url=app.url, name=plain(name)))


def _login(client: Client, body: Record, stdin: bool) -> Record:
    """Sign in, and ask for the code of the second factor where there is one."""
    try:
        answer: Record = client.post("/v1/login", body)
    except ApiError as error:
        if error.code != "second_factor_needed":
            raise
        answer = client.post("/v1/login", {**body, "code": ask_password(_("Code"), stdin=stdin)})
    return answer


@command
def logout(app: App) -> None:
    """Sign out: the session ends on the server, too."""
    kept = app.config
    if kept.get("token"):
        # The session's own server and secret, whatever the flags and the environment say.
        with Client(kept["url"], kept["token"], ca=kept.get("ca", "")) as client:
            try:
                client.post("/v1/logout")
            except ApiError as error:
                if error.status != 401:  # it is over already
                    raise
    save_config({key: value for key, value in app.config.items() if key not in ("token", "user")})
    say(app, _("Signed out."))


@command
def whoami(app: App) -> None:
    """Say who you are at which server, and in which projects."""
    me = app.client.get("/v1/me")
    columns = (
        Column("user", "name"),
        Column("role", "role"),
        Column("projects", lambda each: [f"{one['project']} ({one['role']})" for one in each["projects"]]),
        Column("server", lambda _each: app.url),
        Column("zone", "zone"),
        Column("id", "user_id", wide=True),
    )
    show_record(app, me, columns)


@command
@click.option("--password-stdin", is_flag=True, help="Read the old and the new password, a line each.")
def passwd(app: App, password_stdin: bool) -> None:
    """Change your password; your other sessions end, your API tokens stay."""
    old = ask_password(_("Old password"), stdin=password_stdin)
    new = ask_password(_("New password"), stdin=password_stdin, twice=True)
    app.client.post("/v1/me/password", {"old": old, "new": new})
    say(app, _("Your password is changed, and your other sessions are over."))


def _authority(ca: str) -> str:
    """Give the authority's certificate itself, so that the file may go."""
    if not ca or ca.startswith("-----BEGIN"):
        return ca
    try:
        return Path(ca).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(
            _("The authority's file {path} cannot be read: {error}.").format(path=ca, error=error)
        ) from error
