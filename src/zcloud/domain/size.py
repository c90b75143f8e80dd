"""Sizes of instances: what is wanted, what runs, and what a running guest can follow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zcloud.domain.errors import InvalidInput, NotLive
from zcloud.domain.instance import Instance, InstanceBrief, InstanceStatus

MAX_VCPUS, MAX_MEMORY_MIB, MIN_MEMORY_MIB = 512, 4 << 20, 64
BLOCK_MIB = 128
"""Linux takes memory in blocks of this size on x86-64; it refuses a module that ends within one."""


_NAMES = ("vcpus", "memory_mib", "max_vcpus", "max_memory_mib")


@dataclass(frozen=True, slots=True)
class Size:
    """vCPUs and MiB of memory, and how far a running guest may grow (never less than what it has)."""

    vcpus: int
    memory_mib: int
    max_vcpus: int = 0
    max_memory_mib: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "max_vcpus", max(self.max_vcpus, self.vcpus))
        object.__setattr__(self, "max_memory_mib", max(self.max_memory_mib, self.memory_mib))

    def to_record(self) -> dict[str, Any]:
        """Give it as plain JSON values."""
        return {name: getattr(self, name) for name in _NAMES}


def wanted_size(instance: Instance | InstanceBrief) -> Size:
    """Give the size that the record asks for."""
    return Size(instance.vcpus, instance.memory_mib, instance.max_vcpus, instance.max_memory_mib)


def live_size(instance: Instance | InstanceBrief) -> Size:
    """Give the size of the run that goes on; of one that began before sizes were recorded, what is wanted."""
    known = {name: int(instance.live[name]) for name in _NAMES if name in instance.live}
    return Size(**known) if len(known) == len(_NAMES) else wanted_size(instance)


def run_size(instance: Instance) -> Size:
    """Give the size that its next run has: what is wanted, but a saved run goes on as it was."""
    return live_size(instance) if instance.status is InstanceStatus.SAVED else wanted_size(instance)


def ask_size(vcpus: int, memory_mib: int, max_vcpus: int, max_memory_mib: int) -> Size:
    """Give the size that is asked for (0: no room to grow); raises InvalidInput for a most below the beginning."""
    for name, most, least in (("max_vcpus", max_vcpus, vcpus), ("max_memory_mib", max_memory_mib, memory_mib)):
        if 0 < most < least:
            raise InvalidInput(f"{name} is {most}, less than the {least} that it begins with.", field=name)
    return Size(vcpus, memory_mib, max_vcpus, max_memory_mib)


def check_size(size: Size, min_memory_mib: int = 0) -> None:
    """Go on only with a size within bounds; ``min_memory_mib`` is the image's. Raises InvalidInput."""
    for name, count in (("vcpus", size.vcpus), ("max_vcpus", size.max_vcpus)):
        if not 1 <= count <= MAX_VCPUS:
            hint = f"Give a flavor, or 1 to {MAX_VCPUS}."
            raise InvalidInput(f"{count} vCPUs are out of bounds.", hint=hint, field=name)
    least = max(MIN_MEMORY_MIB, min_memory_mib)
    for name, memory in (("memory_mib", size.memory_mib), ("max_memory_mib", size.max_memory_mib)):
        if not least <= memory <= MAX_MEMORY_MIB:
            raise InvalidInput(
                f"{memory} MiB of memory are out of bounds.",
                hint=f"Give a flavor, or {least} to {MAX_MEMORY_MIB} MiB.",
                field=name,
            )


def check_live(name: str, live: Size, wanted: Size) -> None:
    """Go on only where a running guest of size ``live`` can follow to ``wanted``; raises NotLive."""
    problem = ""
    if wanted.vcpus > live.max_vcpus:
        problem = f"can have at most {live.max_vcpus} vCPUs until its next start"
    elif wanted.memory_mib > live.max_memory_mib:
        problem = f"can have at most {live.max_memory_mib} MiB of memory until its next start"
    elif (wanted.max_vcpus, wanted.max_memory_mib) != (live.max_vcpus, live.max_memory_mib):
        problem = "runs: how far it can grow is settled when it starts"
    if problem:
        raise NotLive(
            f"The instance {name} {problem}.",
            hint=f"Ask for it with --next-start, then restart it: `zcloud restart {name}`.",
        )


def modules(live_mib: int, wanted_mib: int) -> int:
    """Give the MiB to plug so that a guest with ``live_mib`` has at least ``wanted_mib``: whole blocks of Linux's."""
    return -(-max(wanted_mib - live_mib, 0) // BLOCK_MIB) * BLOCK_MIB


def read_size(record: Mapping[str, Any]) -> Size:
    """Give the size that ``Size.to_record`` wrote down."""
    return Size(**{name: int(record[name]) for name in _NAMES})
