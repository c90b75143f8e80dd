"""The service's user on this machine: made, acted as, given what is its own."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from zcloud.domain.errors import CommandFailed
from zcloud.hosts import process

USER = "zcloud"
LIBVIRT = "libvirt"  # who is in it may open libvirt's socket

_COMMAND_S = 120.0

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Account:
    """A user of this machine with the groups it is in."""

    uid: int
    gid: int
    groups: tuple[int, ...]


def ensure_account(definition: Path, tell: Tell) -> Account:
    """Have the service's user as ``definition`` (sysusers.d(5)) describes it; raises CommandFailed."""
    if not _is_there():
        command("systemd-sysusers", str(definition))
        tell(f"Made the system user {USER}, member of group {LIBVIRT}.")
    entry = pwd.getpwnam(USER)
    return Account(entry.pw_uid, entry.pw_gid, tuple(os.getgrouplist(USER, entry.pw_gid)))


def _is_there() -> bool:
    try:
        entry = pwd.getpwnam(USER)
        return grp.getgrnam(LIBVIRT).gr_gid in os.getgrouplist(USER, entry.pw_gid)
    except KeyError:
        return False


@contextmanager
def acting_as(account: Account) -> Iterator[None]:
    """Be that user for the block: files get its owner, and its rights are all there are."""
    groups, mask = os.getgroups(), os.umask(0o027)
    os.setgroups(account.groups)
    os.setegid(account.gid)
    os.seteuid(account.uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)
        os.umask(mask)


def give(directory: Path, account: Account, keep: tuple[Path, ...], tell: Tell) -> None:
    """Give ``directory`` and what is below it to the account, but for ``keep``; links are never followed.

    A file with a second name stays whose it is: the other name may lie anywhere.
    """
    given = 0
    for root, names, files, fd in os.fwalk(directory, follow_symlinks=False):
        names[:] = [name for name in names if Path(root, name) not in keep]
        for name in (".", *files, *names):
            facts = os.stat(name, dir_fd=fd, follow_symlinks=False)
            if facts.st_uid == account.uid or (stat.S_ISREG(facts.st_mode) and facts.st_nlink > 1):
                continue
            os.chown(name, account.uid, account.gid, dir_fd=fd, follow_symlinks=False)
            given += 1
    if given:
        tell(f"Gave {directory} to {USER} ({given} files and directories).")


def command(*argv: str) -> str:
    """Run a program of this machine and give what it printed; raises CommandFailed."""
    done = process.run(argv, timeout_s=_COMMAND_S)
    if done.code:
        words = done.stderr.decode(errors="replace").strip()[-500:]
        raise CommandFailed(f"{' '.join(argv)} ended with status {done.code}: {words}")
    return done.stdout.decode(errors="replace")
