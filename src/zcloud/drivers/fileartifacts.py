"""What every pool whose volumes are files has alike: its directory, its room, and small files beside the volumes."""

from __future__ import annotations

import contextlib
import re
from functools import cached_property

from zcloud.domain.errors import CommandFailed, InvalidInput, NotFound, PoolCannot, PoolFull
from zcloud.domain.storage import Pool
from zcloud.drivers import passage
from zcloud.drivers.poolfiles import PoolFiles
from zcloud.ports import HostLink

FULL = "No space left on device"
_ARTIFACT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


class FileArtifacts:
    """A pool in a directory, as far as it does not matter what its volumes are."""

    def __init__(self, pool: Pool, link: HostLink, path: str) -> None:
        self.name, self.path = pool.name, path
        self._shell, self._hypervisor = link.shell, link.hypervisor
        self._files = PoolFiles(link.shell, path, pool.id)

    def join(self) -> bool:
        """What a pool of one host needs is there already."""
        return False

    def leave(self) -> None:
        """Nothing was made by ``join``."""

    def grow_pool(self, size: int) -> None:
        """Refuse: most pools are as large as what they lie in."""
        raise PoolCannot(f"The pool {self.name} cannot be made {size} bytes large by zcloud.")

    def full(self, what: str) -> PoolFull:
        """Give the refusal of a pool without room, with what it still has."""
        available = 0
        with contextlib.suppress(NotFound, CommandFailed):
            available = self._shell.space(self.path).available
        return PoolFull(
            f"The pool {self.name} has no room for {what}: {available} bytes are free in {self.path}.",
            hint="Delete volumes or images that nobody needs, or enlarge the file system.",
            pool=self.name,
            available=available,
        )

    def ensure_artifact(self, name: str, data: bytes) -> str:
        """Keep a small file that only QEMU's user and root can read; gives its path."""
        path = self.artifact_path(name)
        try:
            self._shell.write_file(path, data, mode=0o640, owner=f"{self._qemu.uid}:0")
        except CommandFailed as error:
            if FULL in error.message:
                raise self.full(f"the file {name}") from error
            raise
        return path

    def artifact_path(self, name: str) -> str:
        """Give an artifact's path, without looking."""
        return self._files.at(f"artifacts/{checked(_ARTIFACT, name)}")

    def copy_artifact(self, name: str, copy: str) -> None:
        """Copy the file with its owner; where it is absent, remove the copy."""
        source, target = f"artifacts/{checked(_ARTIFACT, name)}", f"artifacts/{checked(_ARTIFACT, copy)}"
        if self._files.size(source) is None:
            self._files.remove(target)
            return
        copying = ["cp", "-T", "-f", "-p", "--", self._files.at(source), self._files.part(target)]
        self._shell.run_all([copying, self._files.settling(target)])

    def delete_artifact(self, name: str) -> None:
        """Remove an artifact; absent is fine."""
        self._shell.remove(self.artifact_path(name))

    def list_artifacts(self) -> list[str]:
        """Give the names of the artifacts that are there."""
        return sorted(name for name in self._files.entries("artifacts") or () if _ARTIFACT.fullmatch(name))

    @cached_property
    def _qemu(self) -> passage.Identity:
        return passage.qemu_identity(self._hypervisor.capabilities_xml())


def checked(pattern: re.Pattern[str], value: str) -> str:
    """Give a value that may become part of a path; raises InvalidInput."""
    if not pattern.fullmatch(value):
        raise InvalidInput(f"{value[:80]!r} cannot be the name of a file in a pool.")
    return value
