"""An iSCSI target in memory, behind the fake host's qemu-img: any target has the same LUNs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from zcloud.testing.fakedisk import KEPT, FakeDisk, FakeError, FakeFile

Handler = Callable[[Sequence[str], bytes], bytes]

_BLOCK = 4096
_MIB = 1 << 20


class FakeIscsi:
    """The LUNs by number, each with its bytes; what was never written reads zeros."""

    def __init__(self) -> None:
        self.sizes: dict[int, int] = {1: 2 * _MIB, **dict.fromkeys(range(2, 25), 64 * _MIB)}
        self.blocks: dict[tuple[int, int], bytes] = {}

    def handlers(self, disk: FakeDisk, files: Mapping[str, Handler]) -> Mapping[str, Handler]:
        """Give what carries out qemu-img's verbs where a LUN is named, and leaves the others to ``files``."""
        verbs: dict[str, Callable[[Sequence[str]], bytes]]
        verbs = {"info": self._info, "convert": partial(self._convert, disk), "compare": partial(self._compare, disk)}
        return {
            f"qemu-img {name}": partial(self._sort, verb, files[f"qemu-img {name}"]) for name, verb in verbs.items()
        }

    @staticmethod
    def _sort(verb: Callable[[Sequence[str]], bytes], files: Handler, argv: Sequence[str], stdin: bytes) -> bytes:
        return verb(argv) if any(word.startswith("json:") for word in argv) else files(argv, stdin)

    def _info(self, argv: Sequence[str]) -> bytes:
        _, _, size = self._part(argv[-1])
        return json.dumps({"virtual-size": size, "format": "raw"}).encode()

    def _convert(self, disk: FakeDisk, argv: Sequence[str]) -> bytes:
        data, size = self._content(disk, argv[-2])
        if not argv[-1].startswith("json:"):
            disk.put(argv[-1], FakeFile(data, size, size))
            return b""
        lun, start, room = self._part(argv[-1])
        if room < size:
            raise FakeError("qemu-img: output file is smaller than input file")
        for at in range(0, size, _BLOCK):
            piece = data[at : at + _BLOCK].ljust(_BLOCK, b"\0")
            self.blocks.pop((lun, start + at), None)
            if piece.strip(b"\0"):
                self.blocks[lun, start + at] = piece
        return b""

    def _compare(self, disk: FakeDisk, argv: Sequence[str]) -> bytes:
        one, other = (self._content(disk, each)[0].rstrip(b"\0") for each in argv[-2:])
        if one != other:
            raise FakeError("Images differ")
        return b""

    def _content(self, disk: FakeDisk, name: str) -> tuple[bytes, int]:
        """Give what is read of an image first, and its size."""
        if not name.startswith("json:"):
            file = disk.file(name)
            return file.data, file.image.size if file.image else file.size
        if (described := _described(name))["file"]["driver"] == "null-co":
            return b"", int(described["file"]["size"])
        lun, start, size = self._part(name)
        pieces = (self.blocks.get((lun, start + at), bytes(_BLOCK)) for at in range(0, min(size, KEPT), _BLOCK))
        return b"".join(pieces)[:size], size

    def _part(self, name: str) -> tuple[int, int, int]:
        """Give the LUN, where the part begins and how large it is."""
        described = _described(name)
        lun = int(described["file"]["lun"])
        if lun not in self.sizes:
            raise FakeError(f"qemu-img: Could not open '{name}': iSCSI: LOGICAL_UNIT_NOT_SUPPORTED(0x2500)")
        start = int(described.get("offset", 0))
        return lun, start, int(described.get("size", self.sizes[lun] - start))


def _described(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(name.removeprefix("json:"))
    return found
