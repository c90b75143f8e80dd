"""``zcloud host guests``: all guests of a host stopped before it goes down, and started again."""

from __future__ import annotations

import click

from zcloud.cli.asking import completer, wait_option
from zcloud.cli.base import command
from zcloud.cli.output import say
from zcloud.cli.params import SPAN
from zcloud.cli.progress import finish_all
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
        body = {"deadline_s": deadline} if action == "stop" else None
        begun += app.client.post(route("hosts", host, "guests", action), body)["items"]
    told = _("{name} is stopped.") if action == "stop" else _("{name} runs again.")
    answers = [({"operation": each}, told.format(name=plain(each["resource"]["name"]))) for each in begun]
    if answers:
        finish_all(app, answers, wait=wait)
    else:
        say(app, _("There is nothing to do."))
