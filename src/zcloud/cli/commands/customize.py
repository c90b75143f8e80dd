"""``zcloud instance customize``."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import click

from zcloud.cli.asking import ask_password, name_argument, wait_option
from zcloud.cli.base import command
from zcloud.cli.launching import read_key
from zcloud.cli.progress import finish
from zcloud.cli.settings import App
from zcloud.cli.text import _, plain
from zcloud.client import Record, route


@command
@name_argument("instances")
@click.option("--hostname", default="", help="Its host name.")
@click.option("--host-entry", multiple=True, metavar="ADDRESS=NAME[,NAME]", help="A line of /etc/hosts; repeatable.")
@click.option("--network", is_flag=True, help="Set up its NICs as zcloud has them, in the way of its system.")
@click.option("--timezone", default="", help="Its time zone, like Europe/Berlin.")
@click.option("--user", default="", help="A user, made where there is none; root for root.")
@click.option("--key", multiple=True, metavar="FILE", help="A public key of the user's; repeatable.")
@click.option("--password", "password", is_flag=True, help="Ask for a password of the user's.")
@click.option("--password-stdin", is_flag=True, help="Read it from standard input.")
@click.option("--sudo", is_flag=True, help="Let the user do everything by sudo.")
@click.option("--serial-console", is_flag=True, help="Have GRUB and the kernel talk on the serial console, too.")
@click.option("--file", "files", multiple=True, metavar="FILE:PATH[:MODE]", help="Place a file of yours; repeatable.")
@click.option("--run-command", multiple=True, metavar="LINE", help="A line for its shell, without network; repeatable.")
@click.option("--fresh", is_flag=True, help="Give it a machine id and SSH host keys of its own.")
@wait_option
def customize(app: App, name: str, wait: bool, **options: Any) -> None:
    """Change the system on a stopped instance's disk: names, network, users, files.

    It is for systems without cloud-init; libguestfs opens the disk on the instance's host. Where the
    disk's pool has snapshots, a failure leaves it as it was.
    """
    body: Record = {
        "hostname": options["hostname"],
        "hosts": [_entry(each) for each in options["host_entry"]],
        "network": options["network"],
        "timezone": options["timezone"],
        "users": [_user(options)] if options["user"] else [],
        "serial_console": options["serial_console"],
        "files": [_file(each) for each in options["files"]],
        "commands": list(options["run_command"]),
        "fresh": options["fresh"],
    }
    of_user = [each for each in ("key", "password", "password_stdin", "sudo") if options[each]]
    if of_user and not options["user"]:
        raise click.UsageError(_("Say whose: --user NAME."))
    body = {key: value for key, value in body.items() if value}
    answer = app.client.post(route("instances", name, "customize"), body, project=app.project)
    finish(app, answer, _("The system of {name} is customized.").format(name=plain(name)), wait=wait)


def _user(options: Record) -> Record:
    user: Record = {
        "name": options["user"],
        "ssh_keys": [read_key(each) for each in options["key"]],
        "sudo": options["sudo"],
    }
    if options["password"] or options["password_stdin"]:
        title = _("Password of {user} in the guest").format(user=plain(options["user"]))
        user["password"] = ask_password(title, stdin=options["password_stdin"], twice=True)
    return user


def _entry(text: str) -> Record:
    address, equals, names = text.partition("=")
    if not equals or not names:
        raise click.BadParameter(_("{text!r} is not ADDRESS=NAME[,NAME].").format(text=text))
    return {"address": address, "names": names.split(",")}


def _file(text: str) -> Record:
    source, *rest = text.split(":")
    if not rest or len(rest) > 2:
        raise click.BadParameter(_("{text!r} is not FILE:PATH[:MODE].").format(text=text))
    try:
        content = Path(source).expanduser().read_bytes()
    except OSError as error:
        raise click.BadParameter(_("{path}: {reason}.").format(path=source, reason=error.strerror)) from error
    mode = {"mode": rest[1]} if rest[1:] else {}
    return {"path": rest[0], "content": base64.b64encode(content).decode(), **mode}
