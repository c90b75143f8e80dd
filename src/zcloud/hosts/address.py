"""How a host is reached, as the pool takes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from zcloud.domain.host import HostKind


class TcpPlace(NamedTuple):
    """A TCP port that somebody on a host listens at."""

    address: str
    port: int


Place = str | TcpPlace
"""Where a program of a host listens: a Unix socket's path, or a TCP port."""


@dataclass(frozen=True, slots=True)
class HostAddress:
    """How a host is reached; the caller makes it from its own record of the host.

    ``key_path`` is our private key, ``host_key`` the approved public key line of the host (``ssh-ed25519 AAAA…``).
    ``libvirt_socket`` empty means: look for virtqemud's, then libvirtd's. Only ``id``, ``kind`` and
    ``libvirt_socket`` matter for a local host. ``name`` is what its meters are called by. It may be silent for
    ``patience`` times as long as others.
    """

    id: str
    kind: HostKind
    address: str = ""
    port: int = 22
    user: str = "root"
    key_path: str = ""
    host_key: str = ""
    libvirt_socket: str = ""
    name: str = ""
    patience: float = 1.0

    @property
    def libvirt_sockets(self) -> tuple[str, ...]:
        """Give the paths at which libvirt may listen, best first."""
        return (self.libvirt_socket,) if self.libvirt_socket else LIBVIRT_SOCKETS


LIBVIRT_SOCKETS = ("/run/libvirt/virtqemud-sock", "/run/libvirt/libvirt-sock")
