"""A control group of its own for each namespace host, in version 1, version 2 and mixed hierarchies.

Without it the guests of two hosts would meet in one ``machine`` group, and groups would be left behind.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from zcloud.imagebuild.commands import Command, run

LEAF = "init"


@dataclass(frozen=True)
class Hierarchy:
    """One mounted cgroup hierarchy: where, its file system type, and its mount options."""

    directory: Path
    kind: str
    options: str


def hierarchies() -> list[Hierarchy]:
    """Give the cgroup hierarchies mounted here (proc(5), mountinfo)."""
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        if kind in {"cgroup", "cgroup2"}:
            wanted = [o for o in options.split(",") if o not in {"rw", "ro", "nsdelegate", "memory_recursiveprot"}]
            found.append(Hierarchy(Path(before.split(" ")[4]), kind, ",".join(wanted)))
    return found


def enter(name: str) -> None:
    """Make the group ``name`` in every hierarchy and move this process into it."""
    for hierarchy in hierarchies():
        group = hierarchy.directory / name
        group.mkdir(exist_ok=True)
        for setting in ("cpuset.cpus", "cpuset.mems"):
            # Version 1 refuses processes in a cpuset without CPUs.
            if hierarchy.kind == "cgroup" and (group / setting).exists():
                (group / setting).write_text((hierarchy.directory / setting).read_text())
        (group / "cgroup.procs").write_text("0")


def settle(name: str) -> None:
    """Leave the group ``name`` itself empty in version 2, which gives no controllers to the children of
    a group with processes; to be called in the new cgroup namespace."""
    for hierarchy in hierarchies():
        if hierarchy.kind == "cgroup2":
            leaf = hierarchy.directory / name / LEAF
            leaf.mkdir(exist_ok=True)
            (leaf / "cgroup.procs").write_text("0")


def mount_again(found: list[Hierarchy], root: Path) -> None:
    """Mount the hierarchies below ``root`` as the present cgroup namespace sees them."""
    for hierarchy in found:
        target = root / str(hierarchy.directory).lstrip("/")
        target.mkdir(parents=True, exist_ok=True)
        options = ("-o", hierarchy.options) if hierarchy.options else ()
        run(Command(("mount", "-t", hierarchy.kind, *options, "cgroup", str(target))))


def remove(name: str) -> None:
    """Remove the empty groups that ``enter`` and the host's libvirtd made."""
    for hierarchy in hierarchies():
        for directory, _, _ in os.walk(hierarchy.directory / name, topdown=False):
            with suppress(OSError):
                Path(directory).rmdir()
