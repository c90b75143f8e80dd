"""An NFS pool: a directory that a server exports, mounted on every host that shares it (mount options: nfs(5)).

The mount is ``hard``: while the server is silent a guest's disk waits, and goes on where it was; a ``soft`` one would
tell the guest of errors, after which its file system is read-only or worse. zcloud's own commands have deadlines.
"""

from __future__ import annotations

import re
from typing import ClassVar

from zcloud.domain.driver import Option, OptionType, check_options
from zcloud.domain.errors import InvalidInput
from zcloud.domain.storage import Pool
from zcloud.drivers.storage import filepool
from zcloud.drivers.storage.base import Feature, StorageInfo
from zcloud.drivers.storage.mounted import MountedPool
from zcloud.ports import HostLink

# What another host has just made must be found; nothing on it is run or is a device.
_FIXED = "hard,retry=0,nosuid,nodev,noexec,lookupcache=positive"
_SERVER = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\]")
_EXPORT = re.compile(r"(/[A-Za-z0-9._+@-]{1,128}){1,16}|/")
_MORE = re.compile(
    r"((rsize|wsize|timeo|retrans|nconnect|port|acregmin|acregmax|acdirmin|acdirmax)=[0-9]{1,9}"
    r"|sec=(sys|krb5|krb5i|krb5p)|proto=(tcp|tcp6|rdma)|noatime|nordirplus)(,(?!$)|$)"
)


class NfsPool(MountedPool):
    """A directory of an NFS server."""

    INFO: ClassVar = StorageInfo(
        kind="nfs",
        title="NFS",
        doc="Volumes are files in a directory that an NFS server exports; every host mounts it.",
        features=filepool.FEATURES | {Feature.SHARED},
        place=("server", "export"),
        growth="Enlarge the file system on its server; `zcloud pool refresh` sees it.",
    )
    SQUASHED: ClassVar = "Export it to the hosts with no_root_squash: zcloud and libvirt own the files there as root."
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
        mounted = ",".join(filter(None, (f"vers={options['version']}", _FIXED, more)))
        self._mount = ["mount", "-t", "nfs", "-o", mounted, "--", f"{server}:{export}", self.path]

    def _hint(self, words: str) -> str:
        if "helper program" in words or "bad option" in words:
            return "Install the NFS client on the host: nfs-common (Debian, Ubuntu), nfs-utils (Fedora and its kin)."
        server, _, export = self.source.rpartition(":")
        return f"On the server see `exportfs -v` for {export}; on the host try: showmount -e {server}"
