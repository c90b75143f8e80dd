"""The size of running domains: what they have now, and changing it while they run."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class DomainSize(NamedTuple):
    """What a running domain has; memory in MiB.

    ``plugged_mib`` is its memory with all modules; the balloon leaves the guest ``memory_mib`` of it.
    """

    vcpus: int
    memory_mib: int
    plugged_mib: int


class HardwareControl(Protocol):
    """Live changes; the definition is not touched. Raises HypervisorFailed, HostUnreachable, NotFound."""

    def domain_size(self, uuid: str) -> DomainSize | None:
        """Give what a domain has at this moment; None for one that is off or not there."""
        ...

    def set_vcpus(self, uuid: str, count: int) -> None:
        """Plug or unplug vCPUs (virDomainSetVcpusFlags); raises GuestRefused where a guest does not let one go."""
        ...

    def set_balloon(self, uuid: str, memory_mib: int) -> None:
        """Ask the guest to live with that much of its memory (virDomainSetMemoryFlags); it obeys when it can."""
        ...

    def plug_memory(self, uuid: str, xml: str, total_mib: int) -> None:
        """Attach the memory module of ``xml``, unless the domain has ``total_mib`` in all by now."""
        ...
