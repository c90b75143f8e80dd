"""What every pool in an LVM volume group has in common, thin or not.

    <group>/zcloud-base-<digest>      images, read-only
    <group>/zcloud-<id>               volumes
    <group>/zcloud-<id>.<snapshot>    their snapshots
    <group>/zcloud-<id>.part          what is half-made of one

A volume gets its name only when it is whole and nothing can be read in it that was somebody else's before. A tag of the
group says whose it is (the pool's id); volumes in it that are not ours are left alone. Small files lie in a directory.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO, ClassVar

from zcloud.base.ids import new_id
from zcloud.domain.errors import CommandFailed, InvalidInput, PoolCannot, StorageFailed, ZcloudError
from zcloud.domain.image import CD
from zcloud.domain.plug import DiskFormat, DiskKind, DiskSource
from zcloud.drivers import lvm_tools
from zcloud.drivers.fileartifacts import FULL, checked
from zcloud.drivers.lvm_tools import PREFIX, Logical
from zcloud.drivers.lvmgroup import OwnGroup
from zcloud.drivers.storage.base import Arrival, BaseImage, Feature, Options, StorageInfo, VolumeFacts, VolumeSpec

SLOW_S = 6 * 3600.0
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_BASE = f"{PREFIX}base-"
_NO_ROOM = re.compile(f"{FULL}|insufficient free space|Insufficient suitable|not enough free|too full|low watermark")

Commands = list[list[str]]


class _Made(OwnGroup):
    """How volumes come into being; what differs between thin and not thin is left to ``_blank`` and ``_copied``."""

    def disk_source(self, spec: VolumeSpec) -> DiskSource:
        """Give where the volume is, without looking."""
        return self._source(spec.id, volume_name(spec.id))

    def _blank(self, name: str, size: int) -> Commands:
        """Give what makes a volume of whole extents that reads zeros."""
        raise NotImplementedError

    def _copied(self, origin: Logical, name: str, size: int) -> Commands:
        """Give what makes a volume with another one's bytes, no smaller than it."""
        raise NotImplementedError

    def _source(self, volume_id: str, name: str, *, read_only: bool = False) -> DiskSource:
        path = lvm_tools.device(self._group, name)
        return DiskSource(
            volume_id=volume_id, path=path, format=DiskFormat.RAW, kind=DiskKind.BLOCK, read_only=read_only
        )

    def _make(self, name: str, commands: Commands, what: str, *, part: str = "") -> None:
        """Make a volume under another name and give it its own; on an error nothing is left."""
        part = part or part_of(name)
        with self._making(part, what):
            self._run([*commands, lvm_tools.rename_argv(self._group, part, name)])

    @contextlib.contextmanager
    def _making(self, part: str, what: str) -> Iterator[None]:
        try:
            yield
        except ZcloudError as error:
            with contextlib.suppress(ZcloudError):
                self._remove(part)
            if _NO_ROOM.search(error.message):
                raise self.full(what) from error
            raise

    def _remove(self, *names: str) -> None:
        """Remove volumes that may be absent."""
        known = self._volumes()
        commands = [lvm_tools.remove_argv(self._group, each) for each in names if each in known]
        if commands:
            self._run(commands)

    def _run(self, commands: Sequence[Sequence[str]]) -> None:
        self._shell.run_all(commands, timeout_s=SLOW_S)


class _Bases(_Made):
    """Images, each a read-only volume named by its digest."""

    def has_base(self, base: BaseImage) -> bool:
        """Tell whether the image's volume is there."""
        return base_name(base.digest) in self._volumes()

    def ensure_base(
        self, base: BaseImage, source: Callable[[], BinaryIO], progress: Callable[[int], None] | None = None
    ) -> None:
        """Upload the image to a file, compare its digest on the host, write what it holds into a volume."""
        name = base_name(base.digest)
        if self.has_base(base):
            return
        # Others may bring it at the same time: each writes a volume of its own, and the first gives it its name.
        part, file = f"{name}.{new_id()[:8]}", self._files.at(f"base/{base.digest}")
        try:
            self._upload(base, source, progress, file)
            self._make(name, self._written(base, file, part), f"the image {base.digest[:12]}", part=part)
        except CommandFailed:
            if not self.has_base(base):
                raise
        self._tidy(name, file)

    def delete_base(self, digest: str) -> None:
        """Remove an image's volume, half-made ones too; absent is fine."""
        name = base_name(digest)
        self._remove(*(each for each in self._volumes() if each == name or each.startswith(f"{name}.")))

    def base_source(self, base: BaseImage) -> DiskSource:
        """Give where the image is on the host, without looking."""
        return self._source(base.digest, base_name(base.digest), read_only=True)

    def list_bases(self) -> list[str]:
        """Give the digests of the images that are there."""
        stems = [each.removeprefix(_BASE) for each in self._volumes() if each.startswith(_BASE)]
        return sorted(each for each in stems if _DIGEST.fullmatch(each))

    def _upload(
        self,
        base: BaseImage,
        source: Callable[[], BinaryIO],
        progress: Callable[[int], None] | None,
        file: str,
    ) -> None:
        with source() as stream:
            self._shell.upload(stream, file, mode=0o400, progress=progress)
        found = self._shell.run(["sha256sum", "--", file], timeout_s=SLOW_S).stdout.decode().lstrip("\\")[:64]
        if found != base.digest:
            self._shell.remove(file)
            raise StorageFailed(f"The image arrived with the digest {found}, not {base.digest}.")

    def _written(self, base: BaseImage, file: str, part: str) -> Commands:
        format = DiskFormat.RAW if base.format == CD else DiskFormat(base.format)
        return [
            *self._blank(part, self._here().whole(base.virtual_size)),
            lvm_tools.fill_argv(file, format, lvm_tools.device(self._group, part)),
            lvm_tools.permit_argv(self._group, part, write=False),
        ]

    def _tidy(self, name: str, file: str) -> None:
        """Remove the file and what others left half-made; who is still at it finds the image there."""
        self._shell.remove(file)
        for each in self._volumes():
            if each.startswith(f"{name}."):
                self._shell.run(lvm_tools.remove_argv(self._group, each), check=False)


class VolumeGroupPool(_Bases):
    """A pool in a volume group (see ``storage/base.StorageDriver`` for what the verbs promise)."""

    INFO: ClassVar[StorageInfo]

    @classmethod
    def features(cls, options: Options) -> frozenset[Feature]:
        """Give what it can do, whatever the options."""
        del options
        return cls.INFO.features

    # -- volumes -------------------------------------------------------------------------------

    def ensure_volume(self, spec: VolumeSpec) -> DiskSource:
        """Make a volume, or find it as it should be; one that differs is never touched (StorageFailed)."""
        name, least = volume_name(spec.id), _least(spec)
        if spec.size < least:
            what = "its image" if spec.base else "a copy of another"
            raise InvalidInput(f"A volume of {spec.size} bytes is too small for {what} of {least}.", field="size")
        known, size = self._volumes(), self._here().whole(spec.size)
        if name not in known:
            self._place(spec.id, known, size, _origin(spec))
        elif known[name].size != size:
            raise StorageFailed(
                f"The volume {spec.id} is there already, but not as it should be.",
                left="It was not touched.",
                found=str(known[name].size),
                wanted=str(size),
            )
        return self.disk_source(spec)

    def copy_volume(self, spec: VolumeSpec, source: VolumeSpec) -> DiskSource:
        """Make a volume with another one's bytes."""
        known = self._volumes()
        if volume_name(spec.id) not in known:
            self._place(spec.id, known, self._here().whole(spec.size), volume_name(source.id))
        return self.disk_source(spec)

    def delete_volume(self, volume_id: str) -> None:
        """Remove a volume with its snapshots, a half-made one too; absent is fine."""
        name = volume_name(volume_id)
        mine = [each for each in self._volumes() if each == name or each.startswith(f"{name}.")]
        self._remove(*sorted(mine, reverse=True))  # what hangs on another one first

    def list_volumes(self) -> list[VolumeFacts]:
        """Give the volumes that are there."""
        return [
            VolumeFacts(each.name.removeprefix(PREFIX), self._taken(each))
            for each in self._volumes().values()
            if each.name.startswith(PREFIX) and _UUID.fullmatch(each.name.removeprefix(PREFIX))
        ]

    def seal_volume(self, spec: VolumeSpec, sealed: bool) -> None:
        """Let the device be read only, or written to again."""
        if self._volumes()[volume_name(spec.id)].read_only != sealed:
            self._shell.run(lvm_tools.permit_argv(self._group, volume_name(spec.id), write=not sealed))

    # -- what somebody else fills --------------------------------------------------------------

    def arriving(self, spec: VolumeSpec) -> DiskSource:
        """Give the device under its temporary name."""
        return self._source(spec.id, part_of(volume_name(spec.id)))

    def prepare_arrival(self, spec: VolumeSpec) -> DiskSource:
        """Make an empty volume under the temporary name."""
        part = part_of(volume_name(spec.id))
        self._remove(part)
        with self._making(part, f"the volume {spec.id} of {spec.size} bytes"):
            self._run(self._blank(part, self._here().whole(spec.size)))
        return self.arriving(spec)

    def arrival(self, spec: VolumeSpec) -> Arrival:
        """Look for the volume under either name."""
        known, name = self._volumes(), volume_name(spec.id)
        if name in known:
            return Arrival.WHOLE
        return Arrival.BEGUN if part_of(name) in known else Arrival.NONE

    def settle_volume(self, spec: VolumeSpec) -> None:
        """Grow the volume and give it its name."""
        name = volume_name(spec.id)
        if self.arrival(spec) is not Arrival.WHOLE:
            self._grow(part_of(name), spec.size)
            self._shell.run(lvm_tools.rename_argv(self._group, part_of(name), name))

    def grow_volume(self, spec: VolumeSpec, *, in_use: bool) -> None:
        """Grow the volume, in use or not; raises PoolFull."""
        del in_use
        try:
            self._grow(volume_name(spec.id), spec.size)
        except CommandFailed as error:
            if _NO_ROOM.search(error.message):
                raise self.full(f"the volume {spec.id} of {spec.size} bytes") from error
            raise

    def drop_snapshot(self, spec: VolumeSpec, snapshot_id: str) -> None:
        """Remove what was kept; absent is fine."""
        name = snapshot_name(spec.id, snapshot_id)
        self._remove(*sorted((each for each in self._volumes() if each.startswith(name)), reverse=True))

    def copy_snapshot(self, spec: VolumeSpec, source: VolumeSpec, snapshot_id: str, *, linked: bool) -> DiskSource:
        """Refuse: running guests' volumes are copied by the hypervisor."""
        del source, snapshot_id, linked
        raise PoolCannot(f"The pool {self.name} cannot make the volume {spec.id} of a snapshot.")

    def revert_volume(self, spec: VolumeSpec, snapshot_id: str) -> None:
        """Make a copy of what was kept, and put it in the volume's place."""
        name, kept, known = volume_name(spec.id), snapshot_name(spec.id, snapshot_id), self._volumes()
        if kept not in known:
            raise CommandFailed(f"The volume {spec.id} has no snapshot {snapshot_id}.")
        self._remove(part_of(name))
        with self._making(part_of(name), f"a copy of the volume {spec.id}"):
            self._run(self._copied(known[kept], part_of(name), known[kept].size))
        self._remove(name)
        self._shell.run(lvm_tools.rename_argv(self._group, part_of(name), name))

    # -- within --------------------------------------------------------------------------------

    def _place(self, volume_id: str, known: dict[str, Logical], size: int, origin: str) -> None:
        """Make a volume, empty or with another one's bytes."""
        name, what = volume_name(volume_id), f"the volume {volume_id} of {size} bytes"
        part = part_of(name)
        self._remove(*({part} & known.keys()))
        if not origin:
            self._make(name, self._blank(part, size), what)
        elif origin in known:
            self._make(name, self._copied(known[origin], part, size), what)
        else:
            raise StorageFailed(f"What the volume {volume_id} is to be a copy of is not in the pool {self.name}.")

    def _grow(self, name: str, size: int) -> None:
        raise NotImplementedError

    def _taken(self, volume: Logical) -> int:
        raise NotImplementedError


def volume_name(volume_id: str) -> str:
    """Give a volume's name in its group."""
    return PREFIX + checked(_UUID, volume_id)


def snapshot_name(volume_id: str, snapshot_id: str) -> str:
    """Give the name of what a snapshot keeps of a volume."""
    return f"{volume_name(volume_id)}.{checked(_UUID, snapshot_id)}"


def base_name(digest: str) -> str:
    """Give the name of an image's volume."""
    return _BASE + checked(_DIGEST, digest)


def part_of(name: str) -> str:
    """Give the name of what is half-made of a volume."""
    return f"{name}.part"


def _least(spec: VolumeSpec) -> int:
    return spec.base.virtual_size if spec.base else spec.parent.size if spec.parent else 0


def _origin(spec: VolumeSpec) -> str:
    if spec.base is not None:
        return base_name(spec.base.digest)
    return volume_name(spec.parent.id) if spec.parent is not None else ""
