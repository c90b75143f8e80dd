"""The fake libvirt's copies and snapshots of running domains' disks: each copy is whole as soon as it is begun."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from zcloud.domain.errors import HypervisorFailed
from zcloud.domain.plug import DiskSource
from zcloud.drivers.qemu_img import ImageFacts
from zcloud.libvirtxml.domain import Domain
from zcloud.ports import CopyJob
from zcloud.testing.fakedevices import OFF
from zcloud.testing.fakeimages import change_snapshot
from zcloud.testing.fakepower import FakePower


class FakeCopying(FakePower):
    """``copied`` has the uuids of the domains whose last job was a copy that succeeded."""

    copied: set[str]

    def begin_copy(self, uuid: str, copies: Mapping[str, DiskSource]) -> None:
        """Write the files, which are there and as large as the disks."""
        self.enter("begin_copy")
        domain = self._domain(uuid)
        if domain.state in OFF:
            raise HypervisorFailed("libvirt: Requested operation is not valid: domain is not running.")
        self.copied.discard(uuid)
        sources = {
            each.target: each.source.file or each.source.dev
            for each in Domain.parse(domain.plugged.xml or domain.xml).disks
        }
        for target, copy in copies.items():
            source = self.disk.file(str(sources[target]))
            size = source.image.size if source.image else source.size
            place = self.disk.file(copy.path).image
            if place is None or place.size != size:
                raise HypervisorFailed("libvirt: internal error: Source and target image have different sizes")
            self.disk.put(copy.path, replace(source, image=ImageFacts(copy.format, size)))
        self.copied.add(uuid)

    def snapshot_disks(self, uuid: str, paths: Collection[str], name: str) -> None:
        """Mark the images that are not marked yet."""
        self.enter("snapshot_disks")
        if self._domain(uuid).migrated:
            raise HypervisorFailed("QEMU: Block format 'qcow2' does not support internal snapshots.")
        for path in paths:
            if name not in self.disk.file(path).snapshots:
                change_snapshot(self.disk.file(path), "-c", name)

    def drop_disk_snapshots(self, uuid: str, paths: Collection[str], name: str) -> None:
        """Forget the marks that are there."""
        self.enter("drop_disk_snapshots")
        self._domain(uuid)
        for path in paths:
            if name in self.disk.file(path).snapshots:
                change_snapshot(self.disk.file(path), "-d", name)

    def copy_job(self, uuid: str) -> CopyJob:
        """Say whether the last job was a copy."""
        self.enter("copy_job")
        return CopyJob(False, succeeded=uuid in self.copied)

    def abort_copy(self, uuid: str) -> None:
        """Do nothing: no copy is at work for long."""
        self.enter("abort_copy")
        self._domain(uuid)
