"""Putting restored files in place so that a kill leaves either none of them or, at the next start, all.

Everything is written below ``.restoring`` first. With the plan of its moves it is decided: from then on whoever starts
goes on with the moves. Without a plan it never happened. Where the store is PostgreSQL, its commit decides as well: a
plan whose store was not filled is forgotten.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from zcloud.backup.files import sync_directory, written_whole
from zcloud.domain.errors import ServerRunning

_STAGE, _PLAN, _LOCK = ".restoring", "plan.json", ".lock"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is moved where: ``aside`` first, then ``moves``; all paths absolute. ``id`` is in the filled store."""

    id: str
    asks_store: bool
    aside: Mapping[str, str]
    moves: Mapping[str, str]


class Stage:
    """The directory in which a restore is prepared."""

    def __init__(self, data_dir: Path) -> None:
        self.root = data_dir / _STAGE

    def begin(self) -> None:
        """Make it, empty."""
        if self.root.exists():
            shutil.rmtree(self.root)
        self.root.mkdir(mode=0o700)

    def write(self, name: str, chunks: Iterator[bytes]) -> Path:
        """Write a file below it, for its owner only."""
        path = self.root / name
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        with written_whole(path) as file:
            for chunk in chunks:
                file.write(chunk)
        return path

    def decide(self, plan: Plan) -> None:
        """Write the plan: from here on the restore will be finished by whoever starts next."""
        for directory, _, _ in os.walk(self.root):
            sync_directory(Path(directory))
        with written_whole(self.root / _PLAN) as file:
            file.write(json.dumps(asdict(plan)).encode())

    def finish(self, is_filled: Callable[[str], bool]) -> bool:
        """Go on with a restore that was decided, or forget one that was not; gives whether there was one to finish."""
        if not self.root.is_dir():
            return False
        plan = self._read()
        decided = plan is not None and (not plan.asks_store or is_filled(plan.id))
        if plan is not None and decided:
            for moves in (plan.aside, plan.moves):
                for source, target in moves.items():
                    _move(Path(source), Path(target))
        shutil.rmtree(self.root)
        return decided

    def _read(self) -> Plan | None:
        try:
            return Plan(**json.loads((self.root / _PLAN).read_text()))
        except FileNotFoundError:
            return None


def _move(source: Path, target: Path) -> None:
    """Move what is not moved yet."""
    if source.exists():
        target.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        try:
            os.rename(source, target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            _carry(source, target)
        sync_directory(target.parent)
        sync_directory(source.parent)


def _carry(source: Path, target: Path) -> None:
    """Move a file to another file system; a kill leaves it at its source."""
    with source.open("rb") as read, written_whole(target) as file:
        shutil.copyfileobj(read, file, 1 << 20)
    source.unlink()


@contextmanager
def data_in_use(data_dir: Path, *, alone: bool) -> Iterator[None]:
    """Hold the data directory, together with others or ``alone``; raises ServerRunning. A kill lets go of it."""
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o750)
    fd = os.open(data_dir / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(fd, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError as error:
            what = "A server works on" if alone else "A restore is filling"
            raise ServerRunning(f"{what} {data_dir} right now.") from error
        yield
    finally:
        os.close(fd)
