"""Files of a backup on this machine: written whole or not at all, kept, and forgotten in order."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

_NAME = re.compile(r"zcloud-\d{8}T\d{6}Z\.backup")


@contextmanager
def written_whole(path: Path) -> Iterator[BinaryIO]:
    """Give a file that has its name only when the block has ended well: for its owner only, and on disk."""
    part = path.with_name(f".{path.name}.part")
    with suppress(FileNotFoundError):
        part.unlink()  # of a run that was killed
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Have the names in a directory on disk."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def name_at(time: datetime) -> str:
    """Give the name of a backup that is made by itself."""
    return f"zcloud-{time.astimezone(UTC):%Y%m%dT%H%M%SZ}.backup"


def made_by_itself(directory: Path) -> list[Path]:
    """Give the backups in a directory that have such a name, oldest first."""
    return sorted(path for path in directory.glob("zcloud-*.backup") if _NAME.fullmatch(path.name))


def keep_newest(directory: Path, keep: int) -> list[Path]:
    """Remove all but the newest backups that were made by themselves; gives what was removed."""
    old = made_by_itself(directory)[: -max(keep, 1)]
    for path in old:
        path.unlink(missing_ok=True)
    return old
