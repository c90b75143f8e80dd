"""The domains of one host: definition, power, guest agent and serial console."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from zcloud.ports.records import DomainFacts, DomainOutline, DomainStats, InterfaceAddress


class ConsoleStream(Protocol):
    """A two-way byte stream to a guest's serial console."""

    def read(self, limit: int = 65536) -> bytes:
        """Block until bytes are there; empty at the end."""
        ...

    def write(self, data: bytes) -> None:
        """Send bytes."""
        ...

    def close(self) -> None:
        """Give the console up."""
        ...


class DomainControl(Protocol):
    """The domains of one host, named by uuid. Raises HypervisorFailed, HostUnreachable."""

    def list_domains(self) -> list[DomainFacts]:
        """Give every domain in one bulk call."""
        ...

    def outlines(self) -> list[DomainOutline]:
        """Give every domain with its size in one bulk call that never waits for a busy domain."""
        ...

    def disk_sizes(self, uuid: str) -> Mapping[str, int]:
        """Give the bytes of a domain's disks by target, as its guest sees them; what cannot be read is left out."""
        ...

    def stats(self) -> list[DomainStats]:
        """Give the counters of all running domains in one bulk call that never waits for a busy domain."""
        ...

    def domain_xml(self, uuid: str, *, inactive: bool = True) -> str | None:
        """Give a domain's XML, or None where there is no such domain."""
        ...

    def define(self, xml: str) -> None:
        """Define a domain, or change the definition of the one with the same uuid and name."""
        ...

    def undefine(self, uuid: str) -> None:
        """Remove a definition with its NVRAM, TPM, managed save and checkpoint metadata; absent is fine."""
        ...

    def start(self, uuid: str) -> None:
        """Start a defined domain; running already is fine."""
        ...

    def shutdown(self, uuid: str) -> None:
        """Ask the guest to shut down (agent first, then ACPI); returns at once; not running is fine."""
        ...

    def destroy(self, uuid: str) -> None:
        """Take the power away; not running is fine."""
        ...

    def resume(self, uuid: str) -> None:
        """Let a paused domain go on; running already is fine."""
        ...

    def agent(self, uuid: str, command: str, arguments: Mapping[str, Any], *, timeout_s: int = 5) -> Any:
        """Call the guest agent and give its ``return`` value; raises GuestSilent."""
        ...

    def guest_addresses(self, uuid: str) -> list[InterfaceAddress]:
        """Give the guest's addresses as its agent reports them; raises GuestSilent."""
        ...

    def open_console(self, uuid: str, *, force: bool = False) -> ConsoleStream:
        """Open the first serial console; raises InUse where somebody has it open and ``force`` is not set."""
        ...
