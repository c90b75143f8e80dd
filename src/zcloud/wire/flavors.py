"""Flavors: named sizes."""

from __future__ import annotations

from dataclasses import dataclass

from zcloud.wire.base import Bytes, Count, Name, Request


class FlavorCreate(Request):
    """A named size; ``root_size`` 0 takes the image's."""

    name: Name
    vcpus: Count
    memory_mib: Count
    root_size: Bytes = 0


@dataclass(frozen=True, slots=True)
class Flavor:
    """A named size."""

    name: str
    vcpus: int
    memory_mib: int
    root_size: int
