"""A GlusterFS pool: a volume of a Gluster cluster, mounted by its own client (FUSE) on every host that shares it.

A volume that keeps several copies goes on while a server is silent. Where no copy answers for ``network.ping-timeout``
(42 s), the client tells the guest of errors, as nothing is ``hard`` here. Sources: mount.glusterfs(8), and "Configuring
Volumes for virtual machines" (``group virt``) in Gluster's administrator guide.
"""

from __future__ import annotations

from typing import ClassVar

from zcloud.domain.driver import Option, OptionType, check_options
from zcloud.domain.storage import Pool
from zcloud.drivers.storage import filepool
from zcloud.drivers.storage.base import Feature, StorageInfo
from zcloud.drivers.storage.mounted import MountedPool
from zcloud.ports import HostLink

_SERVER = r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}"
_FIXED = "nosuid,nodev,noexec,log-level=WARNING"  # nothing on it is run or is a device


class GlusterPool(MountedPool):
    """A volume of a Gluster cluster."""

    INFO: ClassVar = StorageInfo(
        kind="gluster",
        title="GlusterFS",
        doc="Volumes are files in a volume of a Gluster cluster; every host mounts it.",
        features=filepool.FEATURES | {Feature.SHARED},
        place=("server", "volume"),
        growth="Add bricks to its Gluster volume (`gluster volume add-brick`); `zcloud pool refresh` sees it.",
    )
    SQUASHED: ClassVar = "Let root be root there: gluster volume set VOLUME server.root-squash off"
    OPTIONS: ClassVar[tuple[Option, ...]] = (
        Option("server", OptionType.TEXT, "A server's name or address.", pattern=_SERVER),
        Option(
            "volume",
            OptionType.TEXT,
            "The Gluster volume, the pool's own, by the name that `gluster volume info` shows.",
            pattern=r"[A-Za-z0-9_-]{1,100}",
        ),
        Option(
            "more_servers",
            OptionType.TEXT,
            "Other servers of the cluster, with commas, that a host asks at the mount where the first does not answer.",
            "",
            pattern=rf"({_SERVER}(,{_SERVER}){{0,7}})?",
        ),
        *filepool.OPTIONS,
    )

    def __init__(self, pool: Pool, link: HostLink) -> None:
        super().__init__(pool, link)
        options = check_options(self.OPTIONS, pool.options)
        more = options["more_servers"].replace(",", ":")
        words = f"{_FIXED},backup-volfile-servers={more}" if more else _FIXED
        source = f"{options['server']}:/{options['volume']}"
        self._mount = ["mount", "-t", "glusterfs", "-o", words, "--", source, self.path]

    def _hint(self, words: str) -> str:
        if "unknown filesystem" in words or "helper program" in words or "bad option" in words:
            return "Install Gluster's client on the host: glusterfs-client (Debian, Ubuntu), glusterfs-fuse (Fedora)."
        server, _, volume = self.source.partition(":/")
        return (
            f"On {server} see `gluster volume status {volume}`; why not is told below /var/log/glusterfs on the host."
        )
