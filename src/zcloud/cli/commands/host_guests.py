"""``zcloud host guests``: all guests of a host stopped before it goes down, and started again."""

from __future__ import annotations

import click

from zcloud.cli.asking import completer, wait_option
from zcloud.cli.base import command
from zcloud.cli.output import say
from zcloud.cli.params import SPAN
from zcloud.cli.progress import finish_all, follow
from zcloud.cli.settings import App
from zcloud.cli.text import _, plain
from zcloud.client import Record, route


@command
@click.argument("action", type=click.Choice(("stop", "start")))
@click.argument("name", required=False, shell_complete=completer("hosts"))
@click.option("--local", is_flag=True, help="The host that is the server's own machine, whatever its name.")
@click.option("--deadline", type=SPAN, default=90, help="How long a guest may take to shut down [90s].")
@wait_option
def guests(app: App, action: str, name: str | None, local: bool, deadline: int, wait: bool) -> None:
    """Stop all guests of a host before it goes down, or start those again that went down with it.

    Guests are asked to shut down; they run again after the host's next boot, but for those that are to stay off.
    """
    if local == bool(name):
        raise click.UsageError(_("Give a host, or --local."))
    hosts = [name] if name else [each["id"] for each in app.client.pages("/v1/hosts") if each["kind"] == "local"]
    begun: list[Record] = []
    for host in hosts:
        path = route("hosts", host, "guests", action)
        if action == "start":
            begun += app.client.post(path)["items"]
            continue
        begun += _in_order(app, path, deadline) if wait else []
        begun += app.client.post(path, {"deadline_s": deadline})["items"]
    told = _("{name} is stopped.") if action == "stop" else _("{name} runs again.")
    answers = [({"operation": each}, told.format(name=plain(each["resource"]["name"]))) for each in begun]
    if answers:
        finish_all(app, answers, wait=wait)
    else:
        say(app, _("There is nothing to do."))


def _in_order(app: App, path: str, deadline: int) -> list[Record]:
    """Stop those whom no other one needs, and again, until there are no more such; what remains needs what failed."""
    begun: dict[str, Record] = {}  # the last operation of each
    while True:
        items = app.client.post(path, {"deadline_s": deadline, "in_order": True})["items"]
        new = [each for each in items if each["resource"]["id"] not in begun]
        begun |= {each["resource"]["id"]: follow(app, each) for each in items}
        if not new:
            return list(begun.values())
