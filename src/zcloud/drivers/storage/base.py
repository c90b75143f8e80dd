"""The contract of a storage driver. A later pool kind is one file that obeys it and passes tests/conformance.

A driver reaches its host through the link it is given and knows nothing of the store. ``ensure_`` verbs may run
twice; ``delete_`` verbs find an absent thing fine. All raise StorageFailed, CommandFailed and HostUnreachable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, BinaryIO, ClassVar, Protocol

from zcloud.domain.driver import Option
from zcloud.domain.plug import DiskSource
from zcloud.domain.storage import Pool
from zcloud.ports import HostLink

Options = Mapping[str, Any]


class Feature(StrEnum):
    """What a kind of pool can do."""

    SHARED = "shared"  # the same volumes on several hosts
    GROW_POOL = "grow_pool"  # the pool itself, into free room of what it lies in
    THIN = "thin"
    COPY_ON_WRITE = "copy_on_write"
    GROW_LIVE = "grow_live"
    SNAPSHOT = "snapshot"  # of volumes, kept within them
    SNAPSHOT_LIVE = "snapshot_live"  # by the backend, also of what a running guest has open
    COPY = "copy"  # whole copies of volumes, made by the backend
    OFFLINE = "offline"  # libguestfs opens its volumes: systems on them are customized while they are off
    COPY_SNAPSHOT = "copy_snapshot"  # copies of what a snapshot has, made by the backend, or volumes over it
    COPY_LIVE = "copy_live"  # a running guest's disks are copied into it by the hypervisor


@dataclass(frozen=True, slots=True)
class StorageInfo:
    """What a storage driver is."""

    kind: str
    title: str
    doc: str
    features: frozenset[Feature]
    place: tuple[str, ...] = ()  # the options that say where it is: two pools cannot have the same; none: all of them
    unit: int = 1  # the bytes of which a volume has whole multiples: what is asked for is rounded up
    growth: str = "It is as large as what it lies in."  # how a pool becomes larger that zcloud cannot grow


@dataclass(frozen=True, slots=True)
class Capacity:
    """A pool's size and free space in bytes, and what its backend says is wrong with itself (empty: nothing)."""

    total: int
    available: int
    warning: str = ""


@dataclass(frozen=True, slots=True)
class BaseImage:
    """An image that volumes are made over: digest (sha256 of the file), format, sizes in bytes."""

    digest: str
    format: str
    size: int
    virtual_size: int


@dataclass(frozen=True, slots=True)
class VolumeSpec:
    """A volume to be made: bytes that the guest sees, and the base or volume it is a copy-on-write copy of."""

    id: str
    size: int
    base: BaseImage | None = None
    parent: VolumeSpec | None = None


class Arrival(StrEnum):
    """How far a volume is that somebody else than the driver fills."""

    NONE = "none"
    BEGUN = "begun"
    WHOLE = "whole"


@dataclass(frozen=True, slots=True)
class VolumeFacts:
    """A volume as the backend has it; sizes in bytes."""

    id: str
    allocated: int


class FilledVolumes(Protocol):
    """Volumes that somebody else fills, or that nobody may write to any more."""

    def arriving(self, spec: VolumeSpec) -> DiskSource:
        """Give where a volume that is not whole yet is written by somebody else, without looking."""
        ...

    def prepare_arrival(self, spec: VolumeSpec) -> DiskSource:
        """Make the place where it is written, empty and of ``spec.size``; what arrived before is thrown away.

        It stands by itself, whatever the volume would lie over.
        """
        ...

    def arrival(self, spec: VolumeSpec) -> Arrival:
        """Say how far it is with that."""
        ...

    def settle_volume(self, spec: VolumeSpec) -> None:
        """Make a volume of what has arrived, as large as ``spec`` says; settled already is fine."""
        ...

    def seal_volume(self, spec: VolumeSpec, sealed: bool) -> None:
        """Let nobody write to a volume, as others lie over it, or let its guest write again."""
        ...


class VolumeSnapshots(Protocol):
    """Snapshots of a volume, named by id; of volumes that no running guest has, but with ``Feature.SNAPSHOT_LIVE``.

    Without that feature, what a running guest has open is the hypervisor's to mark (``ports.SnapshotControl``); both
    find each other's.
    """

    def take_snapshot(self, spec: VolumeSpec, snapshot_id: str) -> None:
        """Mark what the volume has now, in a moment; marked already is fine."""
        ...

    def settle_snapshot(self, spec: VolumeSpec, snapshot_id: str) -> None:
        """Make what was marked last, while the guest goes on; nothing to do is fine."""
        ...

    def revert_volume(self, spec: VolumeSpec, snapshot_id: str) -> None:
        """Have the volume as it was then, its size too; what it has now is lost, the snapshots stay."""
        ...

    def drop_snapshot(self, spec: VolumeSpec, snapshot_id: str) -> None:
        """Forget a snapshot, anywhere among the others; absent is fine."""
        ...

    def copy_snapshot(self, spec: VolumeSpec, source: VolumeSpec, snapshot_id: str, *, linked: bool) -> DiskSource:
        """Make a volume of what another one of this pool had then (``COPY_SNAPSHOT``), else raise PoolCannot.

        As ``copy_volume``. ``linked``: at once, over the snapshot; that may be forgotten, and its volume deleted.
        """
        ...


class Artifacts(Protocol):
    """Small files beside the volumes."""

    def ensure_artifact(self, name: str, data: bytes) -> str:
        """Keep a small file beside the volumes (a guest seed); gives its path on the host."""
        ...

    def artifact_path(self, name: str) -> str: ...

    def delete_artifact(self, name: str) -> None: ...

    def list_artifacts(self) -> list[str]: ...

    def copy_artifact(self, name: str, copy: str) -> None:
        """Have a second file like an artifact; where that is absent, the second one is absent, too."""
        ...


class StorageDriver(FilledVolumes, VolumeSnapshots, Artifacts, Protocol):
    """One pool on one host."""

    INFO: ClassVar[StorageInfo]

    @classmethod
    def features(cls, options: Options) -> frozenset[Feature]:
        """Give what a pool with these options can do of what its kind can."""
        ...

    OPTIONS: ClassVar[tuple[Option, ...]]

    def __init__(self, pool: Pool, link: HostLink) -> None: ...

    def check(self) -> None:
        """Check the prerequisites without changing anything (tools, permissions, search bits for QEMU)."""
        ...

    def join(self) -> bool:
        """Make the pool usable on this host (a mount, a secret), quickly; gives whether that had to be done.

        Called before ``ensure_pool`` at the pool's making, on every host that shares it, and again after a boot.
        """
        ...

    def leave(self) -> None:
        """Take back what ``join`` made; absent is fine. Raises InUse where something still uses it."""
        ...

    def ensure_pool(self) -> None: ...

    def grow_pool(self, size: int) -> None:
        """Make the pool ``size`` bytes large (``GROW_POOL``), never smaller; raises PoolFull where there is no room."""
        ...

    def remove_pool(self) -> None:
        """Remove what ``ensure_pool`` made; raises InUse where anything not ours is in it."""
        ...

    def capacity(self) -> Capacity: ...

    def has_base(self, base: BaseImage) -> bool: ...

    def ensure_base(
        self, base: BaseImage, source: Callable[[], BinaryIO], progress: Callable[[int], None] | None = None
    ) -> None:
        """Put a read-only base into the pool, named by its digest; ``source`` opens the image's file."""
        ...

    def base_source(self, base: BaseImage) -> DiskSource:
        """Give where a base is, to be read only (a CD), without looking."""
        ...

    def delete_base(self, digest: str) -> None: ...

    def list_bases(self) -> list[str]: ...

    def ensure_volume(self, spec: VolumeSpec) -> DiskSource: ...

    def disk_source(self, spec: VolumeSpec) -> DiskSource:
        """Give where the volume is, without looking."""
        ...

    def copy_volume(self, spec: VolumeSpec, source: VolumeSpec) -> DiskSource:
        """Make a volume with the bytes of another one of this pool that nobody writes to meanwhile.

        It stands by itself, but for an image that both are copy-on-write over; a larger ``spec.size`` is grown to. One
        that is there whole already is fine.
        """
        ...

    def grow_volume(self, spec: VolumeSpec, *, in_use: bool) -> None:
        """Make a volume as large as ``spec`` says; one that is as large already is fine, none is ever made smaller.

        ``in_use``: a running guest has it open. What QEMU itself grows then (an image file) is left to it.
        """
        ...

    def delete_volume(self, volume_id: str) -> None: ...

    def list_volumes(self) -> list[VolumeFacts]:
        """Give all volumes of ours in the pool (for usage and orphans)."""
        ...


OpenImage = Callable[[], BinaryIO]
