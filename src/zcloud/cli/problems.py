"""How errors are told: what happened, what was left, what to do, and what to name in a report."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import click

from zcloud.cli.base import EXIT_FAILED, EXIT_NOT_FOUND, EXIT_REFUSED, EXIT_USAGE
from zcloud.cli.output import table
from zcloud.cli.text import _, plain, plain_lines
from zcloud.client import ApiError

_EXITS = {400: EXIT_USAGE, 404: EXIT_NOT_FOUND, 409: EXIT_REFUSED, 412: EXIT_REFUSED, 422: EXIT_USAGE}


def exit_code(error: ApiError) -> int:
    """Give the exit code for a refusal: 3 not found, 4 refused, 64 wrong input, 1 all else."""
    return _EXITS.get(error.status, EXIT_FAILED)


def show_error(error: ApiError) -> None:
    """Print a problem on stderr; no room is told with every host's reason."""
    refusals = error.details.get("refusals")
    click.echo(_("Error: {text}").format(text=plain_lines(_headline(error, refusals))), err=True)
    if isinstance(refusals, list) and refusals:
        show_refusals(refusals)
    _show_rest(error["left"], error["hint"], error.code, error["request_id"])


def show_operation_error(operation: Mapping[str, Any]) -> None:
    """Print on stderr why an operation failed, was cancelled, or waits."""
    error = operation.get("error") or {}
    text = error.get("message") or _("The operation {status}.").format(status=operation["status"])
    click.echo(_("Error: {text}").format(text=plain_lines(str(text))), err=True)
    output = (error.get("details") or {}).get("output")
    if output:
        click.echo("\n".join(f"  | {line}" for line in plain_lines(str(output)).split("\n")), err=True)
    _show_rest(error.get("left"), error.get("hint"), error.get("code"), operation.get("request_id"))
    click.echo(_("  Steps:        zcloud operation show {id}").format(id=plain(operation["id"])), err=True)


def show_refusals(refusals: list[Any]) -> None:
    """Print, on stderr, the hosts that do not take it, why, and what would fit."""
    rows = [[_("HOST"), _("WHY NOT"), _("NEAREST FIT")]]
    rows += [[plain(each.get(name)) for name in ("host", "reason", "nearest")] for each in refusals]
    for line in table(rows, [False] * 3, heading=False):
        click.echo(f"  {line}", err=True)


def show_usage_error(error: click.ClickException) -> None:
    """Print a usage error with the command that it is about."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.format_message(), err=True)
        return
    context = getattr(error, "ctx", None)
    click.echo(_("Error: {text}").format(text=plain_lines(error.format_message())), err=True)
    if context is not None:
        click.echo(_("  What to do:   {command} --help").format(command=context.command_path), err=True)
    sys.stderr.flush()


def _headline(error: ApiError, refusals: object) -> str:
    # The reasons are in the table below; the sentence before them is enough.
    return _("No host can take it.") if error.code == "no_room" and refusals else str(error)


def _show_rest(left: object, hint: object, code: object, request_id: object) -> None:
    named = plain(code) + (f" ({_('request')} {plain(request_id)})" if request_id else "")
    for title, text in ((_("What is left:"), left), (_("What to do:"), hint), (_("Code:"), named)):
        if text:
            click.echo(f"  {title:<14}{plain_lines(str(text))}", err=True)
