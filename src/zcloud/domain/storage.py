"""Pools and volumes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from zcloud.domain.attachment import PLAIN, SERIAL_LENGTH, Attachment
from zcloud.domain.claims import BYTES, ProviderKind, ProviderRef

KIB, MIB, GIB, TIB = 1 << 10, 1 << 20, 1 << 30, 1 << 40


class PoolState(StrEnum):
    """Whether a pool can be used."""

    CREATING = "creating"
    READY = "ready"
    ERROR = "error"
    DELETING = "deleting"


class VolumeState(StrEnum):
    """Where a volume is in its life."""

    CREATING = "creating"
    READY = "ready"
    ERROR = "error"
    DELETING = "deleting"


class VolumeRole(StrEnum):
    """What a volume is for."""

    ROOT = "root"
    DATA = "data"


@dataclass(frozen=True, slots=True)
class Pool:
    """The record of a storage pool; sizes in bytes. ``options`` are the driver's (its path, format, ...)."""

    id: str
    name: str
    driver: str
    host_id: str | None  # None: shared by all hosts
    options: Mapping[str, Any]
    overcommit: float
    state: PoolState
    total: int  # last observed
    available: int  # last observed
    observed_at: datetime | None
    is_default: bool
    operation_id: str | None
    created_at: datetime
    revision: int

    @property
    def ref(self) -> ProviderRef:
        """Give the name under which volumes claim from this pool."""
        return ProviderRef(ProviderKind.POOL, self.id)

    @property
    def capacity(self) -> dict[str, int]:
        """Give the bytes that can be promised in all, overcommit applied."""
        return {BYTES: int(self.total * self.overcommit)}


@dataclass(frozen=True, slots=True)
class Volume:
    """The record of a volume; ``size`` is what the guest sees, ``allocated`` what it takes, in bytes."""

    id: str
    name: str
    project_id: str
    pool_id: str
    role: VolumeRole
    size: int
    allocated: int
    image_id: str | None  # base of a copy-on-write root
    instance_id: str | None
    slot: int | None  # place in the instance: 0 is the root
    state: VolumeState
    operation_id: str | None
    created_at: datetime
    revision: int
    attachment: Attachment = PLAIN  # how it is plugged into its instance
    parent_id: str | None = None  # the template's volume that a linked clone lies over

    @property
    def serial(self) -> str:
        """Give what the guest sees as the disk's serial."""
        return self.attachment.serial or self.id[:SERIAL_LENGTH]
