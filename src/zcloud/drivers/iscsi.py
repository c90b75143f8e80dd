"""An iSCSI target as QEMU itself reaches it (libiscsi): its LUNs looked at, read, written and zeroed by qemu-img.

Nothing is logged in on the host. The CHAP password lies in a file of root's, whose name qemu-img is told. Sources:
qemu-block-drivers(7), qemu-img(1), QEMU's ``BlockdevOptionsIscsi``; names of nodes: RFC 3720, 3.2.6.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from zcloud.base.ids import new_id
from zcloud.domain.errors import StorageFailed, ToolMissing
from zcloud.domain.plug import DiskFormat, DiskKind, DiskSource, NetworkDisk
from zcloud.drivers.qemu_img import convert_argv, info_argv, key_name, key_words, parse_info
from zcloud.ports import Shell

PORT = 3260
IQN = r"iqn\.[0-9]{4}-[0-9]{2}\.[a-z0-9.-]{1,100}(:[A-Za-z0-9.:_-]{1,100})?"
HOST = r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}|\[[0-9A-Fa-f:.]{2,45}\]"
SLOW_S = 6 * 3600.0

_QUICK_S, _SILENT_S = 45.0, 20
_SCRAP = "io."  # what is on its way to or from a LUN


@dataclass(frozen=True, slots=True)
class Login:
    """Where a target is and who signs in: ``user`` empty means nobody; ``key_file`` has the password on the host."""

    host: str
    port: int
    target: str
    initiator: str
    user: str
    secret: str  # the uuid of libvirt's
    key_file: str


class Target:
    """A target's LUNs, of which a part from their beginning may be a disk; ``directory`` is ours on the host."""

    def __init__(self, shell: Shell, login: Login, directory: str) -> None:
        self.name = login.target
        self._shell, self._login, self._directory = shell, login, directory

    def source(self, volume_id: str, lun: int | str, size: int = 0, start: int = 0) -> DiskSource:
        """Give a LUN, or ``size`` bytes of it, as a disk; a name that is no number leads nowhere."""
        login = self._login
        network = NetworkDisk(
            protocol="iscsi",
            hosts=((login.host.strip("[]"), login.port),),
            tool=self._tool(lun, size, start),
            user=login.user,
            secret=login.secret if login.user else "",
            secret_kind="iscsi",  # noqa: S106 - a kind of secret
            initiator=login.initiator,
            size=size,
            key_file=login.key_file if login.user else "",
        )
        path = f"{self.name}/{lun}"
        return DiskSource(volume_id=volume_id, path=path, format=DiskFormat.RAW, kind=DiskKind.NETWORK, network=network)

    def room(self, lun: int) -> int | None:
        """Give the bytes of a LUN, or None where the target has none of that number; raises StorageFailed."""
        whole = self.source("", lun)
        argv = info_argv(whole.image, whole.format)
        done = self._shell.run([*argv[:2], *key_words(whole), *argv[2:]], timeout_s=_QUICK_S, check=False)
        if done.code == 0:
            return parse_info(done.stdout).size
        if b"LOGICAL_UNIT_NOT_SUPPORTED" in done.stderr:
            return None
        raise self._failed(done.stderr.decode(errors="replace"))

    def read(self, lun: int, start: int, size: int) -> bytes:
        """Give some bytes of a LUN, at most 1 MiB."""
        file = self._scrap()
        try:
            self.copy(self.source("", lun, size, start), file, fresh=True)
            return self._shell.read_file(file.path, limit=size)
        finally:
            self._shell.remove(file.path)

    def write(self, lun: int, start: int, data: bytes) -> None:
        """Write some bytes to a LUN; they are there for good when it returns."""
        file = self._scrap()
        try:
            self._shell.write_file(file.path, data)
            self.copy(file, self.source("", lun, len(data), start))
        finally:
            self._shell.remove(file.path)

    def zero(self, lun: int, start: int, size: int) -> None:
        """Zero a part of a LUN, by the storage itself where it can."""
        if size > 0:
            nothing = {"driver": "raw", "file": {"driver": "null-co", "size": size, "read-zeroes": True}}
            zeros = DiskSource(volume_id="", path=_named(nothing), format=DiskFormat.RAW)
            self.copy(zeros, self.source("", lun, size, start), timeout_s=SLOW_S)

    def copy(self, source: DiskSource, target: DiskSource, *, fresh: bool = False, timeout_s: float = _QUICK_S) -> None:
        """Copy a disk into one that is there, or into a fresh file; raises StorageFailed."""
        argv = [word for word in convert_argv(source, target) if not (fresh and word == "-n")]
        done = self._shell.run(argv, timeout_s=timeout_s, check=False)
        if done.code:
            raise self._failed(done.stderr.decode(errors="replace"))

    def scraps(self, names: list[str]) -> list[str]:
        """Give the paths of those files in our directory that somebody who was stopped left."""
        return [f"{self._directory}/{name}" for name in names if name.startswith(_SCRAP)]

    def _scrap(self) -> DiskSource:
        return DiskSource(
            volume_id="", path=f"{self._directory}/{_SCRAP}{new_id()[:8]}", format=DiskFormat.RAW, kind=DiskKind.FILE
        )

    def _tool(self, lun: int | str, size: int, start: int) -> str:
        login = self._login
        file = {
            "driver": "iscsi",
            "transport": "tcp",
            "portal": f"{login.host}:{login.port}",
            "target": login.target,
            "lun": lun,
            "timeout": _SILENT_S,
            "initiator-name": login.initiator,
        }
        if login.user:
            file |= {"user": login.user, "password-secret": key_name(login.secret)}
        part = {"offset": start, "size": size} if size else {}
        return _named({"driver": "raw", **part, "file": file})

    def _failed(self, text: str) -> StorageFailed | ToolMissing:
        said = text.strip().rpartition("}': ")[2].replace("\n", " ")[-300:]
        if "Unknown driver 'iscsi'" in text or "Unknown protocol 'iscsi'" in text:
            return ToolMissing("QEMU on the host has no iSCSI.", hint="Install qemu-block-extra.")
        if "log in to target" in text:
            return StorageFailed(
                f"The target {self.name} does not let the host in: {said}",
                hint="Look at the pool's user and password, and whom the target allows by the initiator's name.",
            )
        return StorageFailed(
            f"The target {self.name} at {self._login.host}:{self._login.port}: {said}",
            hint="On the host try: iscsi-ls -s iscsi://HOST:PORT/ (libiscsi-bin), with the user and password there.",
        )


def _named(options: Mapping[str, object]) -> str:
    """Give the name by which qemu-img takes the options of an image."""
    return f"json:{json.dumps(options, separators=(',', ':'))}"
