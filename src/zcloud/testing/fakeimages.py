"""The fake host's qemu-img: images are files of the fake disk that know what they are."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from zcloud.domain.plug import DiskFormat
from zcloud.drivers.qemu_img import Backing, ImageFacts
from zcloud.testing.fakedisk import FakeDisk, FakeError, FakeFile

_OVERLAY = 196_608  # what an empty qcow2 takes


def handlers(disk: FakeDisk) -> Mapping[str, Callable[[Sequence[str], bytes], bytes]]:
    """Give what carries out qemu-img's verbs on a disk."""
    verbs = {"create": _create, "info": _info, "resize": _resize, "convert": _convert, "snapshot": _snapshot}
    verbs["compare"] = _compare
    return {f"qemu-img {name}": partial(_quiet, partial(verb, disk)) for name, verb in verbs.items()}


def _quiet(verb: Callable[[Sequence[str]], bytes], argv: Sequence[str], _stdin: bytes) -> bytes:
    return verb(argv)


def _create(disk: FakeDisk, argv: Sequence[str]) -> bytes:
    options = dict(itertools.pairwise(argv))
    format, path, size = DiskFormat(options["-f"]), argv[-2], int(argv[-1])
    backing = None
    if "-b" in options:
        disk.file(options["-b"])
        backing = Backing(options["-b"], DiskFormat(options["-F"]))
    full = "falloc" in options.get("-o", "") or "full" in options.get("-o", "")
    overhead = 0 if format is DiskFormat.RAW else _OVERLAY
    apparent = size if format is DiskFormat.RAW else overhead
    facts = ImageFacts(format, size, backing)
    disk.put(path, FakeFile(size=apparent, allocated=overhead + (size if full else 0), image=facts))
    return b""


def _info(disk: FakeDisk, argv: Sequence[str]) -> bytes:
    file, format = disk.file(argv[-1]), argv[argv.index("-f") + 1]
    facts = file.image or ImageFacts(DiskFormat.RAW, file.size)
    if format not in (facts.format, DiskFormat.RAW):
        raise FakeError(f"Could not open '{argv[-1]}': Image is not in {format} format")
    answer: dict[str, object] = {"virtual-size": facts.size, "format": format, "actual-size": file.allocated}
    if facts.backing is not None:
        answer |= {"full-backing-filename": facts.backing.path, "backing-filename-format": facts.backing.format}
    if file.snapshots:
        answer["snapshots"] = [{"name": name} for name in file.snapshots]
    return json.dumps(answer).encode()


def _convert(disk: FakeDisk, argv: Sequence[str]) -> bytes:
    options = dict(itertools.pairwise(argv))
    source, format = disk.file(argv[-2]), DiskFormat(options["-O"])
    facts = source.image or ImageFacts(DiskFormat.RAW, source.size)
    backing = Backing(options["-B"], DiskFormat(options["-F"])) if "-B" in options else None
    if "-n" in argv:
        there = disk.file(argv[-1]).image
        if there is None or there.size < facts.size:
            raise FakeError("Output file is smaller than input file")
    copy = FakeFile(source.data, source.size, source.allocated, source.digest)
    place = disk.file(argv[-1]).image if "-n" in argv else None  # what is there already stays as large as it is
    copy.image = ImageFacts(format, place.size if place else facts.size, backing)
    copy.allocated = 0 if argv[-1].startswith("/dev/") else copy.allocated
    disk.put(argv[-1], copy)
    return b""


def _compare(disk: FakeDisk, argv: Sequence[str]) -> bytes:
    if disk.file(argv[-2]).digest != disk.file(argv[-1]).digest:
        raise FakeError("Images differ")
    return b""


def _resize(disk: FakeDisk, argv: Sequence[str]) -> bytes:
    file = disk.file(argv[-2])
    facts = file.image or ImageFacts(DiskFormat.RAW, file.size)
    file.image = ImageFacts(facts.format, int(argv[-1]), facts.backing)
    return b""


def _snapshot(disk: FakeDisk, argv: Sequence[str]) -> bytes:
    file = disk.file(argv[-1].partition("file.filename=")[2])
    verb, name = next((word, argv[at + 1]) for at, word in enumerate(argv) if word in ("-c", "-a", "-d"))
    change_snapshot(file, verb, name)
    return b""


def change_snapshot(file: FakeFile, verb: str, name: str) -> None:
    """Make (``-c``), go back to (``-a``) or forget (``-d``) a snapshot of an image."""
    if file.image is None or file.image.format is DiskFormat.RAW:
        raise FakeError("Image is not in qcow2 format")
    if verb == "-c":
        file.snapshots[name] = file.image
    elif name not in file.snapshots:
        raise FakeError(f"Could not find the snapshot '{name}'")
    elif verb == "-a":
        file.image = file.snapshots[name]
    else:
        del file.snapshots[name]
