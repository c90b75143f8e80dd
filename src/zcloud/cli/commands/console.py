"""``zcloud console``: an instance's serial console in this terminal, until Ctrl-]."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager

import click

from zcloud.cli.asking import name_argument
from zcloud.cli.base import EXIT_FAILED, command
from zcloud.cli.output import note
from zcloud.cli.settings import App
from zcloud.cli.text import _, plain
from zcloud.cli.websocket import Opcode, WebSocket, connect
from zcloud.client import route

LEAVE = b"\x1d"  # Ctrl-]
_READ = 4096
_NORMAL = (0, 1000)
# What a guest may have switched on and a shell must not find on: attributes, mouse, paste, alternate screen.
_RESTORE = "\x1b[0m\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?2004l\x1b[?1049l\x1b[?25h"


@command
@name_argument("instances")
@click.option("--force", is_flag=True, help="Take it over from whoever has it open.")
def console(app: App, name: str, force: bool) -> None:
    """Open an instance's serial console; Ctrl-] leaves it."""
    if not sys.stdin.isatty():
        raise click.UsageError(_("A console needs a terminal."))
    body = {"kind": "serial", "force": force}
    ticket = app.client.post(route("instances", name, "console"), body, project=app.project)
    socket = connect(app.url, str(ticket["url"]), app.ca)
    note(app, _("Connected to {name}; press Enter if nothing shows, Ctrl-] to leave.").format(name=plain(name)))
    try:
        with _raw_terminal(), _resizes(socket):
            reason, clean = relay(socket, sys.stdin.fileno(), sys.stdout.fileno())
    finally:
        socket.close()
    note(app, plain(reason) or _("The console is closed."))
    if not clean:
        raise click.exceptions.Exit(EXIT_FAILED)


def relay(socket: WebSocket, keys: int, screen: int) -> tuple[str, bool]:
    """Carry bytes between a terminal and the console; gives why it ended, and whether that is all right."""
    while True:
        ready, _writable, _broken = select.select([keys, socket.fileno()], [], [])
        if keys in ready:
            typed = os.read(keys, _READ)
            before, leave, _after = typed.partition(LEAVE)
            if before:
                socket.send(before)
            if leave or not typed:
                return "", True
        if socket.fileno() in ready:
            for message in socket.receive():
                if message.opcode is Opcode.CLOSE:
                    code = int.from_bytes(message.data[:2])
                    return message.reason or _("The server closed the console."), code in _NORMAL
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


@contextmanager
def _resizes(socket: WebSocket) -> Iterator[None]:
    """Tell the server this terminal's size, now and whenever it changes."""

    def tell(*_signal: object) -> None:
        columns, rows = shutil.get_terminal_size()
        socket.send(json.dumps({"resize": [columns, rows]}).encode(), Opcode.TEXT)

    before = signal.signal(signal.SIGWINCH, tell)
    try:
        tell()
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)
