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
from zcloud.hosts.address import Place, TcpPlace
from zcloud.hosts.libvirt.connection import Connection
from zcloud.hosts.libvirt.domains import find_domain
from zcloud.libvirtxml.domain import Domain
from zcloud.ports import Picture

_PIECE = 256 << 10
_CONNECT_S = 10.0
_SILENCE_S = 1.0

Reach = Callable[[Place], AbstractContextManager[str]]  # a socket of the host -> a local path to it, for a while
_ANY = ("", "0.0.0.0", "::")  # noqa: S104 - where a screen that others made may listen


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
        user may enter. It cannot hand a connection to another machine: there SSH leads to the socket itself, or to the
        TCP port at which a screen that others made listens.
        """
        with ExitStack() as until_closed:
            if self._reach is None:
                link = socket.socket(fileno=self._jobs.call(lambda raw: find_domain(raw, uuid).openGraphicsFD(0, 0)))
                until_closed.enter_context(link)
            else:
                place = self._jobs.call(lambda raw: screen_place(find_domain(raw, uuid).XMLDesc(0)))
                local = until_closed.enter_context(self._reach(place))
                link = until_closed.enter_context(socket.socket(socket.AF_UNIX))
                link.settimeout(_CONNECT_S)
                link.connect(local)
                check_open(link, place)
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


def screen_place(xml: str) -> Place:
    """Give where a running domain's first screen listens, as its live XML tells it; raises WrongState (nowhere)."""
    screens = list(Domain.parse(xml).graphics)
    for screen in screens:
        for listen in screen.listens:
            if listen.socket:
                return listen.socket
    for screen in screens:
        for address in (listen.address or "" for listen in screen.listens if listen.type in ("address", "network")):
            if (screen.port or 0) > 0:
                return TcpPlace("localhost" if address in _ANY else address, screen.port or 0)
    raise WrongState(
        "The guest has no screen that listens on a socket or a TCP port.",
        hint="It may be off, headless, or listen nowhere; give its definition <listen type='socket'/>.",
    )


def check_open(link: socket.socket, place: Place) -> None:
    """Raise HypervisorFailed where SSH was not let through to a TCP port: the way ends at once then.

    A VNC server speaks first and a SPICE server waits, so a way that is silent for a moment is open.
    """
    if isinstance(place, str):
        return
    link.settimeout(_SILENCE_S)
    with contextlib.suppress(TimeoutError):
        if not link.recv(1, socket.MSG_PEEK):
            raise HypervisorFailed(
                f"Its screen listens on {place.address}:{place.port} of its host, and SSH is not let through to it.",
                hint="Allow it in the host's sshd_config (AllowTcpForwarding local), or give the domain's screen "
                "<listen type='socket'/>.",
            )


def _read(stream: libvirt.virStream, limit: int) -> bytes:
    data = bytearray()
    while piece := stream.recv(_PIECE):
        if isinstance(piece, int):
            raise HypervisorFailed("The picture of the screen broke off.")
        data += piece
        if len(data) > limit:
            raise HypervisorFailed(f"The picture of the screen is larger than {limit} bytes.")
    return bytes(data)
