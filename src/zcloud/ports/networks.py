"""The libvirt networks of one host."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol


class NetworkSection(StrEnum):
    """The parts of a libvirt network that can be changed while it runs."""

    DHCP_HOST = "ip_dhcp_host"
    DNS_HOST = "dns_host"


class NetworkControl(Protocol):
    """The libvirt networks of one host. Raises HypervisorFailed, HostUnreachable."""

    def list_networks(self) -> dict[str, bool]:
        """Give the libvirt networks by name and whether each is active."""
        ...

    def network_xml(self, name: str) -> str | None: ...

    def ensure_network(self, xml: str) -> None:
        """Define, start and autostart a network; one that is there with the same uuid and active is left."""
        ...

    def remove_network(self, name: str) -> None:
        """Stop and undefine a network; absent is fine."""
        ...

    def ensure_network_entry(self, name: str, section: NetworkSection, xml: str) -> None:
        """Add or replace an entry (live and in the definition), recognised by its MAC or address."""
        ...

    def remove_network_entry(self, name: str, section: NetworkSection, xml: str) -> None:
        """Remove an entry if it is there."""
        ...
