"""Operating systems and what they need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class System:
    """An operating system by osinfo's short id; sizes in bytes or MiB, 0 where they are not known.

    ``virtio`` is what of disk and net it drives by itself, ``hardware`` what it wants other than a Linux guest,
    ``refuses`` with what of bios, uefi and q35 it does not start, ``source`` who says so: osinfo-db, or zcloud for
    newer systems.
    """

    id: str
    name: str
    family: str
    distro: str
    version: str
    eol: str
    min_vcpus: int
    min_memory_mib: int
    min_disk: int
    recommended_vcpus: int
    recommended_memory_mib: int
    recommended_disk: int
    virtio: tuple[str, ...]
    hardware: Mapping[str, Any]
    refuses: tuple[str, ...]
    source: str
