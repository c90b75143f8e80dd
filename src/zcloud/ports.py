"""What drivers and workflows may ask of a host: two protocols and plain records.

``Shell`` runs the closed list of commands (``hosts/commands.py``); ``Hypervisor`` is libvirt. Both block,
raise ``HostUnreachable`` when the host does not answer, and never hide a failure. A ``HostLink`` is both for
one host. Fakes that obey the same contracts are in ``zcloud.testing``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, BinaryIO, NamedTuple, Protocol


class Completed(NamedTuple):
    """How a command ended: exit code and what it printed."""

    code: int
    stdout: bytes
    stderr: bytes


class FileFacts(NamedTuple):
    """One file on a host: path, apparent size and bytes really allocated, both in bytes."""

    path: str
    size: int
    allocated: int


class Space(NamedTuple):
    """A file system on a host, in bytes."""

    total: int
    available: int


class Shell(Protocol):
    """Commands and files on one host. Paths are absolute; commands are argument vectors, never strings."""

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout_s: float = 30.0, check: bool = True) -> Completed:
        """Run a command of the closed list.

        Raises CommandForbidden (not in the list), CommandFailed (``check`` and a code other than 0),
        DeadlineExceeded, HostUnreachable.
        """
        ...

    def read_file(self, path: str, *, limit: int = 1 << 20, tail: bool = False) -> bytes:
        """Give at most ``limit`` bytes of a file (its end with ``tail``); raises NotFound."""
        ...

    def write_file(self, path: str, data: bytes, *, mode: int = 0o600, owner: str = "") -> None:
        """Write a file whole or not at all (temporary name, fsync, rename), making its directory."""
        ...

    def upload(
        self, source: BinaryIO, path: str, *, mode: int = 0o600, progress: Callable[[int], None] | None = None
    ) -> None:
        """Copy a stream to a file whole or not at all; ``progress`` is told the bytes so far."""
        ...

    def remove(self, path: str) -> None:
        """Remove a file if it is there."""
        ...

    def list_files(self, directory: str) -> list[FileFacts]:
        """Give the regular files directly in a directory; an absent directory has none."""
        ...

    def space(self, path: str) -> Space:
        """Give the size and the free bytes of the file system that holds ``path``; raises NotFound."""
        ...


class DomainState(StrEnum):
    """A domain's power state as libvirt reports it."""

    RUNNING = "running"
    BLOCKED = "blocked"
    PAUSED = "paused"
    SHUTDOWN = "shutdown"
    SHUTOFF = "shutoff"
    CRASHED = "crashed"
    SUSPENDED = "suspended"
    UNKNOWN = "unknown"


class DomainFacts(NamedTuple):
    """One domain as a bulk listing shows it."""

    uuid: str
    name: str
    state: DomainState
    reason: str  # libvirt's reason within the state, e.g. "ioerror", "user"
    persistent: bool


@dataclass(frozen=True, slots=True)
class DomainStats:
    """One domain's counters from one bulk statistics call (cumulative; times in ns, sizes in bytes)."""

    uuid: str
    state: DomainState
    reason: str
    cpu_time_ns: int = 0
    vcpus: int = 0
    memory_kib: int = 0
    rss_kib: int = 0
    disks: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  # target -> rd/wr bytes and requests
    nics: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  # tap -> rx/tx bytes, packets, errors


class DomainEvent(NamedTuple):
    """One event of a libvirt connection, in the order in which it came."""

    kind: str  # lifecycle, reboot, io_error, agent, device_removed, block_job, definition, connection_lost
    uuid: str
    name: str
    detail: str  # e.g. "started", "stopped:crashed", "suspended:ioerror", "enospc"
    data: Mapping[str, Any]


class NodeFacts(NamedTuple):
    """A host's totals: logical CPUs and memory in KiB, and the versions that matter."""

    cpus: int
    memory_kib: int
    libvirt_version: str
    hypervisor_version: str
    hostname: str


class InterfaceAddress(NamedTuple):
    """An address that a guest has on one of its interfaces."""

    interface: str
    mac: str
    address: str
    prefix: int


class NetworkSection(StrEnum):
    """The parts of a libvirt network that can be changed while it runs."""

    DHCP_HOST = "ip_dhcp_host"
    DNS_HOST = "dns_host"


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


class Hypervisor(DomainControl, NetworkControl, Protocol):
    """libvirt on one host. Raises HypervisorFailed, HostUnreachable."""

    def node(self) -> NodeFacts: ...

    def capabilities_xml(self) -> str: ...

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
