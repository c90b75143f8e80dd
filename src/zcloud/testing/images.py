"""Built images for tests: made once, kept, and made anew when what they are made from changes."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import zcloud.imagebuild
from zcloud.imagebuild.build import Progress, build_image, find_recipe

CACHE_VARIABLE = "ZCLOUD_TEST_CACHE"
_DEFAULT_CACHE = Path("/var/cache/zcloud/test")


def cache_directory() -> Path:
    """Give (and make) the directory that test runs share; ``ZCLOUD_TEST_CACHE`` names another one."""
    directory = Path(os.environ.get(CACHE_VARIABLE) or _DEFAULT_CACHE)
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def built_image(name: str, progress: Progress = lambda _: None) -> Path:
    """Give the image of the recipe ``name``, building it unless the cache has it (about a minute).

    Processes that ask at once wait for one build. Raises what ``build_image`` raises.
    """
    return _kept(name, lambda path: build_image(find_recipe(name), path, progress=progress))


def keep_image(name: str, built: Path) -> None:
    """Keep a copy of what the recipe ``name`` was built into elsewhere, so that nobody builds it again."""

    def copy(path: Path) -> None:
        part = path.with_suffix(".part")
        shutil.copyfile(built, part)
        part.replace(path)

    _kept(name, copy)


def _kept(name: str, make: Callable[[Path], object]) -> Path:
    directory = cache_directory()
    path = directory / f"{name}-{_fingerprint()}.qcow2"
    with (directory / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            make(path)
            for stale in directory.glob(f"{name}-*.qcow2"):
                if stale != path:
                    stale.unlink()
    return path


def _fingerprint() -> str:
    digest = hashlib.sha256()
    for source in sorted(Path(zcloud.imagebuild.__path__[0]).glob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:12]
