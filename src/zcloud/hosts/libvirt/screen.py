"""The part of ``ports.Hypervisor`` that looks at screens and presses keys (``ports.ScreenControl``).

https://libvirt.org/html/libvirt-libvirt-domain.html#virDomainScreenshot
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack

import libvirt

from zcloud.domain.errors import HostUnreachable, HypervisorFailed, WrongState
from zcloud.hosts.libvirt.connection import Connection
from zcloud.hosts.libvirt.domains import find_domain
from zcloud.libvirtxml.domain import Domain
from zcloud.ports import Picture

_PIECE = 256 << 10
_CONNECT_S = 10.0

Reach = Callable[[str], AbstractContextManager[str]]  # a socket of the host -> a local path to it, for a while


class Screen:
    """Calls on the jobs connection."""

    _jobs: Connection
    _reach: Reach | None

    def screenshot(self, uuid: str, *, limit: int) -> Picture:
        """Give what is on a domain's first screen; raises HypervisorFailed where it has more than ``limit`` bytes."""

        def look(raw: libvirt.virConnect) -> Picture:
            stream = raw.newStream(0)
            try:
                kind = find_domain(raw, uuid).screenshot(stream, 0, 0)
                data = _read(stream, limit)
                stream.finish()
            except (HypervisorFailed, libvirt.libvirtError):
                with contextlib.suppress(libvirt.libvirtError):
                    stream.abort()
                raise
            return Picture(kind, data)

        return self._jobs.call(look)

    def open_screen(self, uuid: str) -> SocketStream:
        """Connect to a domain's first screen; raises WrongState where it has none now.

        libvirt connects us to a guest of this machine (virDomainOpenGraphicsFD), whose socket only root and QEMU's
        user may enter. It cannot hand a connection to another machine: there SSH leads to the socket itself.
        """
        with ExitStack() as until_closed:
            if self._reach is None:
                link = socket.socket(fileno=self._jobs.call(lambda raw: find_domain(raw, uuid).openGraphicsFD(0, 0)))
                until_closed.enter_context(link)
            else:
                path = self._jobs.call(lambda raw: _socket_path(find_domain(raw, uuid)))
                local = until_closed.enter_context(self._reach(path))
                link = until_closed.enter_context(socket.socket(socket.AF_UNIX))
                link.settimeout(_CONNECT_S)
                link.connect(local)
            link.settimeout(None)
            return SocketStream(link, until_closed.pop_all())

    def send_keys(self, uuid: str, strokes: Sequence[Sequence[int]], *, hold_ms: int) -> None:
        """Press keys, one stroke after the other."""

        def press(raw: libvirt.virConnect) -> None:
            domain = find_domain(raw, uuid)
            for stroke in strokes:
                domain.sendKey(libvirt.VIR_KEYCODE_SET_LINUX, hold_ms, list(stroke), len(stroke), 0)

        self._jobs.call(press)


class SocketStream:
    """A connected socket (``ports.ConsoleStream``); ``held`` is given back when it is closed. The bytes are hostile."""

    def __init__(self, link: socket.socket, held: ExitStack) -> None:
        self._link, self._held = link, held

    def read(self, limit: int = 65536) -> bytes:
        """Block until bytes are there; empty at the end."""
        try:
            return self._link.recv(limit)
        except OSError:  # closed, here or there
            return b""

    def write(self, data: bytes) -> None:
        """Send bytes; raises HostUnreachable when the connection has ended."""
        try:
            self._link.sendall(data)
        except OSError as error:
            raise HostUnreachable("The screen's connection has ended.") from error

    def close(self) -> None:
        """Give the connection up; a reader in another thread gets the end."""
        with contextlib.suppress(OSError):
            self._link.shutdown(socket.SHUT_RDWR)
        self._held.close()


def _socket_path(domain: libvirt.virDomain) -> str:
    """Give the path of a running domain's screen, as its live definition tells it."""
    for screen in Domain.parse(domain.XMLDesc(0)).graphics:
        for listen in screen.listens:
            if listen.socket:
                return listen.socket
    raise WrongState("The guest has no screen that listens on a socket.", hint="It may be off, or headless.")


def _read(stream: libvirt.virStream, limit: int) -> bytes:
    data = bytearray()
    while piece := stream.recv(_PIECE):
        if isinstance(piece, int):
            raise HypervisorFailed("The picture of the screen broke off.")
        data += piece
        if len(data) > limit:
            raise HypervisorFailed(f"The picture of the screen is larger than {limit} bytes.")
    return bytes(data)
