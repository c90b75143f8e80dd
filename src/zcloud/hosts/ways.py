"""The ways to a host: the local machine, or another one over SSH. Each gives a shell and a door to libvirt."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import quote

from zcloud.domain.errors import ConfigInvalid, HostUnreachable
from zcloud.hosts.address import HostAddress, Place
from zcloud.hosts.shell import CommandShell
from zcloud.hosts.ssh import SshLink

_PROBE_S = 2.0
_LONGEST_PATH = 100  # sun_path holds 108 bytes, unix(7)


class LocalWay:
    """The machine that we run on."""

    is_open = True  # nothing tells us that a local shell is lost: ``open`` finds out
    socket = None  # libvirt hands over connections to sockets that only root may enter

    def __init__(self, host: HostAddress, shell: CommandShell) -> None:
        self._host = host
        self.shell = shell

    def open(self) -> None:
        """Run a command that does nothing."""
        self.shell.run(["true"], timeout_s=_PROBE_S)

    def libvirt_uri(self) -> str:
        """Give the URI of the first socket that is there."""
        for path in self._host.libvirt_sockets:
            if os.path.exists(path):
                return _uri(path)
        raise _no_libvirt(self._host)

    def close(self) -> None:
        """Nothing is held."""


class SshWay:
    """Another machine; libvirt's socket is forwarded into ``directory``, which only we can enter."""

    def __init__(self, host: HostAddress, link: SshLink, shell: CommandShell, directory: str) -> None:
        self._host, self._link, self._directory = host, link, directory
        self._numbers = itertools.count()
        self._end_forward: Callable[[], None] | None = None
        self.shell = shell
        if len(self._local("libvirt")) > _LONGEST_PATH:
            raise ConfigInvalid(f"The runtime directory's path is too long for Unix sockets: {directory}")

    @property
    def is_open(self) -> bool:
        """Whether the SSH connection is there."""
        return self._link.is_open

    def open(self) -> None:
        """Connect, unless connected."""
        self._link.open()

    def libvirt_uri(self) -> str:
        """Forward the first of libvirt's sockets that answers."""
        for path in self._host.libvirt_sockets:
            if self._link.has_socket(path):
                local = self._local("libvirt")
                if self._end_forward is not None:
                    self._end_forward()
                self._end_forward = self._link.forward(path, local)
                return _uri(local)
        raise _no_libvirt(self._host)

    def close(self) -> None:
        """Disconnect."""
        if self._end_forward is not None:
            self._end_forward()
        self._link.close()

    @contextmanager
    def socket(self, place: Place) -> Iterator[str]:
        """Give a local path at which a socket of the host can be reached, for as long as the block runs."""
        local = self._local(str(next(self._numbers)))
        end = self._link.forward(place, local)
        try:
            yield local
        finally:
            end()

    def _local(self, name: str) -> str:
        return f"{self._directory}/{self._host.id}.{name}"


def _uri(path: str) -> str:
    return f"qemu+unix:///system?socket={quote(path)}"


def _no_libvirt(host: HostAddress) -> HostUnreachable:
    return HostUnreachable(
        f"libvirt does not listen at {' or '.join(host.libvirt_sockets)}.",
        hint="Is it installed and running? systemctl status libvirtd virtqemud",
    )
