"""What libvirt says of a host and its domains, as plain records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple


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


class DomainOutline(NamedTuple):
    """A domain with the size that it has, or would have."""

    facts: DomainFacts
    vcpus: int
    memory_kib: int


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

    # lifecycle, reboot, io_error, agent, device_added, device_removed, block_job, definition, connection_lost
    kind: str
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


class NodeLoad(NamedTuple):
    """What a host's CPUs did since it booted, in ns over all of them, and its memory now in KiB."""

    user_ns: int
    system_ns: int
    iowait_ns: int
    idle_ns: int
    memory_kib: int
    available_kib: int  # free, or taken by caches that give way


class InterfaceAddress(NamedTuple):
    """An address that a guest has on one of its interfaces."""

    interface: str
    mac: str
    address: str
    prefix: int
