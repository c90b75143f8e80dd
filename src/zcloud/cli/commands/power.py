"""``zcloud start``, ``stop``, ``restart`` and ``delete``: several instances at a time."""

from __future__ import annotations

from collections.abc import Callable

import click

from zcloud.cli.asking import confirm, name_argument, wait_option, yes_option
from zcloud.cli.base import command
from zcloud.cli.many import ask_each, verb
from zcloud.cli.params import SPAN
from zcloud.cli.settings import App
from zcloud.cli.text import _, plain
from zcloud.client import Record, route


def _how_option(function: Callable[..., object]) -> Callable[..., object]:
    force = click.option("--force", is_flag=True, help="Take the power, as if the plug were pulled.")
    deadline = click.option("--deadline", type=SPAN, default=90, help="How long the guest may take to shut down [90s].")
    return force(deadline(function))


@command
@name_argument("instances", many=True)
@wait_option
def start(app: App, name: tuple[str, ...], wait: bool) -> None:
    """Start instances."""
    ask_each(app, name, verb(app, "start"), _("{name} runs."), wait=wait)


@command
@name_argument("instances", many=True)
@_how_option
@wait_option
def stop(app: App, name: tuple[str, ...], force: bool, deadline: int, wait: bool) -> None:
    """Stop instances: the guest is asked to shut down."""
    ask = verb(app, "stop", force=force, deadline_s=deadline)
    ask_each(app, name, ask, _("{name} is stopped."), wait=wait)


@command
@name_argument("instances", many=True)
@_how_option
@wait_option
def restart(app: App, name: tuple[str, ...], force: bool, deadline: int, wait: bool) -> None:
    """Stop instances and start them again."""
    ask = verb(app, "restart", force=force, deadline_s=deadline)
    ask_each(app, name, ask, _("{name} runs again."), wait=wait)


@command
@name_argument("instances", many=True)
@click.option("--keep-disks", is_flag=True, help="Keep all disks.")
@click.option("--keep", multiple=True, metavar="NAME", help="Keep this disk; repeatable.")
@yes_option
@wait_option
def delete(app: App, name: tuple[str, ...], keep_disks: bool, keep: tuple[str, ...], yes: bool, wait: bool) -> None:
    """Delete instances with their disks."""
    kept = ("all",) if keep_disks else keep
    what = _("all disks are kept") if keep_disks else _("disks are deleted too")
    if keep and not keep_disks:
        what = _("disks are deleted too, but not {names}").format(names=", ".join(keep))
    confirm(_("Delete {names} ({what})?").format(names=", ".join(map(plain, name)), what=what), yes=yes)

    def ask(each: str) -> Record:
        answer: Record = app.client.delete(route("instances", each), project=app.project, keep=kept)
        return answer

    ask_each(app, name, ask, _("{name} is deleted."), wait=wait)
