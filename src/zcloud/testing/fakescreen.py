"""The fake libvirt's screens and keyboards (``ports.ScreenControl``)."""

from __future__ import annotations

from collections.abc import Sequence

from zcloud.domain.errors import HypervisorFailed
from zcloud.ports import Picture
from zcloud.testing.fakedevices import OFF
from zcloud.testing.fakedomains import FakeConsole, FakeDomains


class FakeScreen(FakeDomains):
    """``picture`` is on every screen; ``typed`` has the strokes by domain."""

    def __init__(self) -> None:
        super().__init__()
        self.picture = Picture("image/x-portable-pixmap", b"P6\n2 1\n255\n\xff\x00\x00\x00\x00\xff")
        self.typed: dict[str, list[tuple[int, ...]]] = {}

    def screenshot(self, uuid: str, *, limit: int) -> Picture:
        """Give the picture of a domain that is on."""
        self.enter("screenshot")
        if self._domain(uuid).state in OFF or len(self.picture.data) > limit:
            raise HypervisorFailed("libvirt: domain is not running, or its picture is too large.")
        return self.picture

    def open_screen(self, uuid: str) -> FakeConsole:
        """Greet as a VNC server does (RFC 6143, 7.1.1), then echo."""
        self.enter("open_screen")
        if self._domain(uuid).state in OFF:
            raise HypervisorFailed("libvirt: domain is not running.")
        return FakeConsole(b"RFB 003.008\n", lambda: None)

    def send_keys(self, uuid: str, strokes: Sequence[Sequence[int]], *, hold_ms: int) -> None:  # noqa: ARG002
        """Note the strokes."""
        self.enter("send_keys")
        if self._domain(uuid).state in OFF:
            raise HypervisorFailed("libvirt: domain is not running.")
        self.typed.setdefault(uuid, []).extend(tuple(stroke) for stroke in strokes)
