"""A directory cache whose entries appear whole or not at all."""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

DEFAULT_CACHE = Path("/var/cache/zcloud")


def cached(entry: Path, fill: Callable[[Path], None]) -> Path:
    """Give the directory ``entry``, made by ``fill(directory)`` if it is not there yet.

    Two processes that want the same entry at once make it once; a build that fails or is killed
    leaves no entry behind.
    """
    if entry.exists():
        return entry
    entry.parent.mkdir(parents=True, exist_ok=True)
    with (entry.parent / f".{entry.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if entry.exists():
            return entry
        building = Path(tempfile.mkdtemp(prefix=".building-", dir=entry.parent))
        try:
            fill(building)
            # The hypervisor's own user must be able to read what is cached.
            building.chmod(0o755)
            building.rename(entry)
        except BaseException:
            shutil.rmtree(building, ignore_errors=True)
            raise
    return entry
