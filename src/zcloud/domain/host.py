"""Hosts: machines that run instances."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from zcloud.domain.claims import MEMORY_MIB, VCPUS, ProviderKind, ProviderRef


class HostKind(StrEnum):
    """How a host is reached."""

    LOCAL = "local"  # Unix socket
    SSH = "ssh"


class HostState(StrEnum):
    """Whether a host answers."""

    ADDING = "adding"
    UP = "up"
    DEGRADED = "degraded"  # SSH answers, libvirt does not
    LOST = "lost"
    REMOVING = "removing"


class Accel(StrEnum):
    """What runs a guest's CPU, as the probe found it."""

    KVM = "kvm"
    TCG = "tcg"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Host:
    """The record of a host. ``inventory`` holds CPU, NUMA, memory, pools, bridges, versions, firmware."""

    id: str
    name: str
    kind: HostKind
    address: str
    port: int
    user: str
    host_key: str  # approved public key line, pinned
    libvirt_socket: str
    state: HostState
    state_reason: str
    state_since: datetime | None
    accel: Accel
    accel_reason: str
    cpu_ratio: float  # overcommit
    memory_ratio: float
    reserved_memory_mib: int
    inventory: Mapping[str, Any]
    seen_at: datetime | None
    operation_id: str | None
    created_at: datetime
    revision: int
    zone: str = "default"
    labels: Mapping[str, str] = field(default_factory=dict)
    boot_id: str = ""  # the kernel's name of the boot that was seen last

    @property
    def ref(self) -> ProviderRef:
        """Give the name under which instances claim from this host."""
        return ProviderRef(ProviderKind.HOST, self.id)

    @property
    def capacity(self) -> dict[str, int]:
        """Give what can be claimed in all: what the host has, overcommit applied, without the reserved memory."""
        memory_mib = (int(self.inventory.get("memory", 0)) >> 20) - self.reserved_memory_mib
        return {
            VCPUS: int(int(self.inventory.get("cpus", 0)) * self.cpu_ratio),
            MEMORY_MIB: max(int(memory_mib * self.memory_ratio), 0),
        }
