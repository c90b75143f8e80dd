"""The fake libvirt's mirrors: a disk's new place is alike as soon as its mirror is begun."""

from __future__ import annotations

from dataclasses import replace

from zcloud.domain.errors import HypervisorFailed
from zcloud.domain.plug import DiskFormat
from zcloud.drivers.qemu_img import ImageFacts
from zcloud.libvirtxml.disk import Disk
from zcloud.libvirtxml.domain import Domain
from zcloud.ports import Layer, MirrorJob
from zcloud.testing.fakecopying import FakeCopying
from zcloud.testing.fakedevices import OFF
from zcloud.testing.fakedomains import FakeDomain


class FakeMirroring(FakeCopying):
    """``mirrors`` has where the disks (uuid, target) of the running domains go to; one that went off has none."""

    mirrors: dict[tuple[str, str], str]

    def begin_mirror(self, uuid: str, target: str, disk: str) -> None:
        """Write the file, which is there and as large as the disk."""
        self.enter("begin_mirror")
        domain = self._domain(uuid)
        if domain.state in OFF:
            raise HypervisorFailed("libvirt: Requested operation is not valid: domain is not running.")
        if (uuid, target) in self.mirrors:
            raise HypervisorFailed(f"libvirt: block copy still active: disk '{target}' already in active block job")
        place = Disk.parse(disk)
        source, there = self.disk.file(_path(_disk(domain, target))), self.disk.file(_path(place))
        size = max(domain.plugged.sizes.get(target, 0), source.image.size if source.image else source.size)
        if there.image is None or there.image.size != size:
            raise HypervisorFailed("libvirt: internal error: Source and target image have different sizes")
        image = ImageFacts(DiskFormat(place.format or "raw"), size)
        self.disk.put(_path(place), replace(source, image=image, snapshots={}))
        self.mirrors[uuid, target] = disk

    def mirror_job(self, uuid: str, target: str) -> MirrorJob:
        """Say that it is ready, where there is one."""
        self.enter("mirror_job")
        self._domain(uuid)
        return MirrorJob(True, 1, 1, ready=True) if self._mirrored(uuid, target) else MirrorJob(False)

    def end_mirror(self, uuid: str, target: str, *, turn: bool) -> None:
        """Have the domain and its definition turn to the new place, or stay."""
        self.enter("end_mirror")
        domain = self._domain(uuid)
        if not self._mirrored(uuid, target):
            return
        place = Disk.parse(self.mirrors.pop((uuid, target)))
        for layer in (Layer.LIVE, Layer.DEFINITION) if turn else ():
            root = Domain.parse(domain.plugged.xml if layer is Layer.LIVE else domain.xml)
            for each in root.disks:
                if each.target == target:
                    each.type, each.format = place.type, place.format
                    each.source.file, each.source.dev = place.source.file, place.source.dev
            if layer is Layer.LIVE:
                domain.plugged.xml = root.to_xml()
            else:
                domain.xml = root.to_xml()

    def _mirrored(self, uuid: str, target: str) -> bool:
        if self._domain(uuid).state in OFF:
            self.mirrors.pop((uuid, target), None)
        return (uuid, target) in self.mirrors


def _disk(domain: FakeDomain, target: str) -> Disk:
    return next(each for each in Domain.parse(domain.plugged.xml or domain.xml).disks if each.target == target)


def _path(disk: Disk) -> str:
    return str(disk.source.file or disk.source.dev)
