"""A private copy of the distribution's kernel for virtual machines.

The machine's own ``/boot`` is never read: it is unreadable on Ubuntu, absent in containers, and its
kernel may need modules that a tiny guest does not have.
"""

from __future__ import annotations

import lzma
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from zcloud.domain.errors import BuildFailed
from zcloud.imagebuild.cache import DEFAULT_CACHE
from zcloud.imagebuild.commands import Command, run
from zcloud.imagebuild.packages import candidate, dependencies, unpacked

_METAPACKAGES = ("linux-image-cloud-amd64", "linux-image-virtual")  # Debian, Ubuntu


@dataclass(frozen=True)
class Module:
    """One kernel module: its name (with underscores) and its uncompressed ELF file."""

    name: str
    content: bytes


@dataclass(frozen=True)
class Kernel:
    """An unpacked kernel: its release (``uname -r``), image, and the directory of its modules."""

    release: str
    vmlinuz: Path
    modules_dir: Path

    def modules(self, names: Iterable[str]) -> list[Module]:
        """Give the modules and all that they depend on, in the order to load them.

        What is built into the kernel is left out. Raises ``BuildFailed`` for a module that the kernel
        does not have at all.
        """
        files = {_name_of(path): path for path in self.modules_dir.rglob("*.ko*")}
        builtin = {_name_of(Path(line)) for line in (self.modules_dir / "modules.builtin").read_text().splitlines()}
        ordered: dict[str, Module] = {}

        def add(name: str) -> None:
            if name in ordered or name in builtin:
                return
            if name not in files:
                raise BuildFailed(f"kernel {self.release} has no module {name}")
            content = _read_module(files[name])
            for needed in _depends_of(content):
                add(needed)
            ordered[name] = Module(name, content)

        for name in names:
            add(name.replace("-", "_"))
        return list(ordered.values())


def fetch_kernel(cache: Path = DEFAULT_CACHE) -> Kernel:
    """Give the newest kernel for virtual machines that apt offers, fetched when it is not cached.

    Raises ``BuildFailed`` when apt knows none or cannot fetch it.
    """
    meta = next((name for name in _METAPACKAGES if candidate(name)), None)
    if meta is None:
        raise BuildFailed("apt knows no kernel for virtual machines", hint="Run `apt-get update`.")
    image = next((p for p in dependencies(meta) if re.match(r"linux-image-\d", p)), None)
    if image is None:
        raise BuildFailed(f"{meta} names no kernel image")
    release = image.removeprefix("linux-image-")
    root = unpacked(image, cache)
    # Debian ships the modules with the image, Ubuntu in a package of their own.
    apart = next((p for p in dependencies(image) if p == f"linux-modules-{release}"), None)
    modules_root = unpacked(apart, cache) if apart else root
    return Kernel(release, root / "boot" / f"vmlinuz-{release}", _modules_dir(modules_root, release))


def _modules_dir(root: Path, release: str) -> Path:
    for directory in (root / "usr/lib/modules" / release, root / "lib/modules" / release):
        if directory.is_dir():
            return directory
    raise BuildFailed(f"the packages of kernel {release} have no modules")


def _name_of(path: Path) -> str:
    return path.name.partition(".ko")[0].replace("-", "_")


def _read_module(path: Path) -> bytes:
    if path.suffix == ".xz":
        return lzma.decompress(path.read_bytes())
    if path.suffix == ".zst":
        plain = path.with_suffix("")
        run(Command(("zstd", "-q", "-d", "-f", str(path), "-o", str(plain))))
        return plain.read_bytes()
    return path.read_bytes()


def _depends_of(content: bytes) -> list[str]:
    # The .modinfo section holds NUL-terminated key=value strings (modinfo(8)).
    found = re.search(rb"\0depends=([^\0]+)\0", content)
    return found[1].decode("ascii").split(",") if found else []
