"""Acting as whoever the data belongs to: what root does there must not be root's afterwards."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zcloud.main.account import Account, acting_as


@contextmanager
def acting_as_owner(directory: Path) -> Iterator[None]:
    """Be the owner of ``directory`` for the block, where we are root and it is somebody else's."""
    owner = directory.stat() if directory.exists() else None
    if os.geteuid() != 0 or owner is None or owner.st_uid == 0:
        yield
        return
    try:
        groups = os.getgrouplist(pwd.getpwuid(owner.st_uid).pw_name, owner.st_gid)
    except KeyError:
        groups = [owner.st_gid]
    with acting_as(Account(owner.st_uid, owner.st_gid, tuple(groups))):
        yield
