"""An LVM pool: volumes are plain logical volumes in a volume group, each with all of its space from the beginning.

Disks give back what their last owner wrote. So a volume is zeroed before it gets its name (``blkdiscard -z``: by the
disk itself where it can, else by writing), and what it grows by before its guest sees it. At a deletion nothing is
wiped: a crash, or a volume removed by hand, would leave bytes behind that a wipe at the making catches.
"""

from __future__ import annotations

from typing import ClassVar

from zcloud.domain.driver import Option
from zcloud.domain.errors import HostUnreachable, ZcloudError
from zcloud.drivers import lvm_tools, lvmgroup
from zcloud.drivers.lvm_tools import GROWN_TAG, PREFIX, Logical
from zcloud.drivers.storage.base import Capacity, Feature, StorageInfo, VolumeSpec
from zcloud.drivers.storage.volumegroup import Commands, VolumeGroupPool, part_of, snapshot_name, volume_name


class LvmPool(VolumeGroupPool):
    """A volume group of one host."""

    INFO: ClassVar = StorageInfo(
        kind="lvm",
        title="LVM",
        doc="Volumes are logical volumes that have all of their space from the beginning, zeroed before anybody sees "
        "it, and whole multiples of 4 MiB. Root volumes, clones and snapshots are whole copies: each takes as much "
        "room and as long as that.",
        place=("volume_group",),
        unit=lvm_tools.UNIT,
        growth="Give its volume group another disk (`vgextend`); `zcloud pool refresh` sees it.",
        features=frozenset(
            {
                Feature.GROW_LIVE,
                Feature.COPY,
                Feature.COPY_LIVE,
                Feature.SNAPSHOT,
                Feature.SNAPSHOT_LIVE,
                Feature.OFFLINE,
            }
        ),
    )
    OPTIONS: ClassVar[tuple[Option, ...]] = lvmgroup.OPTIONS

    def capacity(self) -> Capacity:
        """Give the group's size, without what others have in it, and what is free."""
        group = self._here()
        others = sum(each.size for each in self._volumes().values() if not each.name.startswith(PREFIX))
        return Capacity(group.size - others, group.free)

    def take_snapshot(self, spec: VolumeSpec, snapshot_id: str) -> None:
        """Keep what the volume has now, also while a guest writes to it, until it is copied."""
        name, kept, known = volume_name(spec.id), snapshot_name(spec.id, snapshot_id), self._volumes()
        if kept not in known and _moment(kept) not in known:
            with self._making(_moment(kept), f"a snapshot of the volume {spec.id}"):
                self._run([lvm_tools.plain_snapshot_argv(self._group, name, _moment(kept))])

    def settle_snapshot(self, spec: VolumeSpec, snapshot_id: str) -> None:
        """Copy what was kept; until then each first write to the volume costs another one."""
        kept, known = snapshot_name(spec.id, snapshot_id), self._volumes()
        if _moment(kept) not in known:
            return
        self._remove(part_of(kept))
        if kept not in known:
            moment = known[_moment(kept)]
            size = known[volume_name(spec.id)].size
            self._make(kept, self._copied(moment, part_of(kept), size), f"a snapshot of the volume {spec.id}")
        self._remove(_moment(kept))

    def _blank(self, name: str, size: int) -> Commands:
        return [lvm_tools.make_argv(self._group, name, size), lvm_tools.zero_argv(self._group, name, 0, size)]

    def _copied(self, origin: Logical, name: str, size: int) -> Commands:
        source, target = lvm_tools.device(self._group, origin.name), lvm_tools.device(self._group, name)
        return [*self._blank(name, size), lvm_tools.fill_argv(source, "raw", target)]

    def _grow(self, name: str, size: int) -> None:
        """Extend and zero; where it began to be zeroed is on the volume until that is done.

        What could not be zeroed is given back: a guest that is started anew would see what former owners wrote there,
        and a later try would zero what it has written since.
        """
        whole, volume = self._here().whole(size), self._volumes()[name]
        begun = volume.tagged(GROWN_TAG)
        if not begun and volume.size >= whole:
            return
        start, commands = int(begun or volume.size), []
        if not begun:
            commands.append(lvm_tools.tag_argv(self._group, name, "--addtag", start))
        if volume.size < whole:
            commands.append(lvm_tools.extend_argv(self._group, name, whole))
        end = max(whole, volume.size)
        if end > start:
            commands.append(lvm_tools.zero_argv(self._group, name, start, end - start))
        try:
            self._run([*commands, lvm_tools.tag_argv(self._group, name, "--deltag", start)])
        except HostUnreachable:
            raise  # whoever comes next goes on
        except ZcloudError:
            self._give_back(name, start)
            raise

    def _give_back(self, name: str, size: int) -> None:
        volume = self._volumes()[name]
        commands = [lvm_tools.reduce_argv(self._group, name, size)] if volume.size > size else []
        if volume.tagged(GROWN_TAG):
            commands.append(lvm_tools.tag_argv(self._group, name, "--deltag", size))
        if commands:
            self._run(commands)

    def _taken(self, volume: Logical) -> int:
        return volume.size


def _moment(kept: str) -> str:
    """Give the name of what keeps a volume's bytes of one moment until they are copied."""
    return f"{kept}.now"
