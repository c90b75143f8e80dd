"""``zcloud console``: an instance's serial console in this terminal, or its screen at a local port for a viewer."""

from __future__ import annotations

import os
import select
import shutil
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager

import click

from zcloud.cli.asking import name_argument
from zcloud.cli.base import command
from zcloud.cli.output import note
from zcloud.cli.settings import App
from zcloud.cli.text import _, plain
from zcloud.cli.viewing import LOOPBACK, Viewport, viewer_file
from zcloud.cli.websocket import Message, Opcode, WebSocket, connect
from zcloud.client import ApiError, route

LEAVE = b"\x1d"  # Ctrl-]
_READ = 4096
_NORMAL = (1000, 1001)
# What a guest may have switched on and a shell must not find on: attributes, mouse, paste, alternate screen.
_RESTORE = "\x1b[0m\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?2004l\x1b[?1049l\x1b[?25h"


@command
@name_argument("instances")
@click.option("--force", is_flag=True, help="Take the serial console over from whoever has it open.")
@click.option("--vnc", "kind", flag_value="vnc", help="Give the screen to a VNC viewer, at a port of this machine.")
@click.option("--spice", "kind", flag_value="spice", help="Give the screen to a SPICE viewer, in the same way.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="The port for the viewer [a free one].")
@click.option("--vv", type=click.Path(dir_okay=False), help="Write a connection file for virt-viewer.")
def console(app: App, name: str, force: bool, kind: str | None, port: int, vv: str | None) -> None:
    """Open an instance's serial console (Ctrl-] leaves it), or its screen in a viewer of your own."""
    if kind:
        _show_screen(app, name, kind, port, vv)
        return
    if not sys.stdin.isatty():
        raise click.UsageError(_("A console needs a terminal."))
    socket = _dial(app, name, "serial", force=force)
    columns, rows = shutil.get_terminal_size()
    note(app, _("Connected to {name}; press Enter if nothing shows, Ctrl-] to leave.").format(name=plain(name)))
    # A serial line has no way to tell the guest a terminal's size.
    note(app, _("For full-screen programs, in the guest: stty rows {rows} cols {columns}").format(
        rows=rows, columns=columns))  # fmt: skip
    try:
        with _raw_terminal():
            closed = relay(socket, sys.stdin.fileno(), sys.stdout.fileno())
    finally:
        socket.close()
    if closed is not None and closed.code not in _NORMAL:
        raise refusal(closed)
    note(app, plain(closed.reason) if closed else _("The console is closed."))


def _dial(app: App, name: str, kind: str, *, force: bool = False) -> WebSocket:
    ticket = app.client.post(route("instances", name, "console"), {"kind": kind, "force": force}, project=app.project)
    return connect(app.url, str(ticket["url"]), app.ca)


def _show_screen(app: App, name: str, kind: str, port: int, vv: str | None) -> None:
    _dial(app, name, kind).close()  # a refusal is told now, not to the first viewer
    try:
        viewport = Viewport(port, lambda: _dial(app, name, kind), lambda why: note(app, plain(why)))
    except OSError as error:
        raise click.UsageError(_("The port {port} cannot be had: {why}").format(port=port, why=error)) from error
    address = f"{kind}://{LOOPBACK}:{viewport.port}"
    note(app, _("The screen of {name} is at {address}; Ctrl-C ends it.").format(name=plain(name), address=address))
    if vv:
        _write_private(vv, viewer_file(kind, viewport.port, plain(name)))
        note(app, _("For virt-viewer: remote-viewer {file}").format(file=vv))
    try:
        viewport.serve()
    except KeyboardInterrupt:
        note(app, _("The screen is closed."))
    finally:
        viewport.close()


def _write_private(path: str, text: str) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text)


def refusal(closed: Message) -> ApiError:
    """Give the error that the server closed with: its code is 4000 + the HTTP status, its reason ``code: text``."""
    code, _colon, detail = closed.reason.partition(": ")
    known = {"code": code, "detail": detail} if detail else {"detail": closed.reason or _("The connection was lost.")}
    hint = _("Take it over with --force.") if code == "in_use" else ""
    return ApiError(max(closed.code - 4000, 0), {"code": "console_closed", "hint": hint, **known})


def relay(socket: WebSocket, keys: int, screen: int) -> Message | None:
    """Carry bytes between a terminal and the console; gives the server's close, or None where the person left."""
    while True:
        ready, _writable, _broken = select.select([keys, socket.fileno()], [], [])
        if keys in ready:
            typed = os.read(keys, _READ)
            before, leave, _after = typed.partition(LEAVE)
            if before:
                socket.send(before)
            if leave or not typed:
                return None
        if socket.fileno() in ready:
            for message in socket.receive():
                if message.opcode is Opcode.CLOSE:
                    return message
                _write_all(screen, message.data)


def _write_all(screen: int, data: bytes) -> None:
    while data:
        data = data[os.write(screen, data) :]


@contextmanager
def _raw_terminal() -> Iterator[None]:
    keys = sys.stdin.fileno()
    before = termios.tcgetattr(keys)
    try:
        tty.setraw(keys)
        yield
    finally:
        termios.tcsetattr(keys, termios.TCSAFLUSH, before)
        sys.stdout.write(f"{_RESTORE}\r\n")
        sys.stdout.flush()
