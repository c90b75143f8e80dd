"""``zcloud ssh``: OpenSSH with the address, the user and the known hosts of an instance."""

from __future__ import annotations

import ipaddress
import os
import re
import shutil

import click

from zcloud.cli.asking import name_argument
from zcloud.cli.base import Refusal, command
from zcloud.cli.commands.instance import find
from zcloud.cli.settings import App, state_directory
from zcloud.cli.text import _, plain
from zcloud.client import Record

_USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}")
_ID = re.compile(r"[0-9a-f-]{1,64}")


@command
@name_argument("instances")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[-- COMMAND...]")
@click.option("--user", default="", help="Log in as this user [the image's own].")
@click.option("-i", "--identity", default="", metavar="FILE", help="The private key.")
def ssh(app: App, name: str, arguments: tuple[str, ...], user: str, identity: str) -> None:
    """Log in to an instance, or run a command there."""
    argv = ssh_argv(find(app, name), arguments, user=user, identity=identity)
    if shutil.which("ssh") is None:
        raise click.ClickException(_("There is no ssh here; install OpenSSH's client."))
    os.execvp(argv[0], argv)  # noqa: S606 - a list, no shell


def ssh_argv(instance: Record, arguments: tuple[str, ...], *, user: str = "", identity: str = "") -> list[str]:
    """Give ssh's command line; raises click.ClickException where there is no address to go to.

    The first host key is kept for the instance's id, and must stay: a new instance of the same name or address has
    its own file, so nobody gets used to answering "yes" to a changed key.
    """
    where = str(instance["address"])
    try:
        ipaddress.ip_address(where)  # it may be the guest's word; ssh must not take it for an option
    except ValueError:
        told = _("{name} has no address yet (it is {status}).")
        raise Refusal(told.format(name=plain(instance["name"]), status=plain(instance["status"]))) from None
    login = user or instance["default_user"] or "root"
    if not _USER.fullmatch(login) or not _ID.fullmatch(instance["id"]):
        raise click.UsageError(_("{user!r} is not a user name.").format(user=login))
    argv = ["ssh", "-o", f'UserKnownHostsFile="{_known_hosts(instance["id"])}"', "-o", f"HostKeyAlias={instance['id']}"]
    argv += ["-o", "StrictHostKeyChecking=accept-new", "-o", "CheckHostIP=no"]
    argv += ["-i", identity] if identity else []
    return [*argv, "-l", login, "--", where, *arguments]


def _known_hosts(identity: str) -> str:
    directory = state_directory() / "known_hosts"
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    return str(directory / identity).replace("%", "%%")  # ssh expands its own % sequences there
