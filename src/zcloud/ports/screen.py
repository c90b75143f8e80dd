"""A guest's screen and keyboard."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from zcloud.ports.domains import ConsoleStream


class Picture(NamedTuple):
    """A picture as the hypervisor gave it: ``kind`` is its MIME type, ``data`` its bytes, in which nothing is sure."""

    kind: str
    data: bytes


class ScreenControl(Protocol):
    """More verbs on the domains of one host, named by uuid. Raises HypervisorFailed, HostUnreachable, NotFound."""

    def screenshot(self, uuid: str, *, limit: int) -> Picture:
        """Give what is on a domain's first screen; raises HypervisorFailed where it has more than ``limit`` bytes."""
        ...

    def open_screen(self, uuid: str) -> ConsoleStream:
        """Connect to a domain's first screen: the bytes are VNC's or SPICE's own. Several may be connected at once."""
        ...

    def send_keys(self, uuid: str, strokes: Sequence[Sequence[int]], *, hold_ms: int) -> None:
        """Press keys, all of a stroke at once, one stroke after the other; they are Linux key codes."""
        ...
