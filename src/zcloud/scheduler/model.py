"""What placement looks at and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from zcloud.domain.hardware import Hardware


@dataclass(frozen=True, slots=True)
class PoolView:
    """A pool that is a host's: bytes that may still be promised, and bytes that are really free.

    ``unusable`` says why what is in it cannot be used there now, ``closed`` why nothing new is put into it.
    """

    id: str
    name: str
    unclaimed: int
    available: int
    unusable: str = ""
    closed: str = ""


@dataclass(frozen=True, slots=True)
class HostView:
    """A host as placement sees it: a snapshot of claims and observations.

    ``pools`` and ``networks`` map every name and id that a demand may use, and ``""`` for the default.
    """

    id: str
    name: str
    usable: bool
    unusable_reason: str
    accel: str
    vcpus: int
    vcpus_used: int
    memory_mib: int
    memory_used_mib: int
    firmwares: frozenset[str]
    pools: Mapping[str, PoolView] = field(default_factory=dict)
    networks: Mapping[str, str] = field(default_factory=dict)  # asked name -> network id
    inventory: Mapping[str, Any] = field(default_factory=dict)

    @property
    def vcpus_free(self) -> int:
        """Give the vCPUs that may still be claimed."""
        return self.vcpus - self.vcpus_used

    @property
    def memory_free_mib(self) -> int:
        """Give the memory that may still be claimed."""
        return self.memory_mib - self.memory_used_mib


@dataclass(frozen=True, slots=True)
class Demand:
    """What an instance needs of a host. ``disks`` are bytes per asked pool name (``""``: the default).

    ``stores`` are the pools in which it has volumes already.
    """

    vcpus: int
    memory_mib: int
    firmware: str
    disks: Mapping[str, int]
    networks: tuple[str, ...]
    host: str = ""  # pinned: a name or id
    hardware: Hardware | None = None  # None: it was looked at before
    stores: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Candidate:
    """A host that fits, with its score (more is better) and what the score is made of."""

    host: HostView
    score: float
    parts: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A host that does not fit: which filter said so, why, and the nearest change that would fit."""

    host: str
    filter: str
    reason: str
    nearest: str = ""


@dataclass(frozen=True, slots=True)
class Placement:
    """The hosts that fit, best first, and the others with their reasons."""

    candidates: tuple[Candidate, ...]
    refusals: tuple[Refusal, ...]
