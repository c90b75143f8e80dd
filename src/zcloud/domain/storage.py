"""Pools and volumes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from zcloud.domain.attachment import PLAIN, SERIAL_LENGTH, Attachment
from zcloud.domain.claims import BYTES, ProviderKind, ProviderRef

KIB, MIB, GIB, TIB = 1 << 10, 1 << 20, 1 << 30, 1 << 40

FILLING = 0.9
"""The share of a pool that is taken from which on it is told to be nearly full."""

_SLACK = 0.03


MOUNTS = "/var/lib/libvirt/images/zcloud-shared"
"""Where shared pools that are file systems are mounted on hosts, each below its id."""


class PoolState(StrEnum):
    """Whether a pool can be used."""

    CREATING = "creating"
    READY = "ready"
    ERROR = "error"
    DELETING = "deleting"


class JoinState(StrEnum):
    """Whether a shared pool can be used on a host."""

    READY = "ready"
    ERROR = "error"


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
    hosts: tuple[str, ...] = ()  # of a shared pool: the ids of the only ones that use it; none: all do
    draining: bool = False  # takes no new volumes
    filling: bool = False  # it was told that it is nearly full
    warning: str = ""  # what is wrong with what it lies in, as last observed
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)  # only in what a driver is given

    @property
    def ref(self) -> ProviderRef:
        """Give the name under which volumes claim from this pool."""
        return ProviderRef(ProviderKind.POOL, self.id)

    @property
    def shared(self) -> bool:
        """Whether hosts share it."""
        return self.host_id is None

    def belongs_to(self, host_id: str) -> bool:
        """Tell whether a host uses it, or is to."""
        return self.host_id == host_id or (self.shared and (not self.hosts or host_id in self.hosts))

    @property
    def takes(self) -> bool:
        """Whether new volumes may be put into it."""
        return self.state is PoolState.READY and not self.draining

    @property
    def capacity(self) -> dict[str, int]:
        """Give the bytes that can be promised in all, overcommit applied."""
        return {BYTES: int(self.total * self.overcommit)}


@dataclass(frozen=True, slots=True)
class PoolHost:
    """Where a shared pool was joined: on which host, since when it is as it is, and why where it is not usable."""

    pool_id: str
    host_id: str
    state: JoinState
    reason: str
    since: datetime


def is_filling(pool: Pool, total: int, available: int) -> bool:
    """Tell whether a pool is nearly full; one that was has to get well below that to be so no more."""
    least = FILLING - (_SLACK if pool.filling else 0.0)
    return total > 0 and 1 - available / total >= least


@dataclass(frozen=True, slots=True)
class Reader:
    """How an instance has a volume that others may have, too; all of them only read it."""

    volume_id: str
    instance_id: str
    slot: int
    attachment: Attachment


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
