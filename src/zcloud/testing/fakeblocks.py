"""The fake host's disks: partition tables, file systems, and what mounts them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from zcloud.testing.fakedisk import FakeDisk, FakeError


@dataclass(slots=True)
class FakePart:
    """A partition, with what is on it."""

    id: str
    filesystem: str = ""
    uuid: str = ""


@dataclass(slots=True)
class FakeBlock:
    """A disk of ``size`` bytes; ``filesystem`` is what lies on it without a table."""

    size: int = 1 << 40
    serial: str = ""
    filesystem: str = ""
    table: str = ""
    parts: list[FakePart] = field(default_factory=list)


class FakeBlocks:
    """Disks by their names; ``sda`` has the system, ``vdb`` is empty, ``vdc`` is not.

    ``places`` has the partition's id by where it is mounted, ``fstab`` the lines of that file.
    """

    def __init__(self, disk: FakeDisk) -> None:
        self._disk = disk
        self.disks = {
            "sda": FakeBlock(serial="system", table="0a", parts=[FakePart("0b", "ext4", "0c")]),
            "vdb": FakeBlock(serial="fast"),
            "vdc": FakeBlock(serial="slow", table="1a", parts=[FakePart("1b", "ntfs", "1c")]),
        }
        self.places = {"/": "0b"}
        self.fstab = ["# file systems", "UUID=0c / ext4 defaults 0 1"]

    def handlers(self) -> Mapping[str, Callable[[Sequence[str], bytes], bytes]]:
        """Give what carries out the commands on disks."""
        return {
            "lsblk": self._lsblk, "wipefs": self._wipefs, "sfdisk": self._sfdisk, "mkfs.ext4": self._mkfs,
            "mkfs.xfs": self._mkfs, "sed": self._sed, "mount --": self._mount, "umount": self._umount,
            "udevadm": self._nothing, "sync /etc/fstab": self._nothing,
            "systemctl daemon-reload": self._nothing,
        }  # fmt: skip

    def _mounts(self, part: FakePart) -> list[str]:
        return [place for place, id in self.places.items() if id == part.id]

    def _lsblk(self, _argv: Sequence[str], _stdin: bytes) -> bytes:
        return json.dumps({"blockdevices": [self._node(*each) for each in self.disks.items()]}).encode()

    def _node(self, name: str, block: FakeBlock) -> dict[str, Any]:
        def node(name: str, type: str, size: int, **more: Any) -> dict[str, Any]:
            plain = {"fstype": None, "mountpoints": [None], "ro": False, "rota": False}
            return {"name": name, "path": f"/dev/{name}", "type": type, "size": size, **plain, **more}

        parts = [
            node(
                f"{name}{number}", "part", block.size - (1 << 20), fstype=each.filesystem, uuid=each.uuid,
                partuuid=each.id, mountpoints=self._mounts(each) or [None],
            )
            for number, each in enumerate(block.parts, 1)
        ]  # fmt: skip
        table = {"pttype": "gpt", "ptuuid": block.table} if block.table else {}
        return node(name, "disk", block.size, serial=block.serial, fstype=block.filesystem, children=parts, **table)

    def _wipefs(self, argv: Sequence[str], _stdin: bytes) -> bytes:
        name = argv[-1].removeprefix("/dev/")
        block, part = self._find(name)
        if "-a" not in argv:
            kinds = [block.filesystem, "gpt" if block.table else ""]
            found = [{"type": each} for each in kinds if each]
            return json.dumps({"signatures": found}).encode() if found else b""
        if any(self._mounts(each) for each in ([part] if part else block.parts)):
            raise FakeError(f"wipefs: error: {argv[-1]}: probing initialization failed: Device or resource busy")
        if part is not None:
            part.filesystem = part.uuid = ""
        else:
            block.filesystem = block.table = ""
            block.parts.clear()
        return b""

    def _find(self, name: str) -> tuple[FakeBlock, FakePart | None]:
        for each, block in self.disks.items():
            if name == each:
                return block, None
            if name.startswith(each) and block.parts:
                return block, block.parts[int(name.removeprefix(each)) - 1]
        raise FakeError(f"/dev/{name}: No such file or directory")

    def _sfdisk(self, argv: Sequence[str], stdin: bytes) -> bytes:
        block = self.disks[argv[-1].removeprefix("/dev/")]
        label, entry = stdin.decode().splitlines()[1:]
        block.table = label.removeprefix("label-id: ")
        block.parts = [FakePart(entry.partition(",")[0].removeprefix("uuid="))]
        return b""

    def _mkfs(self, argv: Sequence[str], _stdin: bytes) -> bytes:
        wanted = argv[-1].rpartition("/")[2]
        part = next((each for block in self.disks.values() for each in block.parts if each.id == wanted), None)
        if part is None:
            raise FakeError(f"{argv[-1]}: No such file or directory")
        kind = argv[0].removeprefix("mkfs.")
        part.filesystem, part.uuid = kind, argv[-3].removeprefix("uuid=")
        return b""

    def _sed(self, argv: Sequence[str], _stdin: bytes) -> bytes:
        edit = argv[-2]
        if edit.startswith("$a "):
            self.fstab.append(edit.removeprefix("$a "))
        else:
            line = re.compile(edit.removeprefix("/").removesuffix("/d"))
            self.fstab = [each for each in self.fstab if not line.match(each)]
        return b""

    def _mount(self, argv: Sequence[str], _stdin: bytes) -> bytes:
        place = argv[-1]
        self._disk.directory(place)
        line = next((each for each in self.fstab if f" {place} " in each), "")
        uuid = line.partition(" ")[0].removeprefix("UUID=")
        part = next((each for block in self.disks.values() for each in block.parts if each.uuid == uuid), None)
        if part is None:
            raise FakeError(f"mount: {place}: can't find UUID={uuid}.")
        self.places[place] = part.id
        return b""

    def _umount(self, argv: Sequence[str], _stdin: bytes) -> bytes:
        if self.places.pop(argv[-1], None) is None:
            self._disk.unmount(argv[-1])
        return b""

    @staticmethod
    def _nothing(_argv: Sequence[str], _stdin: bytes) -> bytes:
        return b""
