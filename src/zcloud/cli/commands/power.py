"""``zcloud start``, ``stop``, ``restart`` and ``delete``: several instances at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from zcloud.cli.asking import confirm, wait_option
from zcloud.cli.base import command
from zcloud.cli.many import Which, ask_each, do, run, several
from zcloud.cli.params import SPAN
from zcloud.cli.settings import App
from zcloud.cli.text import _, plain
from zcloud.client import Record, route


def _how_option(function: Callable[..., object]) -> Callable[..., object]:
    force = click.option("--force", is_flag=True, help="Take the power, as if the plug were pulled.")
    deadline = click.option("--deadline", type=SPAN, default=90, help="How long the guest may take to shut down [90s].")
    return force(deadline(function))


@command
@several
@wait_option
def start(app: App, which: Which, wait: bool) -> None:
    """Start instances."""
    do(app, which, "start", _("{name} runs."), wait=wait)


@command
@several
@_how_option
@wait_option
def stop(app: App, which: Which, force: bool, deadline: int, wait: bool) -> None:
    """Stop instances: the guest is asked to shut down."""
    do(app, which, "stop", _("{name} is stopped."), wait=wait, force=force, deadline_s=deadline)


@command
@several
@_how_option
@wait_option
def restart(app: App, which: Which, force: bool, deadline: int, wait: bool) -> None:
    """Stop instances and start them again."""
    do(app, which, "restart", _("{name} runs again."), wait=wait, force=force, deadline_s=deadline)


@command
@several
@click.option("--purge", is_flag=True, help="Remove them for good, past the trash.")
@click.option("--keep-disks", is_flag=True, help="Remove them for good, but keep all disks.")
@click.option("--keep", multiple=True, metavar="NAME", help="Remove them for good, but keep this disk; repeatable.")
@wait_option
def delete(app: App, which: Which, wait: bool, **how: Any) -> None:
    """Delete instances with their disks; for some days they can be brought back from the trash."""
    kept, told = ("all",) if how["keep_disks"] else how["keep"], _("{name} is deleted.")
    if which.by_filter or which.dry_run:
        if kept:
            raise click.UsageError(_("Name the instances whose disks are to be kept."))
        run(app, which, "delete", told, wait=wait, purge=how["purge"])
        return
    question = _("Delete {names} ({what})?")
    confirm(question.format(names=", ".join(map(plain, which.names)), what=_fate(**how)), yes=which.yes)

    def ask(each: str) -> Record:
        path = route("instances", each)
        answer: Record = app.client.delete(path, project=app.project, keep=kept, purge=how["purge"])
        return answer

    ask_each(app, which.names, ask, told, wait=wait)


def _fate(*, purge: bool, keep_disks: bool, keep: tuple[str, ...]) -> str:
    if keep_disks:
        return _("for good; all disks are kept")
    if keep:
        return _("for good; disks are deleted too, but not {names}").format(names=", ".join(keep))
    return _("for good; disks are deleted too") if purge else _("see `zcloud trash`")
