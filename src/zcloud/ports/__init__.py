"""What drivers and workflows may ask of a host: two protocols and plain records.

``Shell`` runs the closed list of commands (``hosts/commands.py``); ``Hypervisor`` is libvirt. Both block,
raise ``HostUnreachable`` when the host does not answer, and never hide a failure. A ``HostLink`` is both for
one host. Fakes that obey the same contracts are in ``zcloud.testing``.
"""

from __future__ import annotations

from typing import Protocol

from zcloud.ports.copying import CopyControl, CopyJob, MemoryControl, MirrorControl, MirrorJob, SnapshotControl
from zcloud.ports.devices import DeviceControl, Layer
from zcloud.ports.domains import ConsoleStream, DomainControl
from zcloud.ports.hardware import DomainSize, HardwareControl
from zcloud.ports.networks import NetworkControl, NetworkSection
from zcloud.ports.power import PowerControl
from zcloud.ports.records import (
    DomainEvent,
    DomainFacts,
    DomainOutline,
    DomainState,
    DomainStats,
    InterfaceAddress,
    NodeFacts,
    NodeLoad,
)
from zcloud.ports.screen import Picture, ScreenControl
from zcloud.ports.secrets import SecretControl
from zcloud.ports.shell import Completed, FileFacts, Shell, Space

__all__ = [
    "Completed",
    "ConsoleStream",
    "CopyControl",
    "CopyJob",
    "DeviceControl",
    "DomainControl",
    "DomainEvent",
    "DomainFacts",
    "DomainOutline",
    "DomainSize",
    "DomainState",
    "DomainStats",
    "FileFacts",
    "HardwareControl",
    "HostLink",
    "Hypervisor",
    "InterfaceAddress",
    "Layer",
    "MemoryControl",
    "MirrorControl",
    "MirrorJob",
    "NetworkControl",
    "NetworkSection",
    "NodeFacts",
    "NodeLoad",
    "Picture",
    "PowerControl",
    "ScreenControl",
    "SecretControl",
    "Shell",
    "SnapshotControl",
    "Space",
    "WatchedLink",
]


class Hypervisor(
    DomainControl,
    PowerControl,
    DeviceControl,
    CopyControl,
    MirrorControl,
    SnapshotControl,
    MemoryControl,
    HardwareControl,
    ScreenControl,
    NetworkControl,
    SecretControl,
    Protocol,
):
    """libvirt on one host. Raises HypervisorFailed, HostUnreachable."""

    def node(self) -> NodeFacts: ...

    def load(self) -> NodeLoad:
        """Give what the host's CPUs and memory do."""
        ...

    def capabilities_xml(self, *, fresh: bool = False) -> str:
        """Give the host's capabilities; unless ``fresh``, they may be a minute old."""
        ...

    def domain_capabilities_xml(self, *, accel: str, machine: str = "q35") -> str:
        """Give the domain capabilities for ``accel`` (``kvm`` or ``tcg``)."""
        ...

    def list_pools(self) -> list[tuple[str, str, str]]:
        """Give the libvirt storage pools: name, type, target path (inventory only)."""
        ...


class HostLink(Protocol):
    """The two means of reaching one host."""

    @property
    def shell(self) -> Shell: ...

    @property
    def hypervisor(self) -> Hypervisor: ...


class WatchedLink(HostLink, Protocol):
    """A link whose connection is opened again and again."""

    @property
    def connection(self) -> int:
        """Give the number of the connection: under another one, the host may have been booted meanwhile."""
        ...
