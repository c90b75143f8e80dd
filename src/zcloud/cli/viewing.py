"""A guest's screen at a local TCP port, for a desktop viewer: each connection is carried over one ticket's websocket.

The port is the loopback's and there only while the command runs. On Linux nobody but the same user gets in: the
kernel tells whose the other end of a loopback connection is (proc(5), /proc/net/tcp).
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from zcloud.cli.websocket import Message, Opcode, WebSocket
from zcloud.client import ApiError

LOOPBACK = "127.0.0.1"
_TABLE = Path("/proc/net/tcp")
_READ = 1 << 16
_VIEWERS = 16  # SPICE opens a connection for each of its channels


class Viewport:
    """A port at which viewers connect; ``dial`` opens the guest's screen once more, ``tell`` gets what went wrong."""

    def __init__(self, port: int, dial: Callable[[], WebSocket], tell: Callable[[str], None]) -> None:
        self._dial, self._tell = dial, tell
        self._places = threading.BoundedSemaphore(_VIEWERS)
        self._listener = socket.create_server((LOOPBACK, port), backlog=_VIEWERS)

    @property
    def port(self) -> int:
        """Give the port's number."""
        number: int = self._listener.getsockname()[1]
        return number

    def serve(self) -> None:
        """Take viewers until the process is interrupted, or ``close`` is called."""
        while True:
            try:
                viewer, address = self._listener.accept()
            except OSError:  # closed
                return
            if not is_mine(address[1], self.port) or not self._places.acquire(blocking=False):
                viewer.close()
                continue
            threading.Thread(target=self._carry, args=(viewer,), daemon=True).start()

    def close(self) -> None:
        """Take no more viewers."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _carry(self, viewer: socket.socket) -> None:
        try:
            with viewer, contextlib.closing(self._dial()) as screen:
                for why in relay(viewer, screen):
                    self._tell(why)
        except ApiError as error:
            self._tell(str(error))
        except OSError:
            pass  # the viewer or the server is gone; there is nobody to tell
        finally:
            self._places.release()


def relay(viewer: socket.socket, screen: WebSocket) -> Iterator[str]:
    """Carry bytes both ways until either side ends; gives the server's reason where it is more than a goodbye."""
    while True:
        ready, _writable, _broken = select.select([viewer.fileno(), screen.fileno()], [], [])
        if viewer.fileno() in ready:
            data = viewer.recv(_READ)
            if not data:
                return
            screen.send(data)
        if screen.fileno() in ready:
            for message in screen.receive():
                if message.opcode is Opcode.CLOSE:
                    yield from _reason(message)
                    return
                viewer.sendall(message.data)


def is_mine(theirs: int, ours: int, table: Path = _TABLE) -> bool:
    """Say whether the process at loopback port ``theirs``, connected to port ``ours``, runs as this user.

    True as well where the kernel does not tell it: there every user of the machine is trusted.
    """
    try:
        lines = table.read_text().splitlines()[1:]
    except OSError:
        return True
    ends = (f":{theirs:04X}", f":{ours:04X}")
    for line in lines:
        _slot, local, remote, *rest = line.split()
        if local.endswith(ends[0]) and remote.endswith(ends[1]):
            return int(rest[4]) == os.getuid()
    return False


def viewer_file(kind: str, port: int, title: str) -> str:
    """Give the connection file that virt-viewer's remote-viewer(1) opens; it removes the file when it has read it."""
    lines = (
        "[virt-viewer]",
        f"type={kind}",
        f"host={LOOPBACK}",
        f"port={port}",
        f"title={title}",
        "delete-this-file=1",
        "secure-attention=ctrl+alt+end",
    )
    return "\n".join(lines) + "\n"


def _reason(closed: Message) -> Iterator[str]:
    if closed.code not in (1000, 1001):
        yield closed.reason or f"The connection ended ({closed.code})."
