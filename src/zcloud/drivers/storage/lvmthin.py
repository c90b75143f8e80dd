"""An LVM-thin pool: volumes are thin logical volumes in a thin pool that zcloud makes in a volume group.

What is written to first is zeroed before (``-Z y``), so nobody reads what another one left; a full pool fails writes at
once (``--errorwhenfull y``), so that QEMU pauses the guest instead of waiting a minute. See lvmthin(7).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from zcloud.domain.driver import Option, OptionType
from zcloud.domain.errors import InUse, PoolUnusable, ToolMissing
from zcloud.domain.storage import GIB, MIB
from zcloud.drivers import lvm_tools, lvmgroup
from zcloud.drivers.lvm_tools import MADE_TAG, POOL_TAG, PREFIX, Logical
from zcloud.drivers.storage.base import Arrival, Capacity, Feature, StorageInfo, VolumeSpec
from zcloud.drivers.storage.volumegroup import Commands, VolumeGroupPool, part_of, snapshot_name, volume_name

THIN_POOL = f"{PREFIX}pool"
_LEAST_METADATA, _MOST_METADATA = 16 * MIB, 15 * GIB  # LVM's own bounds are 2 MiB and 15.8 GiB
_NO_MORE = 100.0
_FULL = 95.0  # percent of data or metadata, from which nothing new is begun


class LvmThinPool(VolumeGroupPool):
    """A thin pool of one host."""

    INFO: ClassVar = StorageInfo(
        kind="lvmthin",
        title="LVM-thin",
        doc="Volumes are thin logical volumes, whole multiples of 4 MiB. Root volumes, clones and snapshots share what "
        "they have alike, and are made at once. More can be promised than there is: a guest that finds no room is "
        "paused.",
        place=("volume_group",),
        unit=lvm_tools.UNIT,
        features=frozenset(
            {
                Feature.THIN,
                Feature.COPY_ON_WRITE,
                Feature.GROW_LIVE,
                Feature.GROW_POOL,
                Feature.COPY,
                Feature.COPY_LIVE,
                Feature.SNAPSHOT,
                Feature.SNAPSHOT_LIVE,
                Feature.OFFLINE,
            }
        ),
    )
    OPTIONS: ClassVar[tuple[Option, ...]] = (
        *lvmgroup.OPTIONS,
        Option("size", OptionType.SIZE, "How large the thin pool is; 0: all that is free in the volume group.", 0),
    )

    def check(self) -> None:
        """Check the tools of thin pools, too."""
        super().check()
        if self._shell.run(["thin_check", "-V"], check=False).code:
            raise ToolMissing("thin_check cannot be run on the host.", hint="Install thin-provisioning-tools.")

    def ensure_pool(self) -> None:
        """Make the thin pool in the group."""
        super().ensure_pool()
        if THIN_POOL in self._volumes():
            return
        size, metadata = plan_pool(self._here(), int(self._options["size"]))
        if size <= 0:
            raise PoolUnusable(
                f"The volume group {self._group} has no room for a thin pool.",
                hint="Ask for a smaller one, or give the volume group another disk.",
            )
        part = part_of(THIN_POOL)
        self._remove(part)
        commands = lvm_tools.make_pool_argvs(self._group, part, size, metadata)
        self._make(THIN_POOL, commands, f"a thin pool of {size} bytes")

    def grow_pool(self, size: int) -> None:
        """Extend the thin pool, and its metadata with it, into what is free in the group."""
        group, pool = self._here(), self._pool(self._volumes())
        whole, metadata = plan_growth(group, pool, size)
        if whole <= pool.size:
            return
        more = whole - pool.size + 2 * max(metadata - pool.metadata_size, 0)
        if more > group.free:
            raise self.full(f"{more} bytes more (it has {group.free} free)")
        self._run([lvm_tools.extend_pool_argv(self._group, THIN_POOL, whole, metadata)])

    def remove_pool(self) -> None:
        """Remove the thin pool, where nothing is in it, and give the group back."""
        group = self._look()
        known = self._volumes() if group is not None else {}
        if group is not None and self._id in (group.tagged(POOL_TAG), group.tagged(MADE_TAG)) and THIN_POOL in known:
            left = sorted(each for each in known if each != THIN_POOL and each.startswith(PREFIX))
            if left:
                raise InUse(f"The volume group {self._group} still has {', '.join(left)[:200]}.", pool=self.name)
            self._remove(THIN_POOL)
        super().remove_pool()

    def capacity(self) -> Capacity:
        """Give the thin pool's size, and what is free of it: of its data or its metadata, whatever is fuller."""
        pool = self._pool(self._volumes())
        return Capacity(pool.size, int(pool.size * (100 - _fullness(pool)) / 100))

    def take_snapshot(self, spec: VolumeSpec, snapshot_id: str) -> None:
        """Make a thin volume over what it has now, also while a guest writes to it."""
        name, kept, known = volume_name(spec.id), snapshot_name(spec.id, snapshot_id), self._volumes()
        if kept not in known:
            self._check_room(known, f"a snapshot of the volume {spec.id}")
            with self._making(kept, f"a snapshot of the volume {spec.id}"):
                self._run([lvm_tools.thin_snapshot_argv(self._group, name, kept)])

    def settle_volume(self, spec: VolumeSpec) -> None:
        """Refuse what arrived in a pool that is full by now: QEMU is not told what the page cache could not write."""
        if self.arrival(spec) is not Arrival.WHOLE and _fullness(self._pool(self._volumes())) >= _NO_MORE:
            raise self.full(f"the volume {spec.id} of {spec.size} bytes")
        super().settle_volume(spec)

    def settle_snapshot(self, spec: VolumeSpec, snapshot_id: str) -> None:
        """Do nothing: what was marked lasts."""

    def _blank(self, name: str, size: int) -> Commands:
        self._check_room(self._volumes(), f"the volume {name}")
        return [lvm_tools.make_thin_argv(self._group, THIN_POOL, name, size)]

    def _copied(self, origin: Logical, name: str, size: int) -> Commands:
        self._check_room(self._volumes(), f"the volume {name}")
        grow = [lvm_tools.extend_argv(self._group, name, size)] if size > origin.size else []
        return [lvm_tools.thin_snapshot_argv(self._group, origin.name, name), *grow]

    def _grow(self, name: str, size: int) -> None:
        whole = self._here().whole(size)
        if self._volumes()[name].size < whole:
            self._run([lvm_tools.extend_argv(self._group, name, whole)])

    def _taken(self, volume: Logical) -> int:
        return int(volume.size * volume.data / 100)

    def _pool(self, known: Mapping[str, Logical]) -> Logical:
        if THIN_POOL not in known:
            raise PoolUnusable(f"The volume group {self._group} has no thin pool {THIN_POOL} any more.")
        return known[THIN_POOL]

    def _check_room(self, known: Mapping[str, Logical], what: str) -> None:
        """Begin nothing new in a pool that is nearly full: a full one is hard to mend."""
        if _fullness(self._pool(known)) >= _FULL:
            raise self.full(what)


def plan_pool(group: lvm_tools.Group, wanted: int) -> tuple[int, int]:
    """Give the sizes of a thin pool's data and metadata in bytes; LVM keeps a spare of the metadata."""
    metadata = _metadata(group, wanted or group.free)
    if wanted:
        return group.whole(wanted), metadata
    return (group.free - 2 * metadata) // group.extent * group.extent, metadata


def plan_growth(group: lvm_tools.Group, pool: Logical, wanted: int) -> tuple[int, int]:
    """Give the sizes that a thin pool's data and metadata are to have; 0: its metadata is large enough."""
    whole = group.whole(wanted)
    metadata = _metadata(group, whole)
    return whole, metadata if metadata > pool.metadata_size else 0


def _metadata(group: lvm_tools.Group, size: int) -> int:
    """Give how much metadata a thin pool of some bytes has.

    A block of data (64 KiB or more) takes 64 bytes of it for each volume that has it; a thousandth is enough for a
    dozen snapshots.
    """
    return group.whole(min(max(size // 1000, _LEAST_METADATA), _MOST_METADATA))


def _fullness(pool: Logical) -> float:
    return max(pool.data, pool.metadata)
