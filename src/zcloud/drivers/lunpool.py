"""A pool's own LUNs of an iSCSI target: what a host needs for them, and how one is taken and written to."""

from __future__ import annotations

import contextlib
import re

from zcloud.domain.driver import Option, OptionType, check_options
from zcloud.domain.errors import InvalidInput, NotFound, StorageFailed, ZcloudError
from zcloud.domain.plug import DiskSource
from zcloud.domain.storage import Pool
from zcloud.drivers import qemu_img
from zcloud.drivers.fileartifacts import FileArtifacts
from zcloud.drivers.iscsi import HOST, IQN, PORT, SLOW_S, Login, Target
from zcloud.drivers.lunlist import MOST, Entry, LunList
from zcloud.ports import HostLink

DIRECTORY = "/var/lib/libvirt/images"
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

_NOWHERE = "absent"

OPTIONS = (
    Option(
        "portal",
        OptionType.TEXT,
        "The storage's address, with a port or without: `192.0.2.9`, `[2001:db8::9]:3260`.",
        pattern=rf"({HOST})(:[0-9]{{1,5}})?",
    ),
    Option("target", OptionType.TEXT, "The target's name, an IQN.", pattern=IQN),
    Option(
        "luns",
        OptionType.TEXT,
        f"The first and the last LUN of the pool's own, at most {MOST}: `1-16`. The first (1 MiB or more, all zeros) "
        "gets the list of what the others are taken for; what is on those is lost. An absent one can be made later.",
        pattern=r"[0-9]{1,3}-[0-9]{1,3}",
    ),
    Option(
        "initiator",
        OptionType.TEXT,
        "As whom the target sees all hosts, an IQN.",
        "iqn.2026-01.zcloud:pool",
        pattern=IQN,
    ),
    Option(
        "user",
        OptionType.TEXT,
        "Who signs in by CHAP; empty where the target asks nobody.",
        "",
        pattern=r"([A-Za-z0-9._:@-]{1,128})?",
    ),
    Option("password", OptionType.SECRET, "The user's password.", ""),
)


class OwnLuns(FileArtifacts):
    """What a host needs for the pool, and how LUNs are taken."""

    def __init__(self, pool: Pool, link: HostLink) -> None:
        options = check_options(OPTIONS, {**pool.options, **pool.secrets})
        super().__init__(pool, link, f"{DIRECTORY}/zcloud-{pool.id}")
        self._id, self._user, self._password = pool.id, str(options["user"]), str(options["password"])
        self._key_file = f"{self.path}/chap"
        host, port = parse_portal(options["portal"])
        login = Login(host, port, options["target"], options["initiator"], self._user, pool.id, self._key_file)
        self._target = Target(link.shell, login, self.path)
        self._list = LunList(self._target, parse_luns(options["luns"]))

    def join(self) -> bool:
        """Have the password's file and libvirt's secret; gives whether anything had to be made."""
        if bool(self._user) != bool(self._password):
            raise InvalidInput("By CHAP a user signs in with a password: give both, or none.", field="password")
        key = self._password.encode()
        if self._files.is_ours() and (not key or (self._has(key) and self._hypervisor.has_secret(self._id))):
            return False
        self._files.ensure()
        if key:
            self._shell.remove(self._key_file)  # once it is there, the secret has its value
            self._hypervisor.keep_secret(self._id, "iscsi", f"zcloud pool {self._id}", key)
            self._shell.write_file(self._key_file, key, mode=0o600)
        return True

    def leave(self) -> None:
        """Remove them; raises InUse where guests' files are left."""
        self._hypervisor.drop_secret(self._id)
        uploads = [self._files.at(f"base/{name}") for name in self._files.entries("base") or []]  # of killed workers
        self._shell.remove(self._key_file, *self._target.scraps(self._files.entries() or []), *uploads)
        self._files.dissolve()

    def _source(self, volume_id: str, name: str, *, whole: bool) -> DiskSource:
        """Look in the list where something is; of what is not there, give a name that leads nowhere."""
        found = self._list.find(name)
        if found is None or found[1].whole is not whole:
            return self._target.source(volume_id, f"{_NOWHERE}-{volume_id}")
        return self._target.source(volume_id, found[0], found[1].size)

    def _prepare(self, name: str, size: int) -> tuple[int, Entry]:
        """Have a LUN with a part of ``size`` bytes that is yet to be written."""
        lun, entry = self._list.take(name, size)
        if entry.whole or entry.room < size:
            raise StorageFailed(f"The LUN {lun} was taken for {name} with {entry.size} bytes, not {size}.")
        return lun, entry if entry.size == size else self._list.keep(lun, Entry(name, size, entry.room))

    def _finish(self, lun: int, entry: Entry, name: str, size: int) -> None:
        self._list.keep(lun, Entry(name, size, entry.room, whole=True))

    def _make(self, part: str, size: int, origin: DiskSource | None, name: str) -> DiskSource:
        """Take a LUN under one name, write to it, and give it its own name; on an error it is given back."""
        try:
            lun, entry = self._prepare(part, size)
            written = self._copied(origin, lun, size) if origin else 0
            self._target.zero(lun, written, size - written)
        except ZcloudError:
            with contextlib.suppress(ZcloudError):
                self._list.give_back(part)
            raise
        self._finish(lun, entry, name, size)
        return self._target.source(name, lun, size)

    def _copied(self, origin: DiskSource, lun: int, size: int) -> int:
        """Write another disk's bytes to the beginning of a LUN, and give how many they were."""
        if origin.path.startswith(f"{self._target.name}/{_NOWHERE}"):
            raise StorageFailed(f"What a volume of the pool {self.name} is to be a copy of is not there.")
        argv = qemu_img.info_argv(origin.image, origin.format)
        argv = [*argv[:2], *qemu_img.key_words(origin), *argv[2:]]
        bytes_ = qemu_img.parse_info(self._shell.run(argv).stdout).size
        self._target.copy(origin, self._target.source("", lun, size), timeout_s=SLOW_S)
        return bytes_

    def _has(self, key: bytes) -> bool:
        try:
            return self._shell.read_file(self._key_file) == key
        except NotFound:
            return False


def parse_portal(text: str) -> tuple[str, int]:
    """Give a portal's address (IPv6 in brackets) and port; raises InvalidInput."""
    match = re.fullmatch(rf"({HOST})(?::([0-9]{{1,5}}))?", text)
    port = int(match[2] or PORT) if match else 0
    if match is None or not 0 < port < 65536:
        raise InvalidInput(f"The option 'portal' cannot be {text[:80]!r}.", field="portal")
    return match[1], port


def parse_luns(text: str) -> tuple[int, ...]:
    """Give the LUNs of a range; raises InvalidInput where they are too few, too many, or beyond 255."""
    first, _, last = text.partition("-")
    luns = tuple(range(int(first), int(last) + 1))
    if not 2 <= len(luns) <= MOST or luns[-1] > 255:
        raise InvalidInput(f"The option 'luns' must be 2 to {MOST} LUNs, the last one 255 at most.", field="luns")
    return luns
