"""A pool of the LUNs that an iSCSI target has, which QEMU itself talks to: a volume is a LUN, or its beginning.

The storage's own admin makes the LUNs and says which are the pool's. The first of them has the list of what the others
are taken for (``lunlist``): a volume or an image each. A LUN is zeroed before a volume gets it, as far as that goes;
when it is given back nothing is wiped (a plain LVM pool says why). On each host lie the password, for root alone, and
beside it seeds and NVRAM; QEMU signs in by a secret of libvirt's that has the pool's id.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import BinaryIO, ClassVar

from zcloud.base.ids import new_id
from zcloud.domain.driver import Option
from zcloud.domain.errors import CommandFailed, InUse, InvalidInput, PoolCannot, StorageFailed, ToolMissing
from zcloud.domain.image import CD
from zcloud.domain.plug import DiskFormat, DiskSource
from zcloud.drivers import lunpool, passage, qemu_img
from zcloud.drivers.fileartifacts import checked
from zcloud.drivers.iscsi import SLOW_S
from zcloud.drivers.lunlist import Entry
from zcloud.drivers.lunpool import UUID, OwnLuns
from zcloud.drivers.storage.base import (
    Arrival,
    BaseImage,
    Capacity,
    Feature,
    Options,
    StorageInfo,
    VolumeFacts,
    VolumeSpec,
)

_DIGEST = re.compile(r"[0-9a-f]{64}")


class _Filled(OwnLuns):
    """Volumes that somebody else fills; and what such a pool does not do with volumes."""

    def disk_source(self, spec: VolumeSpec) -> DiskSource:
        """Look in the list where the volume is."""
        return self._source(spec.id, checked(UUID, spec.id), whole=True)

    def arriving(self, spec: VolumeSpec) -> DiskSource:
        """Look in the list where it is being written."""
        return self._source(spec.id, checked(UUID, spec.id), whole=False)

    def prepare_arrival(self, spec: VolumeSpec) -> DiskSource:
        """Take a LUN and zero it, or do so with the one that was taken."""
        size = qemu_img.round_up(spec.size)
        lun, _ = self._prepare(checked(UUID, spec.id), size)
        self._target.zero(lun, 0, size)
        return self._target.source(spec.id, lun, size)

    def arrival(self, spec: VolumeSpec) -> Arrival:
        """Look in the list."""
        found = self._list.find(checked(UUID, spec.id))
        if found is None:
            return Arrival.NONE
        return Arrival.WHOLE if found[1].whole else Arrival.BEGUN

    def settle_volume(self, spec: VolumeSpec) -> None:
        """Say that it is whole; what a larger one has more is zeros, and it may need another LUN. Raises PoolFull."""
        found, size = self._list.find(checked(UUID, spec.id)), qemu_img.round_up(spec.size)
        if found is None:
            raise StorageFailed(f"Nothing has arrived for the volume {spec.id}.")
        lun, entry = found
        if entry.whole:
            return
        if entry.room < size:
            self._make(_larger(spec.id), size, self.arriving(spec), spec.id)
            self._list.give_back(spec.id, only=lun)
            return
        self._target.zero(lun, entry.size, size - entry.size)
        self._finish(lun, entry, entry.name, max(size, entry.size))

    def seal_volume(self, spec: VolumeSpec, sealed: bool) -> None:
        """Nothing ever lies over a volume here: copies are whole."""

    def take_snapshot(self, spec: VolumeSpec, snapshot_id: str) -> None:
        """Refuse: only the storage itself could, and iSCSI has no word for it."""
        del spec, snapshot_id
        raise self._cannot("snapshots", "Take one on the storage, or move the volume to a pool that has them.")

    def settle_snapshot(self, spec: VolumeSpec, snapshot_id: str) -> None:
        """There are none."""

    def revert_volume(self, spec: VolumeSpec, snapshot_id: str) -> None:
        """There are none."""
        del spec, snapshot_id
        raise self._cannot("snapshots", "")

    def drop_snapshot(self, spec: VolumeSpec, snapshot_id: str) -> None:
        """There are none."""

    def copy_snapshot(self, spec: VolumeSpec, source: VolumeSpec, snapshot_id: str, *, linked: bool) -> DiskSource:
        """There are none."""
        del spec, source, snapshot_id, linked
        raise self._cannot("snapshots", "")

    def grow_volume(self, spec: VolumeSpec, *, in_use: bool) -> None:
        """Refuse: a LUN is as large as the storage's admin made it."""
        del in_use
        found = self._list.find(checked(UUID, spec.id))
        if found is None or found[1].size < qemu_img.round_up(spec.size):
            raise self._cannot("volumes that grow", "Copy the volume to a larger one.")

    def _cannot(self, what: str, hint: str) -> PoolCannot:
        return PoolCannot(f"The pool {self.name} is of the kind iscsi, which has no {what}.", hint=hint)


class IscsiPool(_Filled):
    """A pool of a target's LUNs (see ``base.StorageDriver`` for what the verbs promise)."""

    INFO: ClassVar = StorageInfo(
        kind="iscsi",
        title="iSCSI",
        doc="Volumes and images are LUNs of a target that all hosts reach: each takes the smallest free one that is "
        "large enough, whole, and its guest sees as many bytes of it as were asked for. Root volumes and clones are "
        "whole copies. LUNs have no snapshots and do not grow.",
        features=frozenset({Feature.SHARED, Feature.COPY}),
        place=("target",),
        growth="Make another LUN of the pool's numbers on the storage; `zcloud pool refresh` sees it.",
    )
    OPTIONS: ClassVar[tuple[Option, ...]] = lunpool.OPTIONS

    @classmethod
    def features(cls, options: Options) -> frozenset[Feature]:
        """Give what it can do: the same with all options."""
        del options
        return cls.INFO.features

    # -- the pool ------------------------------------------------------------------------------

    def check(self) -> None:
        """Check tools, search bits and that the target lets us in; raises ToolMissing, PoolUnusable, StorageFailed."""
        try:
            self._shell.run(["qemu-img", "--version"])
        except CommandFailed as error:
            raise ToolMissing(
                "qemu-img cannot be run on the host.", hint="Install qemu-utils and qemu-block-extra."
            ) from error
        passage.check_passage(self._shell, self.path, self._qemu)
        self._list.owner()

    def ensure_pool(self) -> None:
        """Begin the list; raises InUse where another zcloud's is there, StorageFailed where anything else is."""
        owner = self._list.owner()
        if owner and owner != self._id:
            raise InUse(f"The LUNs of {self._target.name} belong to zcloud's pool {owner[:60]}.", hint="Choose others.")
        if not owner:
            self._list.begin(self._id)

    def remove_pool(self) -> None:
        """Empty the list; raises InUse where anything is left in it."""
        if self._list.owner() != self._id:
            return
        left = [unit.entry.name for unit in self._list.units().values() if unit.entry]
        if left:
            raise InUse(f"The pool {self.name} is not empty: {', '.join(left)[:200]}.", pool=self.name)
        self._list.end()

    def capacity(self) -> Capacity:
        """Give the bytes of all LUNs, and of those that are free; one volume gets no more than one of them."""
        total = available = 0
        for lun, unit in self._list.units().items():
            room = unit.entry.room if unit.entry else self._target.room(lun) or 0
            total, available = total + room, available + (room if unit.free else 0)
        return Capacity(total, available)

    # -- bases ---------------------------------------------------------------------------------

    def has_base(self, base: BaseImage) -> bool:
        """Tell whether the image is there whole."""
        return self._list.find(_base_name(base.digest)) is not None

    def ensure_base(
        self, base: BaseImage, source: Callable[[], BinaryIO], progress: Callable[[int], None] | None = None
    ) -> None:
        """Upload an image to the host, compare its digest, and have qemu-img write it to a LUN."""
        if self.has_base(base):
            return
        file = self._files.part(f"base/{base.digest}")
        format = DiskFormat.RAW if base.format == CD else DiskFormat(base.format)
        try:
            with source() as stream:
                self._shell.upload(stream, file, mode=0o400, progress=progress)
            found = self._shell.run(["sha256sum", "--", file], timeout_s=SLOW_S).stdout.decode().lstrip("\\")[:64]
            if found != base.digest:
                raise StorageFailed(f"The image arrived with the digest {found}, not {base.digest}.")
            # Others may bring it at the same time: each writes a LUN of its own.
            part = f"{_base_name(base.digest)}.{new_id()[:8]}"
            image = DiskSource(volume_id=base.digest, path=file, format=format)
            self._make(part, qemu_img.round_up(base.virtual_size), image, _base_name(base.digest))
        except (CommandFailed, StorageFailed):
            if not self.has_base(base):
                raise
        finally:
            self._shell.remove(file)

    def base_source(self, base: BaseImage) -> DiskSource:
        """Look in the list where the image is."""
        return self._source(base.digest, _base_name(base.digest), whole=True)

    def delete_base(self, digest: str) -> None:
        """Give back an image's LUN, half-written ones too; absent is fine."""
        name = _base_name(digest)
        for each in sorted(self._list.names()):
            if each == name or each.startswith(f"{name}."):
                self._list.give_back(each)

    def list_bases(self) -> list[str]:
        """Give the digests of the images that are there."""
        return sorted({name[5:] for name, _ in self._whole() if name.startswith("base.")})

    # -- volumes -------------------------------------------------------------------------------

    def ensure_volume(self, spec: VolumeSpec) -> DiskSource:
        """Make a volume, or find it as it should be; one that differs is never touched (StorageFailed)."""
        size, over = qemu_img.round_up(spec.size), self._over(spec)
        found = self._list.find(spec.id)
        if found is None or not found[1].whole:
            origin = self._source(spec.id, over, whole=True) if over else None
            return self._make(spec.id, size, origin, spec.id)
        lun, entry = found
        if entry.size != size:
            raise StorageFailed(
                f"The volume {spec.id} is there already, but not as it should be.",
                left="It was not touched.",
                found=str(entry.size),
                wanted=str(size),
            )
        return self._target.source(spec.id, lun, size)

    def copy_volume(self, spec: VolumeSpec, source: VolumeSpec) -> DiskSource:
        """Copy a LUN by way of the host."""
        if self.arrival(spec) is Arrival.WHOLE:
            return self.disk_source(spec)
        return self._make(spec.id, qemu_img.round_up(spec.size), self.disk_source(source), spec.id)

    def delete_volume(self, volume_id: str) -> None:
        """Give a volume's LUN back; absent is fine."""
        self._list.give_back(checked(UUID, volume_id))
        self._list.give_back(_larger(volume_id))

    def list_volumes(self) -> list[VolumeFacts]:
        """Give the volumes that are there; each takes all of its LUN."""
        return [VolumeFacts(name, entry.room) for name, entry in self._whole() if UUID.fullmatch(name)]

    # -- within --------------------------------------------------------------------------------

    def _whole(self) -> list[tuple[str, Entry]]:
        entries = [unit.entry for unit in self._list.units().values()]
        return sorted((each.name, each) for each in entries if each and each.whole)

    @staticmethod
    def _over(spec: VolumeSpec) -> str:
        """Give what a volume is a copy of; raises InvalidInput where it is smaller than that."""
        checked(UUID, spec.id)
        least = spec.base.virtual_size if spec.base else spec.parent.size if spec.parent else 0
        if spec.size < least:
            what = "its image" if spec.base else "a copy of another"
            raise InvalidInput(f"A volume of {spec.size} bytes is too small for {what} of {least}.", field="size")
        if spec.base:
            return _base_name(spec.base.digest)
        return checked(UUID, spec.parent.id) if spec.parent else ""


def _larger(volume_id: str) -> str:
    return f"{volume_id}.larger"


def _base_name(digest: str) -> str:
    return f"base.{checked(_DIGEST, digest)}"
