"""A host's own disks, looked at and made places for pools by the tools that every distribution has.

Sources: lsblk(8), wipefs(8), sfdisk(8), mke2fs(8), mkfs.xfs(8), fstab(5), systemd.mount(5). ``wipefs`` opens a disk for
itself alone, so the kernel refuses one that is mounted, swap, or claimed by LVM, RAID, Btrfs or ZFS, whatever was told.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterator
from typing import Any

from zcloud.domain.errors import CommandFailed, DiskInUse, MountPointTaken, StorageFailed, ToolMissing
from zcloud.domain.hostdisk import (
    MARK,
    Block,
    DiskPicture,
    FileSystem,
    FstabLine,
    Marks,
    Wish,
    check_alone,
    check_disk,
    check_place,
    check_signatures,
    fstab_line,
    label_of,
)
from zcloud.libvirtxml.parser import parse_xml
from zcloud.ports import HostLink, Shell

COLUMNS = "NAME,PATH,TYPE,SIZE,RO,MODEL,SERIAL,WWN,TRAN,ROTA,FSTYPE,LABEL,UUID,PTTYPE,PTUUID,PARTUUID,MOUNTPOINTS"
LINUX = "0FC63DAF-8483-4772-8E79-3D69D8477DE4"
"""The type of a partition with a Linux file system (UEFI's table; sfdisk --list-types)."""

_FSTAB = "/etc/fstab"
_EDIT = ("sed", "-i", "--follow-symlinks", "-e")
_NO_DISKS = ("zram", "ram", "fd", "loop", "sr", "nbd", "rbd", "drbd", "zd")  # the last ones are somebody's volumes
_SLOW_S, _MOUNT_S = 600.0, 60.0

Argv = list[str]


def parse_disks(answer: bytes) -> tuple[Block, ...]:
    """Read lsblk's JSON: the whole disks, each with what is made of it. Raises StorageFailed."""
    try:
        nodes = [_block(each) for each in json.loads(answer)["blockdevices"]]
    except (ValueError, KeyError, TypeError) as error:
        raise StorageFailed("What lsblk says of the host's disks cannot be read.") from error
    return tuple(each for each in nodes if each.type == "disk" and not each.name.startswith(_NO_DISKS))


def _block(node: dict[str, Any]) -> Block:
    def text(name: str) -> str:
        return str(node.get(name) or "").strip()

    return Block(
        name=text("name"),
        path=text("path"),
        type=text("type"),
        size=int(node["size"] or 0),
        read_only=bool(node["ro"]),
        model=text("model"),
        serial=text("serial"),
        wwn=text("wwn"),
        transport=text("tran"),
        rotational=bool(node["rota"]),
        filesystem=text("fstype"),
        label=text("label"),
        uuid=text("uuid"),
        table=text("pttype"),
        table_id=text("ptuuid").lower(),
        partition_id=text("partuuid").lower(),
        mounts=tuple(each for each in node.get("mountpoints") or () if each),
        parts=tuple(_block(each) for each in node.get("children") or ()),
    )


def parse_fstab(text: str) -> tuple[FstabLine, ...]:
    """Read /etc/fstab; a file of comments alone is one without lines that name anything."""
    found = []
    for line in text.splitlines():
        words = line.split()
        if len(words) < 2 or words[0].startswith("#"):
            found.append(FstabLine("", "", frozenset()))
        else:
            options = words[3] if len(words) > 3 else ""
            found.append(FstabLine(words[0], words[1].rstrip("/") or "/", frozenset(options.split(","))))
    return tuple(found)


def parse_signatures(answer: bytes) -> tuple[str, ...]:
    """Read wipefs's JSON: the kinds of all signatures on a device; it prints nothing where there are none."""
    if not answer.strip():
        return ()
    try:
        return tuple(str(each["type"]) for each in json.loads(answer)["signatures"])
    except (ValueError, KeyError, TypeError) as error:
        raise StorageFailed("What wipefs says of the disk cannot be read.") from error


def partition_of(marks: Marks) -> str:
    """Give the path of the partition that has our id: whatever its disk is called."""
    return f"/dev/disk/by-partuuid/{marks.partition}"


def erase_argv(disk: Block) -> Argv:
    """Give what takes all signatures off a disk, its partition table too, unless somebody has it or a part of it."""
    return ["wipefs", "-a", "-q", "--", disk.path]


def table_argv(disk: Block) -> Argv:
    """Give what writes a partition table that is read from standard input."""
    return ["sfdisk", "-q", "--wipe", "always", "--wipe-partitions", "always", "--label", "gpt", "--", disk.path]


def table_script(marks: Marks) -> bytes:
    """Give a table with one partition over the whole disk."""
    lines = ("label: gpt", f"label-id: {marks.table}", f'uuid={marks.partition}, type={LINUX}, name="zcloud"')
    return "".join(f"{line}\n" for line in lines).encode()


def format_argv(filesystem: FileSystem, marks: Marks) -> Argv:
    """Give what makes the file system."""
    label = ["-L", label_of(marks.filesystem)]
    if filesystem is FileSystem.XFS:
        return ["mkfs.xfs", "-q", *label, "-m", f"uuid={marks.filesystem}", "--", partition_of(marks)]
    return ["mkfs.ext4", "-q", "-m", "0", *label, "-U", marks.filesystem, "--", partition_of(marks)]


def note_argv(wish: Wish, marks: Marks) -> Argv:
    """Give what adds our line to fstab: sed writes a new file and renames it."""
    return [*_EDIT, f"$a {fstab_line(wish.mount, wish.filesystem, marks.filesystem)}", _FSTAB]


def unnote_argv(uuid: str) -> Argv:
    """Give what takes our line out of fstab again."""
    return [*_EDIT, f"/^UUID={uuid} .*,{MARK.replace('.', '[.]')} /d", _FSTAB]


def preparation(disk: Block, wish: Wish, marks: Marks) -> list[str]:
    """Give every command of a preparation, as people read it."""
    table = table_script(marks).decode().strip().replace("\n", "; ")
    return [
        " ".join(erase_argv(disk)),
        f"{' '.join(table_argv(disk))}   <- {table}",
        " ".join(format_argv(wish.filesystem, marks)),
        f"mkdir -p -m 0755 -- {wish.mount}",
        f"{_FSTAB} + {fstab_line(wish.mount, wish.filesystem, marks.filesystem)}",
        "systemctl daemon-reload",
        f"mount -- {wish.mount}",
    ]


class DiskTool:
    """Looks at a host's disks and changes them. Its verbs raise CommandFailed, HostUnreachable."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def picture(self) -> DiskPicture:
        """Give the disks and fstab as they are."""
        disks = parse_disks(self._shell.run(["lsblk", "-J", "-b", "-o", COLUMNS]).stdout)
        fstab = self._shell.run(["cat", "--", _FSTAB], check=False)
        lines = None if fstab.code else parse_fstab(fstab.stdout.decode(errors="replace"))
        return DiskPicture.of(disks, lines)

    def entries(self, place: str) -> list[str]:
        """Give the names in a directory; none where it is absent."""
        return self._shell.run(["ls", "-A1", "--", place], check=False).stdout.decode(errors="replace").splitlines()

    def signatures(self, disk: Block) -> tuple[str, ...]:
        """Give what the disk itself carries, lsblk's word for it or not."""
        return parse_signatures(self._shell.run(["wipefs", "-n", "-J", "--", disk.path]).stdout)

    def erase(self, disk: Block) -> None:
        """Take all signatures off; raises DiskInUse where the kernel says that somebody has it."""
        try:
            self._shell.run(erase_argv(disk), timeout_s=_MOUNT_S)
        except CommandFailed as error:
            if "busy" in error.message:
                raise DiskInUse(f"The kernel says that {disk.path} is in use.", uses=[disk.path]) from error
            raise

    def partition(self, disk: Block, marks: Marks) -> None:
        """Write the partition table."""
        self._shell.run(table_argv(disk), stdin=table_script(marks), timeout_s=_MOUNT_S)

    def format(self, filesystem: FileSystem, marks: Marks) -> None:
        """Make the file system on our partition; raises ToolMissing."""
        argv = format_argv(filesystem, marks)
        done = self._shell.run(argv, timeout_s=_SLOW_S, check=False)
        if done.code == 127:
            package = "xfsprogs" if filesystem is FileSystem.XFS else "e2fsprogs"
            raise ToolMissing(f"The host has no {argv[0]}.", hint=f"Install {package} on it.")
        if done.code:
            words = done.stderr.decode(errors="replace").strip()[-500:]
            raise StorageFailed(f"{argv[0]} ended with code {done.code}: {words or 'no message'}")

    def mount(self, wish: Wish, marks: Marks) -> None:
        """Mount it now and at each boot; what is done already is left. Raises MountPointTaken."""
        picture = self.picture()
        mounted = any(wish.mount in disk.places for disk in picture.disks)
        if not mounted and self.entries(wish.mount):
            raise MountPointTaken(f"The directory {wish.mount} is not empty any more.")
        self._shell.run(["mkdir", "-p", "-m", "0755", "--", wish.mount])
        if not any(each.uuid == marks.filesystem for each in picture.fstab or ()):
            self._shell.run(note_argv(wish, marks))
            self._settle()
        if not mounted:
            self.mount_noted(wish.mount)

    def mount_noted(self, place: str) -> None:
        """Mount what fstab says of a place."""
        self._shell.run(["mount", "--", place], timeout_s=_MOUNT_S)

    def unmount(self, place: str) -> None:
        """Unmount it, where it is; raises DiskInUse where something uses it."""
        if not any(place in disk.places for disk in self.picture().disks):
            return
        try:
            self._shell.run(["umount", "--", place], timeout_s=_MOUNT_S)
        except CommandFailed as error:
            words = f"{place} cannot be unmounted: {error.message}"
            raise DiskInUse(words, hint=f"See who uses it: fuser -vm {place}") from error

    def forget(self, place: str, uuid: str) -> None:
        """Take our line out of fstab, and the directory that it was mounted at; what is in that stays.

        Raises StorageFailed for a line that somebody has changed.
        """
        if self._has_line(uuid):
            self._shell.run(unnote_argv(uuid))
            self._settle()
        if self._has_line(uuid):
            raise StorageFailed(f"The line for {place} in {_FSTAB} is not as zcloud wrote it: take it out by hand.")
        self._shell.run(["rmdir", "--", place], check=False)

    def _has_line(self, uuid: str) -> bool:
        return any(each.uuid == uuid and each.is_ours for each in self.picture().fstab or ())

    def _settle(self) -> None:
        """Have fstab on the disk, and systemd know of it; a host without systemd has nothing to be told."""
        self._shell.run(["sync", _FSTAB, posixpath.dirname(_FSTAB)])
        self._shell.run(["systemctl", "daemon-reload"], check=False)


def check_free(link: HostLink, picture: DiskPicture, disk: Block, wish: Wish) -> None:
    """Let a disk be prepared as wished; raises what the checks of ``domain/hostdisk`` raise."""
    tool = DiskTool(link.shell)
    check_disk(disk, wish, guests_with(link, disk))
    check_alone(picture, disk)
    check_place(picture, wish.mount, tool.entries(wish.mount))
    check_signatures(disk, wish, {each.name: tool.signatures(each) for each in disk.walk()})


def guests_with(link: HostLink, disk: Block) -> list[str]:
    """Give the names of the domains, ours or not, whose disks are this one or a part of it.

    A guest's disk is neither mounted nor claimed on its host: only its definition tells.
    """
    held = dict(_guest_devices(link))
    if not held:
        return []
    names = {each.path for each in disk.walk()}
    for path in list(names):
        told = link.shell.run(["udevadm", "info", "-q", "symlink", "--", path], check=False)
        names |= {f"/dev/{each}" for each in told.stdout.decode(errors="replace").split()}
    return sorted({name for device, name in held.items() if device in names})


def _guest_devices(link: HostLink) -> Iterator[tuple[str, str]]:
    for domain in link.hypervisor.list_domains():
        for inactive in (True, False):
            xml = link.hypervisor.domain_xml(domain.uuid, inactive=inactive)
            # Below a disk too: what an overlay lies over, and where a disk is just being copied to.
            sources = parse_xml(xml).iterfind("./devices/disk//source") if xml else ()
            yield from ((device, domain.name) for each in sources if (device := str(each.get("dev") or "")))
