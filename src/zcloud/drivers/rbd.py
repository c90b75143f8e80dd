"""The command line of Ceph's block devices, and its answers, for the driver of RBD pools.

Images are named by us (``hosts/commands.py`` knows the names); the exit code of ``rbd`` is an errno
(https://docs.ceph.com/en/pacific/man/8/rbd/). Clones are of the second form, whose parents can be deleted: what others
lie over is kept in the pool's trash (https://docs.ceph.com/en/pacific/rbd/rbd-snapshot/#layering).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from zcloud.domain.errors import CommandFailed, DeadlineExceeded, PoolFull, PoolUnusable, StorageFailed
from zcloud.ports import Completed, Shell

T = TypeVar("T")

ABSENT, BUSY, EXISTS, REFUSED, FULL, NO_ANSWER = 2, 16, 17, 13, 28, 110  # errno(3)
QUICK_S, SLOW_S = 45.0, 6 * 3600.0
_MEASURE_S = 15.0

_FELT = frozenset(  # https://docs.ceph.com/en/pacific/rados/operations/health-checks/
    {
        "MON_DOWN", "OSD_DOWN", "OSD_FULL", "OSD_BACKFILLFULL", "OSD_NEARFULL", "POOL_FULL", "SLOW_OPS",
        "OBJECT_UNFOUND", "PG_AVAILABILITY", "PG_DEGRADED", "PG_DEGRADED_FULL", "PG_RECOVERY_FULL", "PG_DAMAGED",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class RbdImage:
    """What Ceph knows of an image: its size in bytes, and the image that it lies over (empty: none)."""

    size: int
    parent: str = ""


def config_text(monitors: tuple[tuple[str, int], ...], keyring: str) -> str:
    """Give the configuration of a client that gives up where the cluster does not answer."""
    hosts = ",".join(f"{name}:{port}" for name, port in monitors)
    return (
        "# Made by zcloud.\n[global]\n"
        f"mon_host = {hosts}\nkeyring = {keyring}\n"
        "rbd_default_clone_format = 2\n"
        "client_mount_timeout = 10\nrados_mon_op_timeout = 20\nrados_osd_op_timeout = 30\n"
        "log_file =\nadmin_socket =\n"
    )


def keyring_text(user: str, key: str) -> str:
    """Give the keyring of a user."""
    return f"[client.{user}]\n\tkey = {key}\n"


class Rbd:
    """One pool of a cluster, as a user whose configuration lies on the host."""

    def __init__(self, shell: Shell, pool: str, user: str, config: str, pg_num: int = 32) -> None:
        self.pool = pool
        self._shell = shell
        self._hint = setup_hint(pool, user, pg_num)
        self._signed = ["--conf", config, "--id", user]

    def at(self, name: str) -> str:
        """Give an image's name with its pool."""
        return f"{self.pool}/{name}"

    # -- looking ---------------------------------------------------------------------------------

    def names(self) -> list[str]:
        """Give the images of the pool."""
        return _read(self.run(["ls", self.pool, "--format", "json"]), lambda found: [str(each) for each in found])

    def used(self) -> dict[str, int]:
        """Give the bytes that images take with their snapshots; empty where that takes too long to count."""
        try:
            answer = self.run(["du", "--pool", self.pool, "--format", "json"], timeout_s=_MEASURE_S)
        except (StorageFailed, DeadlineExceeded):
            return {}
        used: dict[str, int] = {}
        for each in _read(answer, lambda found: list(found["images"])):
            used[each["name"]] = used.get(each["name"], 0) + int(each["used_size"])
        return used

    def look(self, name: str) -> RbdImage | None:
        """Give what Ceph knows of an image, or None where there is none."""
        done = self._done(["info", self.at(name), "--format", "json"], QUICK_S)
        if done.code == ABSENT and b"opening pool" not in done.stderr:
            return None
        return _read(self._checked(done, "info"), lambda found: RbdImage(int(found["size"]), _parent(found)))

    def space(self) -> tuple[int, int]:
        """Give the bytes that the pool could hold in all and yet, copies reckoned in; of a new pool 0 for seconds."""
        answer = self._ask(["ceph", "df"])
        return _read(answer, lambda found: _space(found, self.pool))

    def trouble(self) -> str:
        """Give what the cluster warns of that guests or their data may feel; empty: nothing."""
        return _read(self._ask(["ceph", "health"]), _trouble)

    # -- changing --------------------------------------------------------------------------------

    def make(self, name: str, commands: list[list[str]]) -> None:
        """Have an image that several commands make under its temporary name, and give it its own."""
        part = f"part.{name}"
        batch = [["rbd", *words, *self._signed] for words in (*commands, ["rename", self.at(part), self.at(name)])]
        try:
            self._shell.run_all(batch, timeout_s=SLOW_S)
        except CommandFailed as error:
            self._raise(error)

    def create(self, name: str, size: int) -> list[str]:
        """Give what makes an empty image."""
        return ["create", self.at(name), "--size", f"{size}B"]

    def clone(self, name: str, snapshot: str, target: str) -> list[str]:
        """Give what makes an image over a snapshot of another one."""
        return ["clone", f"{self.at(name)}@{snapshot}", self.at(target)]

    def resize(self, name: str, size: int) -> list[str]:
        """Give what makes an image larger."""
        return ["resize", self.at(name), "--size", f"{size}B", "--no-progress"]

    def mark(self, name: str, snapshot: str) -> None:
        """Make a snapshot; there already is fine."""
        self.run(["snap", "create", f"{self.at(name)}@{snapshot}", "--no-progress"], fine=(EXISTS,))

    def forget(self, name: str, snapshot: str) -> None:
        """Remove a snapshot; absent is fine, and so are clones of it."""
        self.run(["snap", "rm", f"{self.at(name)}@{snapshot}", "--no-progress"], fine=(ABSENT,), timeout_s=SLOW_S)

    def drop(self, name: str) -> None:
        """Move an image to the trash, with its snapshots; absent is fine."""
        self.run(["snap", "purge", self.at(name), "--no-progress"], fine=(ABSENT,), timeout_s=SLOW_S)
        self.run(["trash", "mv", self.at(name)], fine=(ABSENT,))

    def empty_trash(self, ours: Callable[[str], bool]) -> None:
        """Remove from the trash what nothing lies over any more; the rest stays for the next time."""
        removed = kept = True
        while removed and kept:  # what was removed may have lain over what was kept
            found = _read(self.run(["trash", "ls", self.pool, "--format", "json"]), list)
            places = [f"{self.pool}/{each['id']}" for each in found if ours(str(each["name"]))]
            removing = [["rbd", "trash", "rm", each, "--no-progress", *self._signed] for each in places]
            codes = [self._shell.run(argv, timeout_s=SLOW_S, check=False).code for argv in removing]
            removed, kept = 0 in codes, any(codes)

    def run(self, words: list[str], *, fine: tuple[int, ...] = (), timeout_s: float = QUICK_S) -> bytes:
        """Run a verb and give what it prints; raises StorageFailed, PoolUnusable, PoolFull."""
        done = self._done(words, timeout_s)
        return b"" if done.code in fine else self._checked(done, words[0])

    # -- within ----------------------------------------------------------------------------------

    def _done(self, words: list[str], timeout_s: float) -> Completed:
        return self._shell.run(["rbd", *words, *self._signed], timeout_s=timeout_s, check=False)

    def _ask(self, words: list[str]) -> bytes:
        argv = [*words, "--format", "json", "--connect-timeout", "10", *self._signed]
        return self._checked(self._shell.run(argv, timeout_s=QUICK_S, check=False), words[1])

    def _checked(self, done: Completed, verb: str) -> bytes:
        if done.code:
            self._raise(CommandFailed(_words(done, verb), exit_code=done.code))
        return done.stdout

    def _raise(self, error: CommandFailed) -> None:
        text = error.message
        if "opening pool" in text:
            raise PoolUnusable(f"The Ceph cluster has no pool {self.pool}.", hint=self._hint) from error
        if "connect to the cluster" in text or "Connection timed out" in text or "connecting to the cluster" in text:
            raise StorageFailed(
                f"The Ceph cluster of {self.pool} does not answer, or does not let the user in: {text[-200:]}",
                hint="Look at `ceph -s`, and whether monitors, user and key of the pool are right.",
            ) from error
        if "No space left" in text:
            raise PoolFull(f"The Ceph pool {self.pool} is full.", hint="Delete volumes, or add OSDs.") from error
        raise StorageFailed(f"Ceph: {text[-400:]}") from error


def setup_hint(pool: str, user: str, pg_num: int) -> str:
    """Give the commands by which an administrator makes a pool and its user."""
    return (
        f"On the cluster: ceph osd pool create {pool} {pg_num}; rbd pool init {pool}; "
        f"ceph auth get-or-create client.{user} mon 'profile rbd' osd 'profile rbd pool={pool}' "
        f"mgr 'profile rbd pool={pool}'; ceph auth get-key client.{user}"
    )


def _words(done: Completed, verb: str) -> str:
    lines = [line for line in done.stderr.decode(errors="replace").splitlines() if line.strip()]
    return f"rbd {verb}: {lines[-1] if lines else f'exit code {done.code}'}" + (f" ({lines[0]})" if lines[1:] else "")


def _trouble(found: Any) -> str:
    told = [each for name, each in found["checks"].items() if name in _FELT and not each.get("muted")]
    return "; ".join(str(each["summary"]["message"])[:200] for each in told)


def _space(found: Any, pool: str) -> tuple[int, int]:
    stats = {each["name"]: each["stats"] for each in found["pools"]}.get(pool)
    if stats is None:  # made a moment ago
        return 0, 0
    return int(stats["stored"]) + int(stats["max_avail"]), int(stats["max_avail"])


def _parent(found: Any) -> str:
    return str(found["parent"]["image"]) if found.get("parent") else ""


def _read(answer: bytes, take: Callable[[Any], T]) -> T:
    try:
        return take(json.loads(answer))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StorageFailed("Ceph's answer cannot be read.") from error
