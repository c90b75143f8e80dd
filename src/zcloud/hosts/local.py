"""The local host's shell: directly as root, else through the root helper on its Unix socket."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterable, Sequence

from zcloud.domain.errors import HostUnreachable, from_record
from zcloud.hosts import commands, helperwire, process
from zcloud.hosts.shell import CommandShell, in_turn
from zcloud.ports import Completed

_CONNECT_S = 3.0
_GRACE_S = 10.0


def local_shell(roots: Sequence[str] = commands.DEFAULT_ROOTS, helper_socket: str = helperwire.SOCKET) -> CommandShell:
    """Give the local machine's shell: our own processes where we are root, else the root helper's."""
    if os.geteuid() == 0:
        return CommandShell(DirectRunner(), roots)
    return CommandShell(HelperRunner(lambda: connect_helper(helper_socket)), roots)


class DirectRunner:
    """Runs commands as ourselves."""

    def execute(self, argv: Sequence[str], feed: Iterable[bytes], *, timeout_s: float) -> Completed:
        """Run a command (see ``shell.Runner``)."""
        return process.run(argv, feed, timeout_s=timeout_s)

    def execute_all(self, batch: Sequence[Sequence[str]], data: bytes, *, timeout_s: float) -> Completed:
        """Run commands in turn (see ``shell.Runner``)."""
        return in_turn(self.execute, batch, data, timeout_s=timeout_s)


class HelperRunner:
    """Runs commands through the root helper; ``connect`` gives a fresh connection to it."""

    def __init__(self, connect: Callable[[], socket.socket]) -> None:
        self._connect = connect

    def execute(self, argv: Sequence[str], feed: Iterable[bytes], *, timeout_s: float) -> Completed:
        """Run a command (see ``shell.Runner``); raises what the helper raised, HostUnreachable where it is gone."""
        with self._connect() as stream:
            try:
                return _converse(stream, argv, feed, timeout_s)
            except OSError as error:
                raise HostUnreachable(f"The root helper does not answer: {error}.", hint=_HINT) from error

    def execute_all(self, batch: Sequence[Sequence[str]], data: bytes, *, timeout_s: float) -> Completed:
        """Run commands in turn, each by its own request, which the helper checks (see ``shell.Runner``)."""
        return in_turn(self.execute, batch, data, timeout_s=timeout_s)


_HINT = "Look at it with: systemctl status zcloud-helper"


def connect_helper(path: str) -> socket.socket:
    """Connect to the root helper's socket; raises HostUnreachable."""
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    stream.settimeout(_CONNECT_S)
    try:
        stream.connect(path)
    except OSError as error:
        stream.close()
        raise HostUnreachable(f"The root helper cannot be reached at {path}: {error}.", hint=_HINT) from error
    return stream


def _converse(stream: socket.socket, argv: Sequence[str], feed: Iterable[bytes], timeout_s: float) -> Completed:
    stream.settimeout(timeout_s + _GRACE_S)
    try:
        helperwire.send(stream, b"R", json.dumps({"argv": list(argv), "timeout_s": timeout_s}).encode())
        for piece in feed:
            if piece:
                helperwire.send(stream, b"I", piece)
        helperwire.send(stream, b"I")
    except (BrokenPipeError, ConnectionResetError):
        pass  # it refused and says why in what it has sent
    output = {b"O": bytearray(), b"E": bytearray()}
    while True:
        letter, payload = helperwire.receive(stream)
        if letter == b"X":
            raise from_record(json.loads(payload))
        if letter == b"D":
            return Completed(int(payload), bytes(output[b"O"]), bytes(output[b"E"]))
        output[letter] += payload
