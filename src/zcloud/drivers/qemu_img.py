"""qemu-img's command lines and its answers; pure, for every storage driver whose volumes are files.

The format is always said, so that no image is ever probed (https://www.qemu.org/docs/master/tools/qemu-img.html).
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from zcloud.domain.errors import StorageFailed
from zcloud.domain.plug import DiskFormat, DiskKind, DiskSource

_SECTOR = 512


@dataclass(frozen=True, slots=True)
class Backing:
    """The file that a copy-on-write image lies over."""

    path: str
    format: DiskFormat


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What ``qemu-img info`` says about an image; ``size`` is what the guest sees, in bytes."""

    format: DiskFormat
    size: int
    backing: Backing | None = None


def round_up(size: int) -> int:
    """Give a size as qemu-img makes it: whole sectors."""
    return -(-size // _SECTOR) * _SECTOR


def create_argv(path: str, facts: ImageFacts, preallocation: str = "off") -> list[str]:
    """Give the command that makes an image; ``preallocation`` is one of qemu-img's (off, metadata, falloc, full)."""
    argv = ["qemu-img", "create", "-q", "-f", facts.format]
    if facts.backing is not None:
        argv += ["-b", facts.backing.path, "-F", facts.backing.format]
    elif preallocation != "off":
        argv += ["-o", f"preallocation={preallocation}"]
    return [*argv, "--", path, str(facts.size)]


def copy_argv(source: str, source_format: DiskFormat, path: str, facts: ImageFacts, cache: str) -> list[str]:
    """Give the command that copies an image; what lies in the backing file that both have is not copied.

    ``cache`` is how both are opened (none, writeback); qemu-img's own choice for the copy would not flush it.
    """
    argv = ["qemu-img", "convert", "-q", "-T", cache, "-t", cache, "-f", source_format, "-O", facts.format]
    if facts.backing is not None:
        argv += ["-B", facts.backing.path, "-F", facts.backing.format]
    return [*argv, "--", source, path]


def fill_argv(source: str, source_format: DiskFormat, image: str) -> list[str]:
    """Give the command that makes a raw image elsewhere (a name as ``DiskSource.image``) of a file."""
    return ["qemu-img", "convert", "-q", "-f", source_format, "-O", DiskFormat.RAW, "--", source, image]


def convert_argv(source: DiskSource, target: DiskSource) -> list[str]:
    """Give the command that copies an image, with all that it lies over, into one that is there and no smaller.

    A device is written to around the page cache: what a full thin pool refuses later is told to nobody (seen: it ended
    well, and a half was missing).
    """
    cache = "none" if target.kind is DiskKind.BLOCK else "writeback"
    argv = ["qemu-img", "convert", *key_words(source, target), "-q", "-n", "-t", cache]
    return [*argv, "-f", source.format, "-O", target.format, "--", source.image, target.image]


def compare_argv(one: DiskSource, other: DiskSource) -> list[str]:
    """Give the command that reads two images, and ends with 1 where a guest would see a difference."""
    argv = ["qemu-img", "compare", *key_words(one, other), "-q", "-f", one.format, "-F", other.format]
    return [*argv, "--", one.image, other.image]


def key_words(*sources: DiskSource) -> list[str]:
    """Give the options that tell qemu-img in which files it finds what it signs in with; the keys are in none."""
    networks = [each.network for each in sources if each.network and each.network.key_file]
    files = {key_name(each.secret): each.key_file for each in networks}
    return [word for name, file in files.items() for word in ("--object", f"secret,id={name},file={file}")]


def key_name(secret: str) -> str:
    """Give the name that a key has within one qemu-img, from its secret's uuid."""
    return f"key-{secret}"


def resize_argv(path: str, format: DiskFormat, size: int) -> list[str]:
    """Give the command that makes an image larger, that no guest has open."""
    return ["qemu-img", "resize", "-q", "-f", format, "--", path, str(size)]


def snapshot_argv(verb: str, name: str, path: str) -> list[str]:
    """Give the command that makes (``-c``), goes back to (``-a``) or forgets (``-d``) a snapshot in a qcow2 image."""
    return ["qemu-img", "snapshot", "-q", "--image-opts", verb, name, "--", f"driver=qcow2,file.filename={path}"]


def parse_snapshots(answer: bytes) -> frozenset[str]:
    """Read the snapshots' names from the answer of ``info_argv``; raises StorageFailed when it is not one."""
    try:
        return frozenset(str(each["name"]) for each in json.loads(answer).get("snapshots", ()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StorageFailed("qemu-img's answer cannot be read.") from error


def info_argv(path: str, format: DiskFormat) -> list[str]:
    """Give the command that looks at an image, also while a guest has it open."""
    return ["qemu-img", "info", "-U", "--output=json", "-f", format, "--", path]


def parse_info(answer: bytes) -> ImageFacts:
    """Read the answer of ``info_argv``; raises StorageFailed when it is not one."""
    try:
        info = json.loads(answer)
        path = info.get("full-backing-filename") or info.get("backing-filename")
        backing = Backing(path, DiskFormat(info["backing-filename-format"])) if path else None
        return ImageFacts(DiskFormat(info["format"]), int(info["virtual-size"]), backing)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StorageFailed("qemu-img's answer cannot be read.") from error
