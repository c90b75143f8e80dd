"""A pool of Ceph block devices (RBD), which QEMU itself talks to.

    <pool>/pool.<id>       whose pool it is: an empty image
    <pool>/base.<digest>   images, each with the snapshot ``base`` that root volumes are clones of
    <pool>/<id>            volumes; ``part.<id>`` is one that is being made

Other images of the same Ceph pool are let be. On each host that uses it lie, for root alone, the client's configuration
and keyring, and beside them seeds and NVRAM; QEMU signs in by a secret of libvirt's that has the pool's id.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import BinaryIO, ClassVar

from zcloud.domain.driver import Option, OptionType, check_options
from zcloud.domain.errors import CommandFailed, InUse, InvalidInput, NotFound, PoolFull, StorageFailed, ToolMissing
from zcloud.domain.image import CD, FORMATS
from zcloud.domain.plug import DiskFormat, DiskKind, DiskSource, NetworkDisk
from zcloud.domain.storage import MIB, Pool
from zcloud.drivers import passage, qemu_img
from zcloud.drivers.fileartifacts import FileArtifacts, checked
from zcloud.drivers.rbd import SLOW_S, Rbd, config_text, keyring_text
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
from zcloud.ports import HostLink

DIRECTORY = "/var/lib/libvirt/images"
PORT = 6789

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_OURS = re.compile(rf"(part\.)?({_UUID.pattern}|base\.{_DIGEST.pattern})")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_MONITOR = re.compile(r"([A-Za-z0-9][A-Za-z0-9.-]{0,252})(?::([0-9]{1,5}))?")
_KEY = re.compile(r"[A-Za-z0-9+/]{38}==")


class _Joined(FileArtifacts):
    """What a host needs for the pool."""

    def __init__(self, pool: Pool, link: HostLink) -> None:
        options = check_options(RbdPool.OPTIONS, {**pool.options, **pool.secrets})
        super().__init__(pool, link, f"{DIRECTORY}/zcloud-{pool.id}")
        self._id, self._user, self._key = pool.id, _matched(_NAME, options["user"], "user"), options["key"]
        self._monitors = parse_monitors(options["monitors"])
        self._config, self._keyring = f"{self.path}/ceph.conf", f"{self.path}/keyring"
        self._rbd = Rbd(
            link.shell, _matched(_NAME, options["pool"], "pool"), self._user, self._config, options["pg_num"]
        )

    def join(self) -> bool:
        """Have the client's files and libvirt's secret; gives whether they had to be made."""
        if not _KEY.fullmatch(self._key):
            raise InvalidInput("The option 'key' is not a key of Ceph's.", field="key", hint="ceph auth get-key ...")
        files = {
            self._keyring: keyring_text(self._user, self._key).encode(),
            self._config: config_text(self._monitors, self._keyring).encode(),
        }
        if all(self._has(path, data) for path, data in files.items()) and self._hypervisor.has_secret(self._id):
            return False
        self._files.ensure()
        self._shell.remove(*files)  # once they are there, the secret has its value
        name = f"zcloud pool {self._id}"
        self._hypervisor.keep_secret(self._id, "ceph", name, base64.b64decode(self._key))
        for path, data in files.items():
            self._shell.write_file(path, data, mode=0o600)
        return True

    def leave(self) -> None:
        """Remove them; raises InUse where guests' files are left."""
        self._hypervisor.drop_secret(self._id)
        uploads = [self._files.at(f"base/{name}") for name in self._files.entries("base") or []]  # of killed workers
        self._shell.remove(self._config, self._keyring, *uploads)
        self._files.dissolve()

    def _has(self, path: str, data: bytes) -> bool:
        try:
            return self._shell.read_file(path) == data
        except NotFound:
            return False


class _Filled(_Joined):
    """Volumes that somebody else fills, that nobody may write to any more, and their snapshots."""

    def arriving(self, spec: VolumeSpec) -> DiskSource:
        """Give the image under its temporary name."""
        return self._source(spec.id, f"part.{checked(_UUID, spec.id)}")

    def prepare_arrival(self, spec: VolumeSpec) -> DiskSource:
        """Make an empty image under the temporary name."""
        part = f"part.{checked(_UUID, spec.id)}"
        self._rbd.drop(part)
        self._rbd.run(self._rbd.create(part, qemu_img.round_up(spec.size)))
        return self.arriving(spec)

    def arrival(self, spec: VolumeSpec) -> Arrival:
        """Look for the image under either name."""
        if self._rbd.look(checked(_UUID, spec.id)):
            return Arrival.WHOLE
        return Arrival.BEGUN if self._rbd.look(f"part.{spec.id}") else Arrival.NONE

    def settle_volume(self, spec: VolumeSpec) -> None:
        """Grow the image and give it its name."""
        if self.arrival(spec) is Arrival.WHOLE:
            return
        part, wanted = f"part.{spec.id}", qemu_img.round_up(spec.size)
        found = self._rbd.look(part)
        grow = [self._rbd.resize(part, wanted)] if found and found.size < wanted else []
        self._rbd.make(spec.id, grow)

    def seal_volume(self, spec: VolumeSpec, sealed: bool) -> None:
        """Mark what others lie over: they lie over the mark, whatever is written later."""
        if sealed:
            self._rbd.mark(checked(_UUID, spec.id), "sealed")
        else:
            self._rbd.forget(checked(_UUID, spec.id), "sealed")

    def take_snapshot(self, spec: VolumeSpec, snapshot_id: str) -> None:
        """Mark it in Ceph, also while a guest writes."""
        self._rbd.mark(checked(_UUID, spec.id), checked(_UUID, snapshot_id))

    def settle_snapshot(self, spec: VolumeSpec, snapshot_id: str) -> None:
        """Do nothing: what was marked lasts."""

    def revert_volume(self, spec: VolumeSpec, snapshot_id: str) -> None:
        """Go back in Ceph: what differs is copied back."""
        back = ["snap", "rollback", f"{self._rbd.at(spec.id)}@{checked(_UUID, snapshot_id)}", "--no-progress"]
        try:
            self._rbd.run(back, timeout_s=SLOW_S)
        except StorageFailed as error:
            raise CommandFailed(error.message) from error

    def drop_snapshot(self, spec: VolumeSpec, snapshot_id: str) -> None:
        """Forget it in Ceph."""
        self._rbd.forget(checked(_UUID, spec.id), checked(_UUID, snapshot_id))

    def disk_source(self, spec: VolumeSpec) -> DiskSource:
        """Give where the volume is, without looking."""
        return self._source(spec.id, checked(_UUID, spec.id))

    def copy_snapshot(self, spec: VolumeSpec, source: VolumeSpec, snapshot_id: str, *, linked: bool) -> DiskSource:
        """Copy what was marked, or clone it: Ceph keeps what clones lie over, whatever becomes of mark and volume."""
        origin = f"{checked(_UUID, source.id)}@{checked(_UUID, snapshot_id)}"
        return self._copy(spec, source, origin, linked=linked)

    def _copy(self, spec: VolumeSpec, source: VolumeSpec, origin: str, *, linked: bool = False) -> DiskSource:
        target, size = self.disk_source(spec), qemu_img.round_up(spec.size)
        if self._rbd.look(spec.id) is None:
            part = f"part.{spec.id}"
            verb = ["deep", "cp"] if spec.base and spec.base == source.base else ["cp"]
            self._rbd.drop(part)
            if linked:
                self._rbd.run(["clone", self._rbd.at(origin), self._rbd.at(part)])
            else:
                self._rbd.run([*verb, self._rbd.at(origin), self._rbd.at(part), "--no-progress"], timeout_s=SLOW_S)
                self._rbd.run(["snap", "purge", self._rbd.at(part), "--no-progress"], timeout_s=SLOW_S)
            found = self._rbd.look(part)
            self._rbd.make(spec.id, [self._rbd.resize(part, size)] if found and found.size < size else [])
        return target

    def _source(self, volume_id: str, name: str, *, read_only: bool = False) -> DiskSource:
        network = NetworkDisk(
            protocol="rbd",
            hosts=self._monitors,
            tool=f"rbd:{self._rbd.at(name)}:id={self._user}:conf={self._config}",
            user=self._user,
            secret=self._id,
            secret_kind="ceph",  # noqa: S106 - a kind of secret
        )
        return DiskSource(
            volume_id=volume_id,
            path=self._rbd.at(name),
            format=DiskFormat.RAW,
            kind=DiskKind.NETWORK,
            network=network,
            read_only=read_only,
        )


class RbdPool(_Filled):
    """A pool of a Ceph cluster (see ``base.StorageDriver`` for what the verbs promise)."""

    INFO: ClassVar = StorageInfo(
        kind="rbd",
        title="Ceph RBD",
        doc="Volumes are block devices of a Ceph cluster that all hosts reach; root volumes are clones of their image.",
        features=frozenset(
            {
                Feature.SHARED, Feature.THIN, Feature.COPY_ON_WRITE, Feature.GROW_LIVE, Feature.COPY,
                Feature.SNAPSHOT, Feature.SNAPSHOT_LIVE, Feature.COPY_SNAPSHOT,
            }
        ),
        place=("monitors", "pool"),
        growth="It has what its Ceph cluster gives it: add OSDs there.",
    )  # fmt: skip
    OPTIONS: ClassVar[tuple[Option, ...]] = (
        Option("monitors", OptionType.TEXT, "The monitors, with commas: `192.0.2.1,192.0.2.2:6789`."),
        Option("pool", OptionType.TEXT, "The Ceph pool; other images in it are let be.", "zcloud"),
        Option("user", OptionType.TEXT, "Who signs in, without `client.`.", "zcloud"),
        Option("key", OptionType.SECRET, "The user's key, as `ceph auth get-key` prints it."),
        Option("pg_num", OptionType.INTEGER, "The placement groups that the printed commands make a pool with.", 32),
    )

    @classmethod
    def features(cls, options: Options) -> frozenset[Feature]:
        """Give what it can do: the same with all options."""
        del options
        return cls.INFO.features

    # -- the pool ------------------------------------------------------------------------------

    def check(self) -> None:
        """Check tools, search bits and that the cluster lets us in; raises ToolMissing, PoolUnusable, StorageFailed."""
        for program, package in (("qemu-img", "qemu-utils and qemu-block-extra"), ("rbd", "ceph-common")):
            try:
                self._shell.run([program, "--version"])
            except CommandFailed as error:
                raise ToolMissing(f"{program} cannot be run on the host.", hint=f"Install {package}.") from error
        passage.check_passage(self._shell, self.path, self._qemu)
        self._rbd.names()

    def ensure_pool(self) -> None:
        """Mark the Ceph pool as ours; raises InUse where another zcloud has it, PoolUnusable where it is not there."""
        marker = f"pool.{self._id}"
        owners = [name for name in self._rbd.names() if name.startswith("pool.")]
        if [name for name in owners if name != marker]:
            raise InUse(f"The Ceph pool {self._rbd.pool} belongs to zcloud's {owners[0][:60]}.", hint="Choose another.")
        if not owners:
            self._rbd.run(self._rbd.create(marker, MIB))

    def remove_pool(self) -> None:
        """Take the mark away; raises InUse where anything of ours is left."""
        left = [name for name in self._rbd.names() if _OURS.fullmatch(name)]
        if left:
            raise InUse(f"The Ceph pool {self._rbd.pool} is not empty: {', '.join(left)[:200]}.")
        self._rbd.drop(f"pool.{self._id}")
        self._rbd.empty_trash(self._is_ours)

    def capacity(self) -> Capacity:
        """Give what the pool could hold, copies reckoned in, and what the cluster says of itself."""
        return Capacity(*self._rbd.space(), self._rbd.trouble())

    # -- bases ---------------------------------------------------------------------------------

    def has_base(self, base: BaseImage) -> bool:
        """Tell whether the image is there whole."""
        return self._rbd.look(_base_name(base)) is not None

    def ensure_base(
        self, base: BaseImage, source: Callable[[], BinaryIO], progress: Callable[[int], None] | None = None
    ) -> None:
        """Upload an image to the host, compare its digest, and have qemu-img write it into Ceph."""
        if self.has_base(base):
            return
        if self.capacity().available < base.size:
            raise PoolFull(f"The Ceph pool {self._rbd.pool} has no room for the image {base.digest[:12]}.")
        name, file = _base_name(base), self._files.part(f"base/{base.digest}.{base.format}")
        try:
            with source() as stream:
                self._shell.upload(stream, file, mode=0o400, progress=progress)
            found = self._shell.run(["sha256sum", "--", file], timeout_s=SLOW_S).stdout.decode().lstrip("\\")[:64]
            if found != base.digest:
                raise StorageFailed(f"The image arrived with the digest {found}, not {base.digest}.")
            self._rbd.drop(f"part.{name}")
            format = DiskFormat.RAW if base.format == CD else DiskFormat(base.format)
            image = self._source(base.digest, f"part.{name}").image
            self._shell.run(qemu_img.fill_argv(file, format, image), timeout_s=SLOW_S)
            self._rbd.mark(f"part.{name}", "base")
            self._rbd.make(name, [])
        except (CommandFailed, StorageFailed):
            if not self.has_base(base):  # else another operation brought it meanwhile
                raise
        finally:
            self._shell.remove(file)

    def delete_base(self, digest: str) -> None:
        """Remove an image; absent is fine, and so are volumes over it: they keep what they need of it."""
        name = f"base.{checked(_DIGEST, digest)}"
        self._rbd.drop(name)
        self._rbd.drop(f"part.{name}")
        self._rbd.empty_trash(self._is_ours)

    def base_source(self, base: BaseImage) -> DiskSource:
        """Give the image, without looking."""
        return self._source(base.digest, _base_name(base), read_only=True)

    def list_bases(self) -> list[str]:
        """Give the digests of the images that are there."""
        return sorted(name[5:] for name in self._rbd.names() if name.startswith("base.") and _OURS.fullmatch(name))

    # -- volumes -------------------------------------------------------------------------------

    def ensure_volume(self, spec: VolumeSpec) -> DiskSource:
        """Make a volume, or find it as it should be; one that differs is never touched (StorageFailed)."""
        source, size, over = self.disk_source(spec), qemu_img.round_up(spec.size), self._over(spec)
        found = self._rbd.look(spec.id)
        if found is None:
            self._make(spec, size, over)
        elif found.size != size or found.parent not in ("", over):  # a whole copy lies over nothing
            raise StorageFailed(
                f"The volume {spec.id} is there already, but not as it should be.",
                left="It was not touched.",
                found=str(found),
                wanted=f"{size} over {over}",
            )
        return source

    def copy_volume(self, spec: VolumeSpec, source: VolumeSpec) -> DiskSource:
        """Copy within Ceph; what both have of an image is not copied."""
        return self._copy(spec, source, checked(_UUID, source.id))

    def grow_volume(self, spec: VolumeSpec, *, in_use: bool) -> None:
        """Grow the image; QEMU grows one that it has open."""
        size, found = qemu_img.round_up(spec.size), self._rbd.look(checked(_UUID, spec.id))
        if not in_use and found is not None and found.size < size:
            self._rbd.run(self._rbd.resize(spec.id, size))

    def delete_volume(self, volume_id: str) -> None:
        """Move a volume to the trash, and remove from there what nothing lies over; absent is fine."""
        self._rbd.drop(checked(_UUID, volume_id))
        self._rbd.drop(f"part.{volume_id}")
        self._rbd.empty_trash(self._is_ours)

    def list_volumes(self) -> list[VolumeFacts]:
        """Give the volumes that are there; what they take is 0 where it takes too long to count."""
        names = [name for name in self._rbd.names() if _UUID.fullmatch(name)]
        used = self._rbd.used() if names else {}
        return [VolumeFacts(name, used.get(name, 0)) for name in sorted(names)]

    # -- within --------------------------------------------------------------------------------

    def _make(self, spec: VolumeSpec, size: int, over: str) -> None:
        part = f"part.{spec.id}"
        least = spec.base.virtual_size if spec.base else spec.parent.size if spec.parent else 0
        begin = [self._rbd.create(part, size)]
        if over:
            begin = [self._rbd.clone(over, "base" if spec.base else "sealed", part)]
            begin += [self._rbd.resize(part, size)] if size > qemu_img.round_up(least) else []
        if spec.parent:
            self._rbd.mark(over, "sealed")
        try:
            self._rbd.make(spec.id, begin)
        except StorageFailed as error:
            if "File exists" not in error.message:
                raise
            self._rbd.drop(part)  # half-made by somebody who was stopped
            self._rbd.make(spec.id, begin)

    def _over(self, spec: VolumeSpec) -> str:
        """Give what a volume lies over; raises InvalidInput where it is smaller than that."""
        checked(_UUID, spec.id)
        least = spec.base.virtual_size if spec.base else spec.parent.size if spec.parent else 0
        if spec.size < least:
            what = "its image" if spec.base else "a copy of another"
            raise InvalidInput(f"A volume of {spec.size} bytes is too small for {what} of {least}.", field="size")
        return _base_name(spec.base) if spec.base else checked(_UUID, spec.parent.id) if spec.parent else ""

    @staticmethod
    def _is_ours(name: str) -> bool:
        return bool(_OURS.fullmatch(name)) or name.startswith("pool.")


def parse_monitors(text: str) -> tuple[tuple[str, int], ...]:
    """Give the monitors' names and ports; raises InvalidInput."""
    found = [_MONITOR.fullmatch(each.strip()) for each in text.split(",")]
    monitors = tuple((match[1], int(match[2] or PORT)) for match in found if match)
    if len(monitors) != len(found) or not all(0 < port < 65536 for _, port in monitors):
        raise InvalidInput("The option 'monitors' must be addresses with commas, each with a port or without.")
    return monitors


def _matched(pattern: re.Pattern[str], value: str, name: str) -> str:
    if not pattern.fullmatch(value):
        raise InvalidInput(f"The option {name!r} must be letters, digits, dots, hyphens and underscores.", field=name)
    return value


def _base_name(base: BaseImage) -> str:
    if base.format not in FORMATS:
        raise ValueError(f"no image has the format {base.format!r}")
    return f"base.{checked(_DIGEST, base.digest)}"
