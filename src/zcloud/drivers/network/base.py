"""The contract of a network driver. A later network kind is one file that obeys it and passes tests/conformance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from zcloud.domain.driver import Option
from zcloud.domain.network import Network, NetworkScope, Port
from zcloud.domain.plug import NicPlug
from zcloud.ports import HostLink


@dataclass(frozen=True, slots=True)
class NetworkInfo:
    """What a network driver is. ``serves_dhcp`` and ``serves_dns`` say what it gives to guests by itself."""

    kind: str
    title: str
    doc: str
    scope: NetworkScope
    serves_dhcp: bool
    serves_dns: bool


class NetworkDriver(Protocol):
    """One network on one host."""

    INFO: ClassVar[NetworkInfo]
    OPTIONS: ClassVar[tuple[Option, ...]]

    def __init__(self, network: Network, link: HostLink) -> None: ...

    @classmethod
    def joins(cls, network: Network) -> tuple[tuple[str, str], ...]:
        """Give what a NIC of the network names in libvirt's XML: ``network`` or ``bridge``, and which."""
        ...

    def check(self) -> None:
        """Check the prerequisites without changing anything (the bridge is there, the subnet is not in use)."""
        ...

    def ensure_network(self) -> None: ...

    def remove_network(self) -> None: ...

    def ensure_port(self, port: Port) -> NicPlug:
        """Admit a port: DHCP and DNS entries where served, anti-spoofing elements; all before the guest starts.

        Of the network itself, what is missing (a host begins anew, somebody removed it) is made first.
        """
        ...

    def plug(self, port: Port) -> NicPlug:
        """Give how the port is plugged, without looking."""
        ...

    def remove_port(self, port: Port) -> None: ...

    def lacking(self, ports: Sequence[Port]) -> list[Port]:
        """Give those of the ports that lack anything that the network serves them; ``ensure_port`` puts it back.

        Changes nothing. Anti-spoofing elements are not looked at here (see ``guard.Guard.compare_ports``).
        """
        ...

    def served(self) -> dict[str, str]:
        """Give the addresses that the host serves on this network, by tap; nothing where it serves none."""
        ...

    @property
    def lease_file(self) -> str:
        """Give the file in which libvirt keeps the network's DHCP leases; empty where it serves none."""
        ...

    def list_ports(self) -> set[str]:
        """Give the taps that the host has any entry for in this network (so that orphans are seen)."""
        ...
