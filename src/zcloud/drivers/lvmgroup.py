"""A pool's own volume group on a host: looked at, made of disks, marked with a tag, and given back."""

from __future__ import annotations

from typing import ClassVar

from zcloud.domain.driver import Option, OptionType, check_options
from zcloud.domain.errors import CommandFailed, InUse, PoolFull, PoolUnusable, StorageFailed, ToolMissing
from zcloud.domain.storage import Pool
from zcloud.drivers import lvm_tools, passage
from zcloud.drivers.fileartifacts import FileArtifacts
from zcloud.drivers.lvm_tools import MADE_TAG, POOL_TAG, PREFIX, Group, Logical
from zcloud.ports import HostLink

_NO_COMMAND = 127

OPTIONS = (
    Option("volume_group", OptionType.TEXT, "The volume group on the host.", pattern=lvm_tools.GROUP),
    Option(
        "disks",
        OptionType.TEXT,
        "Empty disks or partitions, by their paths and with commas, of which the volume group is made where there is "
        "none; when the pool is deleted they are empty again.",
        "",
        pattern=rf"({lvm_tools.DISK}(,{lvm_tools.DISK}){{0,31}})?",
    ),
)
"""Of every kind whose volumes are logical volumes."""


class OwnGroup(FileArtifacts):
    """The group: looked at, made, marked, given back."""

    OPTIONS: ClassVar[tuple[Option, ...]]

    def __init__(self, pool: Pool, link: HostLink) -> None:
        super().__init__(pool, link, f"/var/lib/libvirt/images/zcloud-{pool.id}")
        self._options = check_options(self.OPTIONS, pool.options)
        self._group, self._id = str(self._options["volume_group"]), pool.id
        self._disks = [each for each in str(self._options["disks"]).split(",") if each]

    def check(self) -> None:
        """Check tools, whose group it is, and the way to the small files; raises ToolMissing, InUse, PoolUnusable."""
        try:
            self._shell.run(["qemu-img", "--version"])
        except CommandFailed as error:
            raise ToolMissing("qemu-img cannot be run on the host.", hint="Install qemu-utils.") from error
        group = self._look()
        if group is None and not self._disks:
            raise self._absent()
        if group is not None and lvm_tools.UNIT % group.extent:
            raise PoolUnusable(
                f"The volume group {self._group} has extents of {group.extent} bytes; zcloud needs 4 MiB or less.",
                hint=f"Run: vgchange --physicalextentsize 4m {self._group}",
            )
        passage.check_passage(self._shell, self.path, self._qemu)

    def ensure_pool(self) -> None:
        """Make the group where that is asked for, and mark it; raises InUse where it is somebody else's."""
        group = self._look()
        if group is None:
            if not self._disks:
                raise self._absent()
            self._make_group()
        if group is None or not group.tagged(POOL_TAG):
            self._shell.run(lvm_tools.tag_group_argv(self._group, "--addtag", POOL_TAG, self._id))
        self._files.ensure()

    def remove_pool(self) -> None:
        """Take the mark off, and the group apart where zcloud made it; raises InUse where anything is left in it."""
        group = self._look()
        if group is not None and self._id in (group.tagged(POOL_TAG), group.tagged(MADE_TAG)):
            made = group.tagged(MADE_TAG) == self._id
            left = sorted(each for each in self._volumes() if made or each.startswith(PREFIX))
            if left:
                raise InUse(f"The volume group {self._group} still has {', '.join(left)[:200]}.", pool=self.name)
            if group.tagged(POOL_TAG):
                self._shell.run(lvm_tools.tag_group_argv(self._group, "--deltag", POOL_TAG, self._id))
            if made:
                self._shell.run(["vgremove", "-q", "--", self._group])
        if group is None or group.tagged(MADE_TAG) == self._id:
            for disk in self._disks:  # LVM refuses one that is in a group; one that it never had is fine
                self._shell.run(["pvremove", "-q", "--", disk], check=False)
        self._files.dissolve()

    def full(self, what: str) -> PoolFull:
        """Give the refusal of a pool without room."""
        return PoolFull(
            f"The pool {self.name} has no room for {what} in the volume group {self._group}.",
            hint="Delete volumes, snapshots or images that nobody needs, or give the volume group another disk.",
            pool=self.name,
        )

    def _look(self) -> Group | None:
        """Give the group, or None where there is none; raises InUse where it is another pool's, ToolMissing."""
        try:
            done = self._shell.run(lvm_tools.group_argv(self._group), check=False)
        except CommandFailed as error:
            raise ToolMissing("LVM cannot be run on the host.", hint="Install lvm2.") from error
        if done.code == _NO_COMMAND:
            raise ToolMissing("LVM is not on the host.", hint="Install lvm2.")
        if done.code:
            if b"not found" in done.stderr:
                return None
            raise StorageFailed(f"LVM: {done.stderr.decode(errors='replace').strip()[-500:]}")
        group = lvm_tools.parse_group(done.stdout)
        if group.tagged(POOL_TAG) not in ("", self._id):
            raise InUse(
                f"The volume group {self._group} belongs to the pool {group.tagged(POOL_TAG)}.",
                hint="Give each pool a volume group of its own.",
            )
        return group

    def _here(self) -> Group:
        """Give the group; raises PoolUnusable where there is none."""
        group = self._look()
        if group is None:
            raise self._absent()
        return group

    def _volumes(self) -> dict[str, Logical]:
        """Give the group's volumes by name."""
        return lvm_tools.parse_volumes(self._shell.run(lvm_tools.volumes_argv(self._group)).stdout)

    def _make_group(self) -> None:
        try:
            self._shell.run(lvm_tools.make_group_argv(self._group, self._id, self._disks))
        except CommandFailed as error:
            raise PoolUnusable(
                f"The volume group {self._group} cannot be made of {', '.join(self._disks)}: {error.message[-300:]}",
                hint="The disks must be empty. `wipefs -a` empties one: all that is on it is lost.",
            ) from error

    def _absent(self) -> PoolUnusable:
        return PoolUnusable(
            f"There is no volume group {self._group} on the host.",
            hint="Make it there with `vgcreate`, or name empty disks in the pool's option disks.",
        )
