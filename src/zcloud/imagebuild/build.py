"""Builds one cloud image: packages -> directory -> root file system -> hybrid disk -> qcow2."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from zcloud.domain.errors import DiskFull, InvalidInput
from zcloud.imagebuild import plan
from zcloud.imagebuild.commands import Command, missing_tools, require_root, require_tools, run
from zcloud.imagebuild.disk import MIB, TOOLS, HybridDisk, assemble
from zcloud.imagebuild.recipes import GIB, RECIPES, Keyring, Recipe

_TOOLS = {
    **TOOLS,
    "mmdebstrap": "mmdebstrap",
    "apt-get": "apt",
    "mke2fs": "e2fsprogs",
    "qemu-img": "qemu-utils",
}
_ROOM_BYTES = 3 * GIB  # the tree, the file system, the disk (sparse) and the result

Progress = Callable[["Part"], None]


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a build as it begins (``seconds`` is None) or has ended."""

    text: str
    seconds: float | None = None

    def __str__(self) -> str:
        return f"{self.text} ..." if self.seconds is None else f"{self.text}: {self.seconds:.1f} s"


@dataclass(frozen=True, slots=True)
class Built:
    """A finished image; sizes are bytes."""

    path: Path
    file_bytes: int
    disk_bytes: int
    seconds: float


def find_recipe(name: str) -> Recipe:
    """Give the recipe called ``name``; raises InvalidInput with the known names."""
    try:
        return RECIPES[name]
    except KeyError:
        known = ", ".join(sorted(RECIPES))
        raise InvalidInput(f"No recipe is called {name!r}.", hint=f"Choose one of: {known}.") from None


def build_image(recipe: Recipe, output: Path, *, mirror: str = "", progress: Progress = lambda _: None) -> Built:
    """Build ``recipe`` into the qcow2 file ``output``, which appears whole or not at all.

    All work happens in a directory beside ``output`` that is removed in the end, also after a failure,
    Ctrl-C or SIGTERM. ``mirror`` replaces the distribution's main mirror. Raises NeedsRoot, ToolMissing and
    DiskFull before anything is done; MirrorUnreachable, DiskFull and BuildFailed later.
    """
    begun = time.monotonic()
    _check(recipe, output)
    with _sigterm_as_ctrl_c(), _scratch(output) as work:
        tree, root = work / "tree", work / "root.ext4"
        with _part(progress, f"Getting and installing the packages of {recipe.title}"):
            install_packages(recipe, tree, work, mirror)
        with _part(progress, "Making the root file system"):
            root_uuid = str(uuid4())
            finish_tree(recipe, tree, root_uuid)
            root_bytes = recipe.disk_bytes - HybridDisk(uuid4()).root_start - MIB
            run(Command(plan.mke2fs_argv(str(tree), str(root), root_uuid, root_bytes)))
        with _part(progress, "Assembling the disk for BIOS and UEFI"):
            raw = work / "disk.raw"
            assemble(HybridDisk(uuid4(), root=root, root_uuid=root_uuid), raw, _directory(work / "boot"))
        with _part(progress, "Compressing it to qcow2"):
            result = work / "image.qcow2"
            run(Command(plan.convert_argv(str(raw), str(result))))
        file_bytes = _publish(result, output)
    return Built(output, file_bytes, recipe.disk_bytes, time.monotonic() - begun)


def finish_tree(recipe: Recipe, tree: Path, root_uuid: str) -> None:
    """Remove what an image must not carry and write what is ours (see ``plan.image_files``)."""
    for pattern in plan.UNWANTED:
        for path in tree.glob(pattern):
            if path.is_file() or path.is_symlink():
                path.unlink()
    for name, text in plan.image_files(recipe, root_uuid).items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)  # a link there must not lead the write out of the tree
        path.write_text(text)
        path.chmod(0o644)
    for name, target in plan.LINKS.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.symlink_to(target)


def _check(recipe: Recipe, output: Path) -> None:
    require_root()
    require_tools(_TOOLS)
    for needed, package in (
        ("/usr/lib/grub/i386-pc/boot.img", "grub-pc-bin"),
        ("/usr/lib/grub/x86_64-efi/kernel.img", "grub-efi-amd64-bin"),
    ):
        if not Path(needed).exists():
            raise missing_tools([needed], [package])
    if not (recipe.keyring.pool_file or Path(recipe.keyring.path).exists()):
        raise missing_tools([recipe.keyring.path], [recipe.keyring.package])
    if not output.parent.is_dir():
        raise InvalidInput(f"The directory {output.parent} does not exist.")
    free = shutil.disk_usage(output.parent).free
    if free < _ROOM_BYTES:
        raise DiskFull(
            f"Building needs {_ROOM_BYTES // MIB} MiB in {output.parent}; {free // MIB} MiB are free.",
            left="Nothing was changed.",
        )


def install_packages(recipe: Recipe, tree: Path, work: Path, mirror: str = "") -> None:
    """Get the recipe's packages and install them into the directory ``tree``; ``work`` is for what that takes."""
    machine = plan.machine_mirrors(run(Command(plan.MACHINE_SOURCES)))
    sources = plan.choose_sources(recipe, mirror, machine)
    links = work / "kernel-img.conf"
    links.write_text(plan.KERNEL_LINKS)
    keyring = find_keyring(recipe.keyring, sources[0].mirror, work)
    places = plan.Places(str(tree), str(links), str(keyring))
    environment = {"TMPDIR": str(_directory(work / "tmp"))}
    run(Command(plan.mmdebstrap_argv(recipe, sources, places), env=environment))


def find_keyring(keyring: Keyring, mirror: str, work: Path) -> Path:
    """Give the archive's keys: this machine's own copy, or else the one from the archive's mirror."""
    path = Path(keyring.path)
    if path.exists():
        return path
    directory = _directory(work / "keyring")
    for argv in plan.keyring_argvs(keyring, mirror, str(work / "keyring.deb"), str(directory)):
        run(Command(argv))
    return directory / path.relative_to("/")


@contextmanager
def _part(progress: Progress, text: str) -> Iterator[None]:
    progress(Part(text))
    begun = time.monotonic()
    yield
    progress(Part(text, time.monotonic() - begun))


@contextmanager
def _sigterm_as_ctrl_c() -> Iterator[None]:
    """Undo things on SIGTERM too: the programs that we started have sessions of their own and would go on."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _scratch(output: Path) -> Iterator[Path]:
    """Give a directory on ``output``'s file system; it is gone afterwards, whatever happened."""
    work = Path(tempfile.mkdtemp(prefix=f".{output.name}.", dir=output.parent.resolve()))
    try:
        work.chmod(0o755)  # apt's own user reads below it
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _directory(path: Path) -> Path:
    path.mkdir()
    return path


def _publish(result: Path, output: Path) -> int:
    """Put the finished file in its place in one step and give its size."""
    result.chmod(0o644)
    with result.open("rb") as file:
        os.fsync(file.fileno())
    result.replace(output)
    return output.stat().st_size
