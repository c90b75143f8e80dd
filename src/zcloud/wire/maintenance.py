"""How the server is kept: reconcile mode after a restore, scheduled backups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import StrictBool

from zcloud.wire.base import Request


class ReconcileFinish(Request):
    """The end of the reconcile mode; ``anyway``: also where a host was not looked at."""

    anyway: StrictBool = False


@dataclass(frozen=True, slots=True)
class ReconcileState:
    """Whether a restored server still compares; times are empty where it does not."""

    active: bool
    taken_at: str
    restored_at: str
    operations: Sequence[str]  # ended because they were unfinished in the backup
    differences: int
    unseen_hosts: Sequence[str]
    pending_hosts: Sequence[str]


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference between records and a host, and what becomes of it at the end of the mode."""

    kind: str
    resource_kind: str
    resource_id: str
    resource_name: str
    host: str
    recorded: str
    found: str
    becomes: str


@dataclass(frozen=True, slots=True)
class BackupState:
    """How backups went; an empty ``directory``: none are made."""

    directory: str
    every_h: float
    keep: int
    last_at: str
    last_file: str
    last_size: int
    failed_at: str
    error: str
    by_hand_at: str
