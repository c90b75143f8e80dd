"""Questions to people, and names offered to their shells."""

from __future__ import annotations

import sys
from collections.abc import Callable

import click
from click.shell_completion import CompletionItem

from zcloud.cli.settings import App
from zcloud.cli.text import _, plain
from zcloud.client import Client, route

_COMPLETION_S = 1.0  # a shell waits for it at each Tab
_MOST = 200


def confirm(question: str, *, yes: bool) -> None:
    """Go on only with --yes or a person's yes; without a terminal there is nobody to ask. Raises click.UsageError."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError(_("This needs a yes, and there is no terminal to ask on: give --yes."))
    if not click.confirm(question, default=False, err=True):
        raise click.Abort


def ask_password(title: str, *, stdin: bool, twice: bool = False) -> str:
    """Give a password: a line of standard input, or what a person types unseen. Raises click.UsageError."""
    if stdin:
        given = sys.stdin.readline().rstrip("\r\n")
        if not given:
            raise click.UsageError(_("There is no password on standard input."))
        return given
    if not sys.stdin.isatty():
        raise click.UsageError(_("There is no terminal to ask for the password on: give --password-stdin."))
    return str(click.prompt(title, hide_input=True, confirmation_prompt=twice, err=True))


def completer(noun: str, field: str = "name") -> Callable[..., list[CompletionItem]]:
    """Give a function that offers the names of things of the API to the shell."""

    def offer(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        del param
        app = ctx.ensure_object(App)
        try:
            query = {"project": app.project} if noun in ("instances", "groups") else {}
            with Client(app.url, app.token, ca=app.ca, timeout_s=_COMPLETION_S) as client:
                items = client.get(route(noun), limit=_MOST, **query)["items"]
            return [CompletionItem(plain(each[field])) for each in items if str(each[field]).startswith(incomplete)]
        except Exception:  # noqa: BLE001 - whatever it is, a half-typed command line is no place to tell it
            return []

    return offer


def name_argument(
    noun: str, *, many: bool = False, name: str = "name", required: bool = True
) -> Callable[..., Callable[..., object]]:
    """Give the argument that names one thing, or several, of the API."""
    nargs, metavar = (-1, "NAME..." if required else "[NAME]...") if many else (1, "NAME")
    return click.argument(name, nargs=nargs, required=required, metavar=metavar, shell_complete=completer(noun))


def wait_option(function: Callable[..., object]) -> Callable[..., object]:
    """Add --wait/--no-wait; waiting is the default."""
    text = "Wait for the end (the default)."
    return click.option("--wait/--no-wait", "wait", default=True, help=text)(function)


def yes_option(function: Callable[..., object]) -> Callable[..., object]:
    """Add --yes."""
    return click.option("-y", "--yes", is_flag=True, help="Do not ask.")(function)
