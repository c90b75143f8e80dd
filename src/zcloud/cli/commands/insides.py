"""What a running guest is asked through its agent: file systems, a password, a command, a file."""

from __future__ import annotations

import base64
import sys
import time
from typing import TextIO

import click

from zcloud.cli.asking import ask_password, name_argument, wait_option
from zcloud.cli.base import EXIT_FAILED, command
from zcloud.cli.output import Column, note, say, show_record, show_rows
from zcloud.cli.params import SIZE, SPAN
from zcloud.cli.progress import finish
from zcloud.cli.settings import App
from zcloud.cli.text import _, plain, plain_lines
from zcloud.cli.units import size
from zcloud.client import Record, route

_POLL_S = 0.3
_IN_TIME_S = 2  # what asking itself may take
_SIGNALLED = 128  # as shells give the end by a signal


def _bytes(value: int | None) -> str:
    return "" if value is None else size(value)


COLUMNS = (
    Column("MOUNTED ON", "mountpoint"),
    Column("TYPE", "type"),
    Column("USED", lambda each: _bytes(each["used"]), right=True),
    Column("SIZE", lambda each: _bytes(each["total"]), right=True),
    Column("DEVICE", "device"),
    Column("VOLUMES", lambda each: ", ".join(each["volumes"])),
)


@command
@name_argument("instances")
def filesystems(app: App, name: str) -> None:
    """List what a guest has mounted, as its agent tells now."""
    found = app.client.get(route("instances", name, "guest", "filesystems"), project=app.project)["items"]
    show_rows(app, found, COLUMNS, empty=_("The guest tells of no file systems."))


INFO = (
    Column("system", "os"),
    Column("kernel", lambda its: " ".join(filter(None, (its["kernel"], its["machine"])))),
    Column("host name", "hostname"),
    Column("time zone", "timezone"),
    Column("clock", lambda its: _clock(its["ahead_s"])),
    Column("logged in", lambda its: ", ".join(sorted({each["name"] for each in its["users"]}))),
)


def _clock(ahead_s: float | None) -> str:
    if ahead_s is None:
        return ""
    if abs(ahead_s) < _IN_TIME_S:
        return _("right")
    told = _("{seconds:.0f} s ahead") if ahead_s > 0 else _("{seconds:.0f} s behind; zcloud instance set-time sets it")
    return told.format(seconds=abs(ahead_s))


@command
@name_argument("instances")
def guest_info(app: App, name: str) -> None:
    """Show what a guest says of itself now: system, names, clock, and who is logged in."""
    show_record(app, app.client.get(route("instances", name, "guest", "info"), project=app.project), INFO)


@command
@name_argument("instances")
def trim(app: App, name: str) -> None:
    """Have a guest give back the blocks that its file systems do not use."""
    found = app.client.post(route("instances", name, "guest", "trim"), None, project=app.project)["items"]
    columns = (Column("MOUNTED ON", "path"), Column("GIVEN BACK", lambda each: _bytes(each["bytes"]), right=True),
               Column("ERROR", "error"))  # fmt: skip
    show_rows(app, found, columns, empty=_("The guest has nothing to trim."))


@command
@name_argument("instances")
def set_time(app: App, name: str) -> None:
    """Set a guest's clock to the server's."""
    app.client.post(route("instances", name, "guest", "time"), None, project=app.project)
    say(app, _("The clock of {name} is set.").format(name=plain(name)))


@command
@name_argument("instances")
@click.option("--for", "seconds", type=SPAN, default=60, help="For how long at most [60s].")
@wait_option
def freeze(app: App, name: str, seconds: int, wait: bool) -> None:
    """Have a guest write all it has and hold its file systems still; it is thawed by itself in the end."""
    answer = app.client.post(route("instances", name, "guest", "freeze"), {"seconds": seconds}, project=app.project)
    told = _("The file systems of {name} are frozen for {seconds} s at most: zcloud instance thaw {name}")
    finish(app, answer, told.format(name=plain(name), seconds=seconds), wait=wait)


@command
@name_argument("instances")
@wait_option
def thaw(app: App, name: str, wait: bool) -> None:
    """Let a guest write again whose file systems were frozen."""
    answer = app.client.post(route("instances", name, "guest", "thaw"), None, project=app.project)
    finish(app, answer, _("{name} writes again.").format(name=plain(name)), wait=wait)


@command
@name_argument("instances")
@click.option("--user", required=True, metavar="USER", help="A user of the guest.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
def set_password(app: App, name: str, user: str, password_stdin: bool) -> None:
    """Give a user of a guest another password; it is asked for, and kept nowhere."""
    password = ask_password(_("Password of {user} in the guest").format(user=user), stdin=password_stdin, twice=True)
    app.client.post(
        route("instances", name, "guest", "password"), {"user": user, "password": password}, project=app.project
    )
    say(app, _("{user} has another password in {name}.").format(user=plain(user), name=plain(name)))


@command
@name_argument("instances")
@click.argument("argv", nargs=-1, required=True, metavar="-- PROGRAM [ARGUMENT]...", type=click.UNPROCESSED)
@click.option("--stdin", "read", is_flag=True, help="Give it standard input to read (64 KiB at most).")
@click.option("--timeout", type=SPAN, default=60, help="How long to wait for its end [60s].")
def execute(app: App, name: str, argv: tuple[str, ...], read: bool, timeout: int) -> None:
    """Run a program in a guest as its root, without a shell; admins only, and it is on record."""
    path = route("instances", name, "guest", "commands")
    body = {"command": list(argv), "input": sys.stdin.read() if read else ""}
    pid = app.client.post(path, body, project=app.project)["pid"]
    deadline = time.monotonic() + timeout
    while not (result := app.client.get(f"{path}/{pid}", project=app.project))["exited"]:
        if time.monotonic() > deadline:
            note(app, _("It still runs in the guest, as process {pid}.").format(pid=pid))
            raise click.exceptions.Exit(EXIT_FAILED)
        time.sleep(_POLL_S)
    _print(result)
    if result["truncated"]:
        note(app, _("The output was cut."))
    code = result["code"] if result["signal"] is None else _SIGNALLED + result["signal"]
    raise click.exceptions.Exit(code or 0)


@command
@name_argument("instances")
@click.argument("path")
@click.option("--limit", type=SIZE, default=64 << 10, help="How much at most [64K].")
def read_file(app: App, name: str, path: str, limit: int) -> None:
    """Print the beginning of a file in a guest; admins only, and it is on record."""
    body = {"path": path, "limit": limit}
    found = app.client.post(route("instances", name, "guest", "file"), body, project=app.project)
    _write(sys.stdout, found["content"])


def _print(result: Record) -> None:
    _write(sys.stdout, result["out"])
    _write(sys.stderr, result["err"])


def _write(out: TextIO, content: str) -> None:
    """Write a guest's bytes as they are, but to a terminal only what cannot steer it."""
    data = base64.b64decode(content)
    if out.isatty():
        out.write(plain_lines(data.decode(errors="replace")))
    else:
        out.buffer.write(data)
    out.flush()
