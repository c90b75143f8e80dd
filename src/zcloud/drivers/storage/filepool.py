"""What every pool of files has in common, wherever its directory comes from.

    <path>/zcloud-pool              whose directory this is (the pool's id)
    <path>/base/<digest>.<format>   images, read-only; root volumes are copy-on-write over them
    <path>/volumes/<id>.<format>    volumes
    <path>/artifacts/<name>         small files beside them: guest seeds, NVRAM

A file gets its final name only when it is whole, so a final name is never half-made and never made anew over data.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import BinaryIO, ClassVar

from zcloud.domain.driver import Option, OptionType, check_options
from zcloud.domain.errors import (
    CommandFailed,
    InvalidInput,
    PoolCannot,
    PoolUnusable,
    StorageFailed,
    ToolMissing,
    ZcloudError,
)
from zcloud.domain.image import CD, FORMATS
from zcloud.domain.plug import DiskFormat, DiskSource
from zcloud.domain.storage import Pool
from zcloud.drivers import passage, qemu_img
from zcloud.drivers.fileartifacts import FULL, FileArtifacts, checked
from zcloud.drivers.poolfiles import PoolFiles
from zcloud.drivers.qemu_img import Backing, ImageFacts
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
from zcloud.ports import HostLink, Shell

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_NO_DIRECT_IO = ("tmpfs", "ramfs")
_QUICK_S = 60.0
_SLOW_S = 6 * 3600.0

OPTIONS = (
    Option(
        "format",
        OptionType.CHOICE,
        "The format of data volumes; root volumes are always qcow2.",
        DiskFormat.QCOW2.value,
        tuple(DiskFormat),
    ),
    Option(
        "preallocation",
        OptionType.CHOICE,
        "What a data volume takes at once: nothing (off), its metadata, or all its space (falloc, full).",
        "off",
        ("off", "metadata", "falloc", "full"),
    ),
    Option("direct_io", OptionType.BOOLEAN, "Whether the file system has O_DIRECT (tmpfs has not).", True),
)
"""Of every kind whose volumes are files."""

FEATURES = frozenset(
    {
        Feature.THIN, Feature.COPY_ON_WRITE, Feature.GROW_LIVE, Feature.COPY, Feature.COPY_LIVE, Feature.SNAPSHOT,
        Feature.OFFLINE,
    }
)  # fmt: skip


class _Filled(FileArtifacts):
    """Volumes that a hypervisor fills, or that nobody may write to any more."""

    def arriving(self, spec: VolumeSpec) -> DiskSource:
        """Give the file under its temporary name."""
        target = self.disk_source(spec)
        return replace(target, path=self._files.part(_volume_name(spec.id, target.format)))

    def prepare_arrival(self, spec: VolumeSpec) -> DiskSource:
        """Make an empty image under the temporary name."""
        part = self.arriving(spec)
        make = qemu_img.create_argv(part.path, ImageFacts(part.format, qemu_img.round_up(spec.size)))
        self._shell.run(make)
        return part

    def arrival(self, spec: VolumeSpec) -> Arrival:
        """Look for the file under either name."""
        target = self.disk_source(spec)
        if self._files.size(_volume_name(spec.id, target.format)):
            return Arrival.WHOLE
        found = self._shell.run(["stat", "-c", "%s", "--", self.arriving(spec).path], check=False)
        return Arrival.NONE if found.code else Arrival.BEGUN

    def settle_volume(self, spec: VolumeSpec) -> None:
        """Grow the file and give it its name."""
        if self.arrival(spec) is Arrival.WHOLE:
            return
        part, name = self.arriving(spec), _volume_name(spec.id, self.disk_source(spec).format)
        grow = qemu_img.resize_argv(part.path, part.format, qemu_img.round_up(spec.size))
        self._shell.run_all([grow, self._files.settling(name)])

    def seal_volume(self, spec: VolumeSpec, sealed: bool) -> None:
        """Take from QEMU's user the right to write, to which libvirt gives the file at a start."""
        self._shell.run(["chmod", "0444" if sealed else "0644", "--", self.disk_source(spec).path])

    def take_snapshot(self, spec: VolumeSpec, snapshot_id: str) -> None:
        """Mark it within the qcow2 file."""
        if snapshot_id not in self._snapshots(spec):
            self._shell.run(qemu_img.snapshot_argv("-c", snapshot_id, self.disk_source(spec).path), timeout_s=_SLOW_S)

    def settle_snapshot(self, spec: VolumeSpec, snapshot_id: str) -> None:
        """Do nothing: what was marked lasts."""

    def revert_volume(self, spec: VolumeSpec, snapshot_id: str) -> None:
        """Go back within the qcow2 file."""
        self._shell.run(qemu_img.snapshot_argv("-a", snapshot_id, self.disk_source(spec).path), timeout_s=_SLOW_S)

    def drop_snapshot(self, spec: VolumeSpec, snapshot_id: str) -> None:
        """Forget it within the qcow2 file; where there is no file any more, that is done."""
        if self.arrival(spec) is Arrival.WHOLE and snapshot_id in self._snapshots(spec):
            self._shell.run(qemu_img.snapshot_argv("-d", snapshot_id, self.disk_source(spec).path), timeout_s=_SLOW_S)

    def copy_snapshot(self, spec: VolumeSpec, source: VolumeSpec, snapshot_id: str, *, linked: bool) -> DiskSource:
        """Refuse: running guests' files are copied by the hypervisor."""
        del source, snapshot_id, linked
        raise PoolCannot(f"The pool {self.name} cannot make the volume {spec.id} of a snapshot.")

    def _snapshots(self, spec: VolumeSpec) -> frozenset[str]:
        source = self.disk_source(spec)
        return qemu_img.parse_snapshots(self._shell.run(qemu_img.info_argv(source.path, source.format)).stdout)

    def disk_source(self, spec: VolumeSpec) -> DiskSource:
        """Give where the volume is, without looking."""
        raise NotImplementedError


class FilePool(_Filled):
    """A pool in a directory (see ``storage/base.StorageDriver`` for what the verbs promise)."""

    INFO: ClassVar[StorageInfo]
    OPTIONS: ClassVar[tuple[Option, ...]]

    def __init__(self, pool: Pool, link: HostLink) -> None:
        options = check_options(self.OPTIONS, pool.options)
        super().__init__(pool, link, self.place(pool, options))
        self._format = DiskFormat(options["format"])
        self._preallocation = options["preallocation"]
        self._direct_io = options["direct_io"]
        if self._format is DiskFormat.RAW and self._preallocation == "metadata":
            raise InvalidInput("A raw volume has no metadata to preallocate.", field="preallocation")

    @staticmethod
    def place(pool: Pool, options: Options) -> str:
        """Give the pool's directory."""
        del pool
        return str(options["path"]).rstrip("/")

    @classmethod
    def features(cls, options: Options) -> frozenset[Feature]:
        """Give what it can do: raw files keep no snapshots."""
        raw = options.get("format") == DiskFormat.RAW
        return cls.INFO.features - {Feature.SNAPSHOT} if raw else cls.INFO.features

    # -- the pool ------------------------------------------------------------------------------

    def check(self) -> None:
        """Check tools, ownership, search bits and O_DIRECT; raises ToolMissing, InUse, PoolUnusable."""
        try:
            self._shell.run(["qemu-img", "--version"])
        except CommandFailed as error:
            raise ToolMissing("qemu-img cannot be run on the host.", hint="Install qemu-utils.") from error
        self._files.is_ours()
        passage.check_passage(self._shell, self.path, self._qemu)
        system = self._shell.run(["stat", "-f", "-c", "%T", "--", self.path], check=False).stdout.decode().strip()
        if self._direct_io and system in _NO_DIRECT_IO:
            raise PoolUnusable(
                f"{self.path} is on {system}, which has no direct input and output.",
                hint="Set the pool's option direct_io to false, or choose a directory on a disk.",
            )

    def ensure_pool(self) -> None:
        """Make the directory and mark it as this pool's; raises InUse where it is somebody else's."""
        self._files.ensure()

    def remove_pool(self) -> None:
        """Remove the empty pool; raises InUse where anything is left in it."""
        self._files.dissolve()

    def capacity(self) -> Capacity:
        """Give the file system's size and free bytes."""
        return Capacity(*self._shell.space(self.path))

    # -- bases ---------------------------------------------------------------------------------

    def has_base(self, base: BaseImage) -> bool:
        """Tell whether the image's file is there whole."""
        return self._files.size(_base_name(base.digest, base.format)) == base.size

    def ensure_base(
        self, base: BaseImage, source: Callable[[], BinaryIO], progress: Callable[[int], None] | None = None
    ) -> None:
        """Upload an image under a temporary name, compare its digest on the host, give it its name."""
        name = _base_name(base.digest, base.format)
        if self.has_base(base):
            return
        what = f"the image {base.digest[:12]}"
        if self.capacity().available < base.size:
            raise self.full(what)
        try:
            with self._making(name, what):
                _bring(self._shell, self._files, base, source, progress)
        except CommandFailed:
            if not self.has_base(base):  # else another operation brought it meanwhile, and took the part away
                raise

    def delete_base(self, digest: str) -> None:
        """Remove an image's file; absent is fine."""
        for format in FORMATS:
            self._files.remove(_base_name(digest, format))

    def base_source(self, base: BaseImage) -> DiskSource:
        """Give where the image's file is on the host, without looking."""
        return DiskSource(
            volume_id=base.digest,
            path=self._files.at(_base_name(base.digest, base.format)),
            format=DiskFormat.RAW if base.format == CD else DiskFormat(base.format),
            read_only=True,
        )

    def list_bases(self) -> list[str]:
        """Give the digests of the images that are there."""
        return [digest for digest, _ in self._files.stems("base", _DIGEST)]

    # -- volumes -------------------------------------------------------------------------------

    def ensure_volume(self, spec: VolumeSpec) -> DiskSource:
        """Make a volume, or find it as it should be; one that differs is never touched (StorageFailed)."""
        source = self.disk_source(spec)
        name = _volume_name(spec.id, source.format)
        wanted = self._wanted(spec, source.format)
        if not self._files.size(name):  # absent, or emptied by a power failure before its first write
            make = qemu_img.create_argv(self._files.part(name), wanted, self._preallocation)
            with self._making(name, f"the volume {spec.id} of {spec.size} bytes"):
                timeout_s = _QUICK_S if self._preallocation == "off" else _SLOW_S
                self._shell.run_all([make, self._files.settling(name)], timeout_s=timeout_s)
            return source
        found = _look(self._shell, source)
        if found != wanted:
            raise StorageFailed(
                f"The volume {spec.id} is there already, but not as it should be.",
                left="It was not touched.",
                found=str(found),
                wanted=str(wanted),
            )
        return source

    def copy_volume(self, spec: VolumeSpec, source: VolumeSpec) -> DiskSource:
        """Copy the image's file, by qemu-img: it takes QEMU's lock, so a volume in use is refused."""
        target, origin = self.disk_source(spec), self.disk_source(source)
        name = _volume_name(spec.id, target.format)
        if self._files.size(name):
            return target
        facts, part = self._wanted(spec, target.format), self._files.part(name)
        cache = "none" if self._direct_io else "writeback"
        copy = qemu_img.copy_argv(origin.path, origin.format, part, facts, cache)
        grow = qemu_img.resize_argv(part, target.format, facts.size)
        with self._making(name, f"a copy of the volume {source.id}"):
            self._shell.run_all([copy, grow, self._files.settling(name)], timeout_s=_SLOW_S)
        return target

    def disk_source(self, spec: VolumeSpec) -> DiskSource:
        """Give where the volume is, without looking."""
        format = DiskFormat.QCOW2 if spec.base or spec.parent else self._format
        path = self._files.at(_volume_name(spec.id, format))
        return DiskSource(volume_id=spec.id, path=path, format=format, direct_io=self._direct_io)

    def grow_volume(self, spec: VolumeSpec, *, in_use: bool) -> None:
        """Grow the image; QEMU locks and grows one that it has open."""
        source, wanted = self.disk_source(spec), qemu_img.round_up(spec.size)
        if in_use or _look(self._shell, source).size >= wanted:
            return
        try:
            self._shell.run(qemu_img.resize_argv(source.path, source.format, wanted))
        except CommandFailed as error:
            if FULL in error.message:
                raise self.full(f"{spec.size} bytes of the volume {spec.id}") from error
            raise

    def delete_volume(self, volume_id: str) -> None:
        """Remove a volume's file, a half-made one too; absent is fine."""
        for format in {DiskFormat.QCOW2, self._format}:
            self._files.remove(_volume_name(volume_id, format))

    def list_volumes(self) -> list[VolumeFacts]:
        """Give the volumes that are there."""
        return [VolumeFacts(stem, allocated) for stem, allocated in self._files.stems("volumes", _UUID)]

    # -- within --------------------------------------------------------------------------------

    def _wanted(self, spec: VolumeSpec, format: DiskFormat) -> ImageFacts:
        """Give the volume's image as it should be; raises InvalidInput where it is smaller than what it lies over."""
        size, backing, least = qemu_img.round_up(spec.size), None, 0
        if spec.base is not None:
            path = self._files.at(_base_name(spec.base.digest, spec.base.format))
            backing, least = Backing(path, DiskFormat(spec.base.format)), spec.base.virtual_size
        elif spec.parent is not None:
            over = self.disk_source(spec.parent)
            backing, least = Backing(over.path, over.format), spec.parent.size
        if spec.size < least:
            what = "its image" if spec.base else "a copy of another"
            raise InvalidInput(f"A volume of {spec.size} bytes is too small for {what} of {least}.", field="size")
        return ImageFacts(format, size, backing)

    @contextlib.contextmanager
    def _making(self, name: str, what: str) -> Iterator[None]:
        """On an error, remove what was half-made, and say it plainly where the disk is full."""
        try:
            yield
        except ZcloudError as error:
            with contextlib.suppress(ZcloudError):
                self._shell.remove(self._files.part(name))
            if FULL in error.message:
                raise self.full(what) from error
            raise


def _bring(
    shell: Shell,
    files: PoolFiles,
    base: BaseImage,
    source: Callable[[], BinaryIO],
    progress: Callable[[int], None] | None,
) -> None:
    """Upload an image, and give it its name where it arrived whole."""
    name = _base_name(base.digest, base.format)
    part = files.part(name)
    with source() as stream:
        shell.upload(stream, part, mode=0o444, progress=progress)
    answer = shell.run(["sha256sum", "--", part], timeout_s=_SLOW_S).stdout.decode()
    found = answer.lstrip("\\")[:64]
    if found != base.digest:
        raise StorageFailed(f"The image arrived with the digest {found}, not {base.digest}.")
    shell.run(files.settling(name))


def _look(shell: Shell, source: DiskSource) -> ImageFacts:
    return qemu_img.parse_info(shell.run(qemu_img.info_argv(source.path, source.format)).stdout)


def _base_name(digest: str, format: str) -> str:
    if format not in FORMATS:
        raise ValueError(f"no image has the format {format!r}")
    return f"base/{checked(_DIGEST, digest)}.{format}"


def _volume_name(volume_id: str, format: DiskFormat) -> str:
    return f"volumes/{checked(_UUID, volume_id)}.{format}"
