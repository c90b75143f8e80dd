"""What every pool of files has in common that is mounted on each host that shares it, wherever it comes from."""

from __future__ import annotations

from typing import ClassVar

from zcloud.domain.errors import CommandFailed, InUse, PoolUnusable, StorageFailed
from zcloud.domain.storage import MOUNTS, Pool
from zcloud.drivers.storage import filepool
from zcloud.drivers.storage.base import Options

_MOUNT_S = 25.0


class MountedPool(filepool.FilePool):
    """A pool of files on a server; ``SQUASHED`` says what to do where it does not let root be root."""

    SQUASHED: ClassVar[str]
    _mount: list[str]  # the command; its last words are what is mounted, and where

    @staticmethod
    def place(pool: Pool, options: Options) -> str:
        """Give where it is mounted."""
        del options
        return f"{MOUNTS}/{pool.id}"

    def join(self) -> bool:
        """Mount it; raises StorageFailed with mount's own words, ToolMissing, InUse."""
        there = self._mounted()
        if there == self.source:
            return False
        if there:
            raise InUse(f"{there} is mounted at {self.path}, not {self.source}.", hint=f"Run: umount {self.path}")
        self._shell.run_all([["mkdir", "-p", "-m", "0711", "--", each] for each in (MOUNTS, self.path)])
        done = self._shell.run(self._mount, timeout_s=_MOUNT_S, check=False)
        if done.code:
            if self._mounted() == self.source:  # another operation was faster
                return False
            words = done.stderr.decode(errors="replace").strip()[-500:] or f"mount ended with {done.code}"
            raise StorageFailed(f"{self.source} cannot be mounted: {words}", hint=self._hint(words))
        return True

    def leave(self) -> None:
        """Unmount it, and remove the place."""
        if self._mounted():
            try:
                self._shell.run(["umount", "--", self.path], timeout_s=_MOUNT_S)
            except CommandFailed as error:
                raise InUse(f"{self.path} cannot be unmounted: {error.message}", hint="See who uses it.") from error
        self._shell.run(["rmdir", "--", self.path], check=False)

    def check(self) -> None:
        """Check also that the server lets root be root."""
        super().check()
        owner = self._shell.run(["stat", "-c", "%u", "--", self._files.marker], check=False)
        if owner.code == 0 and owner.stdout.strip() != b"0":
            raise PoolUnusable(f"{self.source} maps root to another user.", hint=self.SQUASHED)

    def ensure_pool(self) -> None:
        """Make what is below the mount; raises PoolUnusable where root may not."""
        try:
            super().ensure_pool()
        except CommandFailed as error:
            if "Permission denied" in error.message or "Operation not permitted" in error.message:
                raise PoolUnusable(f"root may not write to {self.source}.", hint=self.SQUASHED) from error
            raise

    @property
    def source(self) -> str:
        """Give what is mounted: the server, and what of it."""
        return self._mount[-2]

    def _hint(self, words: str) -> str:
        """Say what to do where it could not be mounted."""
        raise NotImplementedError

    def _mounted(self) -> str:
        """Give what is mounted at the pool's place, without touching it; empty where nothing is."""
        found = ""
        for line in self._shell.run(["cat", "--", "/proc/mounts"]).stdout.decode(errors="replace").splitlines():
            source, place, *_ = line.split(" ")
            found = source if place == self.path else found
        return found
