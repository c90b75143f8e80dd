"""Disks of a domain copied as they are at one moment, while it runs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple, Protocol

from zcloud.domain.plug import DiskSource


class CopyJob(NamedTuple):
    """How such a copy is: at work, with bytes done and in all, or over; ``succeeded`` is of the last one that ended."""

    active: bool
    done: int = 0
    total: int = 0
    succeeded: bool = False


class MirrorJob(NamedTuple):
    """How a disk's mirror is: at work, with bytes done and in all; ``ready``: both have been alike since then."""

    active: bool
    done: int = 0
    total: int = 0
    ready: bool = False


class MirrorControl(Protocol):
    """Disks of running domains brought to another place. Raises NotFound, HypervisorFailed, HostUnreachable."""

    def begin_mirror(self, uuid: str, target: str, disk: str) -> None:
        """Begin to copy a disk (by target) to where ``disk`` (its XML) says, which is there and as large.

        What the guest writes meanwhile goes to both, until the mirror is ended.
        """
        ...

    def mirror_job(self, uuid: str, target: str) -> MirrorJob:
        """Say how the mirror is."""
        ...

    def end_mirror(self, uuid: str, target: str, *, turn: bool) -> None:
        """End it: the domain turns to the new place for good, or stays where it was; none at work is fine.

        Turning a mirror that is not ready raises HypervisorFailed.
        """
        ...


class SnapshotControl(Protocol):
    """Snapshots in the images that a running domain has open. Raises NotFound, HypervisorFailed, HostUnreachable."""

    def snapshot_disks(self, uuid: str, paths: Collection[str], name: str) -> None:
        """Mark what the images (by their files) have now, all at one moment; those marked already are left out."""
        ...

    def drop_disk_snapshots(self, uuid: str, paths: Collection[str], name: str) -> None:
        """Forget a snapshot in each of the images; absent is fine."""
        ...


class MemoryControl(Protocol):
    """The memory of running domains, kept while they go on. Raises NotFound, HypervisorFailed, HostUnreachable."""

    def snapshot_memory(self, uuid: str, path: str) -> None:
        """Write the memory of a held domain to a file of the host, over an older one; it stays held.

        Blocks while it is written. Until the domain goes on, QEMU leaves its disks alone and cannot mark them. The file
        is one of ``PowerControl.restore``.
        """
        ...

    def abort_memory(self, uuid: str) -> None:
        """Break such a writing off, which a client began that is gone; none at work is fine."""
        ...


class CopyControl(Protocol):
    """Copies of the disks of one host's domains, named by uuid. Raises NotFound, HypervisorFailed, HostUnreachable."""

    def begin_copy(self, uuid: str, copies: Mapping[str, DiskSource]) -> None:
        """Begin to copy disks (by target) of a running domain, all as they are when this returns.

        What the guest writes later is in no copy. Each goes into a file or device that is there, of the disk's size.
        """
        ...

    def copy_job(self, uuid: str) -> CopyJob:
        """Say how the copy is."""
        ...

    def abort_copy(self, uuid: str) -> None:
        """Break a copy off, with no file left to be used; none at work is fine."""
        ...
