"""Whether QEMU's user may pass through the directories above its disks, and which chmod mends it."""

from __future__ import annotations

import posixpath
import re
from typing import NamedTuple

from zcloud.domain.errors import PoolUnusable
from zcloud.libvirtxml.capabilities import Capabilities
from zcloud.ports import Shell

_DAC_LABEL = re.compile(r"\+?(\d{1,10}):\+?(\d{1,10})")


class Identity(NamedTuple):
    """The numbers of a user and its group."""

    uid: int
    gid: int


class Directory(NamedTuple):
    """A directory's permission bits and owner."""

    path: str
    mode: int
    owner: Identity


def qemu_identity(capabilities_xml: str) -> Identity:
    """Give whom libvirt runs QEMU as: the base label of its ``dac`` model; root where there is no such model."""
    for model in Capabilities.parse(capabilities_xml).security_models:
        labels = [label.value or "" for label in model.labels]
        match = _DAC_LABEL.fullmatch(labels[0]) if model.model == "dac" and labels else None
        if match:
            return Identity(int(match[1]), int(match[2]))
    return Identity(0, 0)


def missing_bit(directory: Directory, who: Identity) -> str:
    """Give the chmod argument that would let ``who`` search the directory; empty where it may already."""
    if who.uid == 0:
        return ""
    if directory.owner.uid == who.uid:
        letter, bit = "u", 0o100
    elif directory.owner.gid == who.gid:
        letter, bit = "g", 0o010
    else:
        letter, bit = "o", 0o001
    return "" if directory.mode & bit else f"{letter}+x"


def check_passage(shell: Shell, path: str, who: Identity) -> None:
    """Check each directory down to ``path`` that is there already; raises PoolUnusable naming the first closed one."""
    if who.uid == 0:
        return
    real = shell.run(["realpath", "-m", "--", path]).stdout.decode().rstrip("\n")
    for parent in _down_to(real):
        done = shell.run(["stat", "-L", "-c", "%a:%u:%g", "--", parent], check=False)
        if done.code:
            return  # from here on it will be made, open for passage
        bit = missing_bit(_parse(parent, done.stdout), who)
        if bit:
            raise PoolUnusable(
                f"The user that runs guests (uid {who.uid}) may not pass through {parent}, so no disk below it opens.",
                hint=f"Run: chmod {bit} {parent}",
                directory=parent,
            )


def _down_to(path: str) -> list[str]:
    """Give all directories above a path and itself, from the top: ``/a/b`` is ``/``, ``/a``, ``/a/b``."""
    found = [path]
    while path != "/":
        path = posixpath.dirname(path)
        found.append(path)
    return found[::-1]


def _parse(path: str, answer: bytes) -> Directory:
    mode, uid, gid = answer.decode().strip().split(":")
    return Directory(path, int(mode, 8), Identity(int(uid), int(gid)))
