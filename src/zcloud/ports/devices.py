"""Devices of domains that are there: plugged in, changed and taken out, while they run and in their definition."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol


class Layer(StrEnum):
    """Which of a domain's two descriptions is meant."""

    LIVE = "live"  # the running domain
    DEFINITION = "definition"  # what the next start makes of it


class DeviceControl(Protocol):
    """The devices of one host's domains, named by uuid. Raises NotFound, HypervisorFailed, HostUnreachable.

    None of the verbs looks first: what is there already is refused by libvirt.
    """

    def attach_device(self, uuid: str, xml: str, layer: Layer) -> None:
        """Add a device; the running domain has it when this returns."""
        ...

    def detach_device(self, uuid: str, xml: str) -> None:
        """Take a device out of the definition."""
        ...

    def unplug_device(self, uuid: str, alias: str) -> None:
        """Ask the guest to let go of a device of the running domain, and return at once.

        Asked already is fine, and so is one that it let go of since somebody looked.

        That it is gone is told by the event ``device_removed``, and by the running domain's XML.
        """
        ...

    def update_device(self, uuid: str, xml: str, layer: Layer) -> None:
        """Change a device in place (a NIC's link or network)."""
        ...

    def resize_disk(self, uuid: str, target: str, size: int) -> None:
        """Let the running guest see a disk of ``size`` bytes; an image file is grown to it."""
        ...

    def limit_disk(self, uuid: str, target: str, limits: Mapping[str, int], layer: Layer) -> None:
        """Set a disk's limits by libvirt's names (``total_bytes_sec``, ...); 0 takes one away."""
        ...
