"""A pool's own directory on a host, for every storage driver whose volumes are files.

A marker file names the pool, so that a foreign directory is never taken or removed; files are made under a temporary
name and renamed when they are whole.
"""

from __future__ import annotations

import json
import posixpath
import re
from typing import Any

from zcloud.domain.errors import CommandFailed, InUse, NotFound
from zcloud.ports import Completed, Shell

PARTS = ("base", "volumes", "artifacts")

_MARKER = "zcloud-pool"
_MODE = "0711"  # QEMU's user passes through, nobody lists
_ABSENT = b"No such file or directory"
_IGNORED = {"lost+found"}  # a fresh file system has it


class PoolFiles:
    """The files below ``root``; names are relative to it and made by drivers from checked ids only."""

    def __init__(self, shell: Shell, root: str, pool_id: str) -> None:
        self._shell = shell
        self._root = root
        self._pool_id = pool_id

    @property
    def marker(self) -> str:
        """The path of the file that says whose directory it is."""
        return self.at(_MARKER)

    def at(self, name: str) -> str:
        """Give the path of a name."""
        return posixpath.join(self._root, name)

    def part(self, name: str) -> str:
        """Give the path under which the file is made."""
        directory, last = posixpath.split(self.at(name))
        return f"{directory}/.{last}.part"

    def settling(self, name: str) -> list[str]:
        """Give the command that gives a file that is whole its name."""
        return ["mv", "-f", "-T", "--", self.part(name), self.at(name)]

    def remove(self, name: str) -> None:
        """Remove a file, and what was half-made of it; absent is fine."""
        self._shell.remove(self.at(name), self.part(name))

    def size(self, name: str) -> int | None:
        """Give a file's apparent size in bytes, or None where there is no such file."""
        done = self._shell.run(["stat", "-c", "%s", "--", self.at(name)], check=False)
        return int(done.stdout) if _present(done) else None

    def entries(self, name: str = "") -> list[str] | None:
        """Give the names in a directory, or None where there is no such directory."""
        done = self._shell.run(["ls", "-A1", "--", self.at(name) if name else self._root], check=False)
        if not _present(done):
            return None
        return [entry for entry in done.stdout.decode(errors="replace").splitlines() if entry not in _IGNORED]

    def stems(self, name: str, pattern: re.Pattern[str]) -> list[tuple[str, int]]:
        """Give the files of a directory whose name before the last dot is one of ours, and the bytes they take."""
        found = []
        for facts in self._shell.list_files(self.at(name)):
            stem, dot, _ = posixpath.basename(facts.path).rpartition(".")
            if dot and pattern.fullmatch(stem):
                found.append((stem, facts.allocated))
        return sorted(found)

    def is_ours(self) -> bool:
        """Tell whether the directory is the pool's; False where it is absent or empty; raises InUse when foreign."""
        entries = self.entries()
        if not entries:
            return False
        if _MARKER not in entries:
            raise InUse(
                f"The directory {self._root} is not empty and not a pool of zcloud's.",
                hint="Choose a directory of its own for the pool.",
                path=self._root,
            )
        owner = self._marker().get("pool")
        if owner != self._pool_id:
            raise InUse(f"The directory {self._root} belongs to the pool {str(owner)[:60]}.", path=self._root)
        return True

    def ensure(self) -> None:
        """Make the directory and mark it; raises InUse where it is foreign."""
        if not self.is_ours():
            absent = self.entries() is None
            self._make(self._root)
            marker = json.dumps({"pool": self._pool_id, "made_directory": absent})
            self._shell.write_file(self.at(_MARKER), marker.encode() + b"\n", mode=0o644)
        for part in PARTS:
            self._make(self.at(part))

    def dissolve(self) -> None:
        """Remove directory and marker; raises InUse where anything is left. One that was there before us stays."""
        if not self.is_ours():
            return
        left = sorted(set(self.entries() or ()) - {_MARKER, *PARTS})
        left += [name for part in PARTS for name in self.entries(part) or ()]
        if left:
            raise InUse(f"The directory {self._root} is not empty: {', '.join(left)[:200]}.", path=self._root)
        made = self._marker().get("made_directory", False)
        for part in PARTS:
            if self.entries(part) is not None:
                self._shell.run(["rmdir", "--", self.at(part)])
        self._shell.remove(self.at(_MARKER))
        if made:
            self._shell.run(["rmdir", "--", self._root])

    def _make(self, path: str) -> None:
        self._shell.run(["mkdir", "-p", "-m", _MODE, "--", path])

    def _marker(self) -> dict[str, Any]:
        try:
            marker = json.loads(self._shell.read_file(self.at(_MARKER)))
        except (ValueError, NotFound):
            return {}
        return marker if isinstance(marker, dict) else {}


def _present(done: Completed) -> bool:
    """Tell whether a command found its file; raises CommandFailed for any other trouble."""
    if done.code == 0:
        return True
    if _ABSENT in done.stderr:
        return False
    raise CommandFailed(done.stderr.decode(errors="replace").strip()[:500] or f"The command ended with {done.code}.")
