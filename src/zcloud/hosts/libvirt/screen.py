"""The part of ``ports.Hypervisor`` that looks at screens and presses keys (``ports.ScreenControl``).

https://libvirt.org/html/libvirt-libvirt-domain.html#virDomainScreenshot
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import libvirt

from zcloud.domain.errors import HypervisorFailed
from zcloud.hosts.libvirt.connection import Connection
from zcloud.hosts.libvirt.domains import find_domain
from zcloud.ports import Picture

_PIECE = 256 << 10


class Screen:
    """Calls on the jobs connection."""

    _jobs: Connection

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

    def send_keys(self, uuid: str, strokes: Sequence[Sequence[int]], *, hold_ms: int) -> None:
        """Press keys, one stroke after the other."""

        def press(raw: libvirt.virConnect) -> None:
            domain = find_domain(raw, uuid)
            for stroke in strokes:
                domain.sendKey(libvirt.VIR_KEYCODE_SET_LINUX, hold_ms, list(stroke), len(stroke), 0)

        self._jobs.call(press)


def _read(stream: libvirt.virStream, limit: int) -> bytes:
    data = bytearray()
    while piece := stream.recv(_PIECE):
        if isinstance(piece, int):
            raise HypervisorFailed("The picture of the screen broke off.")
        data += piece
        if len(data) > limit:
            raise HypervisorFailed(f"The picture of the screen is larger than {limit} bytes.")
    return bytes(data)
