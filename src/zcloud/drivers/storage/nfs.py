"""An NFS pool: a directory that a server exports, mounted on every host that shares it (mount options: nfs(5)).

The mount is ``hard``: while the server is silent a guest's disk waits, and goes on where it was; a ``soft`` one would
tell the guest of errors, after which its file system is read-only or worse. zcloud's own commands have deadlines.
"""

from __future__ import annotations

import re
from typing import ClassVar

from zcloud.domain.driver import Option, OptionType, check_options
from zcloud.domain.errors import CommandFailed, InUse, InvalidInput, PoolUnusable, StorageFailed
from zcloud.domain.storage import MOUNTS, Pool
from zcloud.drivers.storage import filepool
from zcloud.drivers.storage.base import Feature, Options, StorageInfo
from zcloud.ports import HostLink

# What another host has just made must be found; nothing on it is run or is a device.
_FIXED = "hard,retry=0,nosuid,nodev,noexec,lookupcache=positive"
_SERVER = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\]")
_EXPORT = re.compile(r"(/[A-Za-z0-9._+@-]{1,128}){1,16}|/")
_MORE = re.compile(
    r"((rsize|wsize|timeo|retrans|nconnect|port|acregmin|acregmax|acdirmin|acdirmax)=[0-9]{1,9}"
    r"|sec=(sys|krb5|krb5i|krb5p)|proto=(tcp|tcp6|rdma)|noatime|nordirplus)(,(?!$)|$)"
)
_MOUNT_S = 25.0
_SQUASHED = "Export it to the hosts with no_root_squash: zcloud and libvirt own the files there as root."


class NfsPool(filepool.FilePool):
    """A directory of an NFS server."""

    INFO: ClassVar = StorageInfo(
        kind="nfs",
        title="NFS",
        doc="Volumes are files in a directory that an NFS server exports; every host mounts it.",
        features=filepool.FEATURES | {Feature.SHARED},
        place=("server", "export"),
        growth="Enlarge the file system on its server; `zcloud pool refresh` sees it.",
    )
    OPTIONS: ClassVar[tuple[Option, ...]] = (
        Option("server", OptionType.TEXT, "The server's name or address (IPv6 in brackets)."),
        Option("export", OptionType.PATH, "The directory that it exports, the pool's own."),
        Option("version", OptionType.CHOICE, "The version of NFS.", "4.2", ("4.2", "4.1", "4.0")),
        Option(
            "mount_options",
            OptionType.TEXT,
            "More options of the mount, with commas: rsize, wsize, timeo, retrans, nconnect, port, sec, proto, "
            "noatime, nordirplus and the times of the attributes' cache. It is always hard.",
            "",
        ),
        *filepool.OPTIONS,
    )

    def __init__(self, pool: Pool, link: HostLink) -> None:
        super().__init__(pool, link)
        options = check_options(self.OPTIONS, pool.options)
        server, export, more = options["server"], options["export"].rstrip("/") or "/", options["mount_options"]
        for name, pattern, value in (("server", _SERVER, server), ("export", _EXPORT, export)):
            if not pattern.fullmatch(value):
                raise InvalidInput(f"The option {name!r} cannot be {value[:80]!r}.", field=name)
        if not re.fullmatch(f"({_MORE.pattern})*", more):
            raise InvalidInput(f"These options of a mount are not allowed: {more[:80]!r}.", field="mount_options")
        self._source = f"{server}:{export}"
        self._options = ",".join(filter(None, (f"vers={options['version']}", _FIXED, more)))

    @staticmethod
    def place(pool: Pool, options: Options) -> str:
        """Give where it is mounted."""
        del options
        return f"{MOUNTS}/{pool.id}"

    def join(self) -> bool:
        """Mount it; raises StorageFailed with mount's own words, ToolMissing, InUse."""
        there = self._mounted()
        if there == self._source:
            return False
        if there:
            raise InUse(f"{there} is mounted at {self.path}, not {self._source}.", hint=f"Run: umount {self.path}")
        self._shell.run_all([["mkdir", "-p", "-m", "0711", "--", each] for each in (MOUNTS, self.path)])
        mount = ["mount", "-t", "nfs", "-o", self._options, "--", self._source, self.path]
        done = self._shell.run(mount, timeout_s=_MOUNT_S, check=False)
        if done.code:
            words = done.stderr.decode(errors="replace").strip()[-500:] or f"mount ended with {done.code}"
            raise StorageFailed(f"{self._source} cannot be mounted: {words}", hint=_hint(words, self._source))
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
            raise PoolUnusable(f"{self._source} maps root to another user.", hint=_SQUASHED)

    def ensure_pool(self) -> None:
        """Make what is below the mount; raises PoolUnusable where root may not."""
        try:
            super().ensure_pool()
        except CommandFailed as error:
            if "Permission denied" in error.message or "Operation not permitted" in error.message:
                raise PoolUnusable(f"root may not write to {self._source}.", hint=_SQUASHED) from error
            raise

    def _mounted(self) -> str:
        """Give what is mounted at the pool's place, without touching it; empty where nothing is."""
        found = ""
        for line in self._shell.run(["cat", "--", "/proc/mounts"]).stdout.decode(errors="replace").splitlines():
            source, place, *_ = line.split(" ")
            found = source if place == self.path else found
        return found


def _hint(words: str, source: str) -> str:
    if "helper program" in words or "bad option" in words:
        return "Install the NFS client on the host: nfs-common (Debian, Ubuntu), nfs-utils (Fedora and its kin)."
    server, _, export = source.rpartition(":")
    return f"On the server see `exportfs -v` for {export}; on the host try: showmount -e {server}"
