"""The disk of a nested host on which zcloud was installed as the documentation says.

Its commands run in a chroot of the disk, where they take seconds; in the machine, whose processor is emulated, minutes.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tests.real.system.installation import ROOT, run
from tests.real.system.service import GUEST, PERSON, VENV

from zcloud.imagebuild.cache import DEFAULT_CACHE, cached
from zcloud.lab.nestedimage import NestedImage, nested_image

_OFFLINE = ("PIP_NO_INDEX=1", "PIP_FIND_LINKS=/root/wheels", "PATH=/usr/sbin:/usr/bin")


def base_image() -> NestedImage:
    """Give a machine with the distribution's packages that the documentation names."""
    lines = (ROOT / "scripts/lib/packages/debian.run").read_text().splitlines()
    return nested_image(name for line in lines if (name := line.split("#")[0].strip()))


def wheelhouse() -> Path:
    """Give a directory with the wheels of the server's lock file, fetched when it is not cached."""
    lock = ROOT / "requirements/server.lock"
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    entry = DEFAULT_CACHE / f"wheels-{version}-{hashlib.sha256(lock.read_bytes()).hexdigest()[:16]}"
    pip = (sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check")
    words = ("--require-hashes", "--only-binary", ":all:", "--requirement", str(lock))

    def fetch(directory: Path) -> None:
        run([*pip, *words, "--dest", str(directory)])

    return cached(entry, fetch)


def installed_image(wheel: Path, probe_kit: Path, guest: Path, work: Path) -> NestedImage:
    """Give a machine on whose disk, below ``work``, the wheel is installed; the guest's image is the person's."""
    base, disk = base_image(), work / "disk.raw"
    run(["cp", "--sparse=always", str(base.disk), str(disk)])
    with _mounted(disk, work / "tree") as tree:
        shutil.copytree(wheelhouse(), tree / "root/wheels")
        shutil.copyfile(wheel, tree / "root" / wheel.name)
        kit = tree / "var/lib/zcloud/probe-kit"
        shutil.copytree(probe_kit, kit)
        kit.chmod(0o700)  # as an administrator may have it
        _inside(tree, "/usr/bin/python3", "-m", "venv", "--system-site-packages", VENV)
        _inside(tree, f"{VENV}/bin/pip", "install", "--quiet", f"/root/{wheel.name}[server]")
        _inside(tree, "ln", "-s", f"{VENV}/bin/zcloud", "/usr/local/bin/zcloud")
        _inside(tree, "useradd", "--create-home", PERSON)
        shutil.copyfile(guest, tree / GUEST.lstrip("/"))
    return replace(base, disk=disk)


def _inside(tree: Path, *argv: str) -> None:
    run(["env", "-i", *_OFFLINE, "chroot", str(tree), *argv])


@contextmanager
def _mounted(disk: Path, tree: Path) -> Iterator[Path]:
    tree.mkdir()
    run(["mount", "-o", "loop", str(disk), str(tree)])
    try:
        yield tree
    finally:
        run(["umount", str(tree)])
