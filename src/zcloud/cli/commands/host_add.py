"""``zcloud host add`` and ``approve``: a host's key is shown, compared, and only then believed."""

from __future__ import annotations

import sys
from typing import Any

import click

from zcloud.cli.asking import name_argument, wait_option
from zcloud.cli.base import EXIT_FAILED, EXIT_REFUSED, command
from zcloud.cli.output import note, say
from zcloud.cli.params import MIB
from zcloud.cli.problems import show_operation_error
from zcloud.cli.progress import finish, follow
from zcloud.cli.settings import App
from zcloud.cli.text import _, plain
from zcloud.client import Record, route


@command
@click.argument("name")
@click.argument("address", required=False, default="")
@click.option("--local", is_flag=True, help="The machine that the server runs on.")
@click.option("--port", type=click.IntRange(1, 65535), default=22, help="The SSH port [22].")
@click.option("--user", default="root", help="The user to log in as [root].")
@click.option("--fingerprint", default="", metavar="SHA256:…", help="What the host's key must be; nobody is asked.")
@click.option("--libvirt-socket", default="", metavar="PATH", help="libvirt's socket there [found].")
@click.option("--cpu-ratio", type=float, help="How many vCPUs may be promised for each CPU [4].")
@click.option("--memory-ratio", type=float, help="How much memory may be promised for each byte [1].")
@click.option("--reserve", "reserved_memory_mib", type=MIB, help="Memory that stays the host's own [1G].")
@wait_option
def add(app: App, name: str, address: str, local: bool, fingerprint: str, **options: Any) -> None:
    """Add a host by SSH, or the server's own machine (--local)."""
    if local == bool(address):
        raise click.UsageError(_("Give the host's address, or --local."))
    wait = options.pop("wait")
    body: Record = {"name": name, "kind": "local" if local else "ssh"}
    if local:
        del options["port"], options["user"]
    else:
        body["address"] = address
    body |= {key: value for key, value in options.items() if value not in (None, "")}
    answer = app.client.post("/v1/hosts", body)
    told = _("The host {name} is added.").format(name=plain(name))
    if local or (not wait and not fingerprint):
        finish(app, answer, told, wait=wait)
        if not local:
            note(app, _("Then compare and approve its key: zcloud host approve {name}").format(name=plain(name)))
        return
    _succeed(app, answer)
    finish(app, _approve(app, app.client.get(route("hosts", answer["resource"]["id"])), fingerprint), told, wait=wait)


@command
@name_argument("hosts")
@click.argument("fingerprint", required=False, default="", metavar="[SHA256:…]")
@wait_option
def approve(app: App, name: str, fingerprint: str, wait: bool) -> None:
    """Approve the key that a host offered."""
    host = app.client.get(route("hosts", name))
    answer = _approve(app, host, fingerprint)
    finish(app, answer, _("The host {name} is added.").format(name=plain(host["name"])), wait=wait)


def _approve(app: App, host: Record, fingerprint: str) -> Record:
    """Approve the offered key if it is the one given, or the one that a person says yes to."""
    offered = plain(host["inventory"].get("offered_fingerprint"))
    name = plain(host["name"])
    if not fingerprint:
        if not offered:
            raise click.UsageError(_("No key of {name} waits for approval.").format(name=name))
        click.echo(_("{name} ({address}) shows this key:\n\n    {key}\n\nCompare it with the host's own, there:\n"
                     "    ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub\n").format(
            name=name, address=plain(host["address"]), key=offered), err=True)  # fmt: skip
        if not sys.stdin.isatty():
            note(app, _("There is no terminal to ask on. Go on with: zcloud host approve {name} {key}").format(
                name=name, key=offered))  # fmt: skip
            raise click.exceptions.Exit(EXIT_REFUSED)
        if not click.confirm(_("Is it the same?"), default=False, err=True):
            say(app, _("{name} stays unapproved. Forget it: zcloud host remove {name}").format(name=name))
            raise click.exceptions.Exit(EXIT_REFUSED)
        fingerprint = offered
    answer: Record = app.client.post(route("hosts", host["id"], "approve"), {"fingerprint": fingerprint})
    return answer


def _succeed(app: App, answer: Record) -> None:
    operation = follow(app, answer["operation"])
    if operation["status"] != "succeeded":
        show_operation_error(operation)
        raise click.exceptions.Exit(EXIT_FAILED)
