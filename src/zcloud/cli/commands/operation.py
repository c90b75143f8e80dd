"""``zcloud operation``."""

from __future__ import annotations

import click

from zcloud.cli.asking import completer
from zcloud.cli.base import EXIT_FAILED, command
from zcloud.cli.output import Column, say, show_data, show_record, show_rows
from zcloud.cli.problems import show_operation_error
from zcloud.cli.progress import describe_step, follow
from zcloud.cli.settings import App
from zcloud.cli.text import _, plain
from zcloud.cli.units import age, span, timestamp
from zcloud.client import ENDED, Record, route

STATUSES = ["queued", "running", "waiting", "blocked", "undoing", "succeeded", "failed", "cancelled"]


def _took(operation: Record) -> str:
    if not operation["started_at"] or not operation["ended_at"]:
        return ""
    return span(timestamp(operation["ended_at"]) - timestamp(operation["started_at"]))


def _why(operation: Record) -> str:
    error = operation["error"] or {}
    return str(error.get("message") or operation["wait_reason"] or "")


COLUMNS = (
    Column("ID", "id"),
    Column("STATUS", "status"),
    Column("WHAT", lambda each: f"{each['verb']} {each['resource']['kind']} {each['resource']['name']}"),
    Column("WHO", "actor"),
    Column("AGE", lambda each: age(each["created_at"]), right=True),
    Column("TOOK", _took, right=True),
    Column("WHY", lambda each: _why(each)[:70]),
)
DETAILS = (
    *COLUMNS[:6],
    Column("error", _why),
    Column("left", lambda each: (each["error"] or {}).get("left")),
    Column("to do", lambda each: (each["error"] or {}).get("hint")),
    Column("code", lambda each: (each["error"] or {}).get("code")),
    Column("cancel", lambda each: _("asked for") if each["cancel_requested"] else ""),
    Column("request", "request_id"),
)
_identity = click.argument("operation", shell_complete=completer("operations", "id"), metavar="ID")


@command
@click.option("--status", multiple=True, type=click.Choice(STATUSES), help="Only of this status; repeatable.")
@click.option("--running", is_flag=True, help="Only those that have not ended.")
@click.option("--limit", type=click.IntRange(1, 1000), default=30, help="At most so many, the newest [30].")
def list_operations(app: App, status: tuple[str, ...], running: bool, limit: int) -> None:
    """List operations, the newest first."""
    wanted = [each for each in STATUSES if each not in ENDED] if running else list(status)
    rows = app.client.get("/v1/operations", limit=limit, status=wanted)["items"]
    show_rows(app, rows, COLUMNS, empty=_("There are no such operations."))


@command
@_identity
def show(app: App, operation: str) -> None:
    """Show an operation with its steps."""
    found = app.client.get(route("operations", operation))
    show_record(app, found, DETAILS)
    if app.for_people and not app.quiet:
        for step in found["steps"]:
            click.echo(f"  {step['status']:<8} {describe_step(step)}")


@command
@_identity
def wait(app: App, operation: str) -> None:
    """Wait for an operation's end."""
    ended = follow(app, app.client.get(route("operations", operation)))
    if not app.for_people:
        show_data(app, ended)
    if ended["status"] != "succeeded":
        show_operation_error(ended)
        raise click.exceptions.Exit(EXIT_FAILED)
    say(app, _("{verb} {name}: {status}").format(
        verb=plain(ended["verb"]), name=plain(ended["resource"]["name"]), status=plain(ended["status"])
    ))  # fmt: skip


@command
@_identity
def cancel(app: App, operation: str) -> None:
    """Ask an operation to stop before its next step and to undo what it did."""
    answer = app.client.post(route("operations", operation, "cancel"))
    if app.for_people:
        say(app, _("It will stop at its next step. Follow it: zcloud operation wait {id}").format(id=plain(operation)))
    else:
        show_data(app, answer)


@command
@_identity
def retry(app: App, operation: str) -> None:
    """Let a blocked or waiting operation go on now, or ask again for one that failed or was cancelled."""
    answer = app.client.post(route("operations", operation, "retry"))
    if app.for_people:
        say(app, _("It tries again. Follow it: zcloud operation wait {id}").format(id=plain(answer["operation"]["id"])))
    else:
        show_data(app, answer)
