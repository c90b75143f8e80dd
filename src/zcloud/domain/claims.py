"""Claims: who holds how much of what, and the generation that guards it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class ProviderKind(StrEnum):
    """What can be claimed from."""

    HOST = "host"  # vcpus, memory_mib
    POOL = "pool"  # bytes


VCPUS, MEMORY_MIB, BYTES = "vcpus", "memory_mib", "bytes"


@dataclass(frozen=True, slots=True, order=True)
class ProviderRef:
    """Names a provider."""

    kind: ProviderKind
    id: str


@dataclass(frozen=True, slots=True)
class ProviderView:
    """A provider as admission sees it: what can be claimed in all (overcommit applied) and what is."""

    ref: ProviderRef
    generation: int
    capacity: Mapping[str, int]
    used: Mapping[str, int]

    def free(self, resource: str) -> int:
        """Give what is left of a resource; may be negative after a ratio was lowered."""
        return self.capacity.get(resource, 0) - self.used.get(resource, 0)


@dataclass(frozen=True, slots=True)
class Claim:
    """An amount of a resource of a provider, held by a consumer (an instance or volume id)."""

    provider: ProviderRef
    consumer_id: str
    resource: str
    amount: int


def running_claims(host_id: str, instance_id: str, vcpus: int, memory_mib: int) -> list[Claim]:
    """Give what an instance holds of its host while it runs."""
    ref = ProviderRef(ProviderKind.HOST, host_id)
    return [Claim(ref, instance_id, VCPUS, vcpus), Claim(ref, instance_id, MEMORY_MIB, memory_mib)]
