"""Backups that the running server makes by itself, and how they went."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from zcloud.backup.create import Site, create
from zcloud.backup.files import keep_newest, name_at, written_whole
from zcloud.backup.restore import verify
from zcloud.base.clock import Clock
from zcloud.base.config import Backup
from zcloud.domain.errors import BackupFailed, ZcloudError
from zcloud.domain.reconcile import KEY as RECONCILING
from zcloud.store import Store, Tx

KEY = "backups.state"
AGAIN = timedelta(minutes=15)  # after a failure
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class State:
    """How backups went, as the store keeps it. Times are ISO 8601, empty: never; ``every_h`` 0: none are scheduled."""

    directory: str = ""
    every_h: float = 0.0
    keep: int = 0
    last_at: str = ""
    last_file: str = ""
    last_size: int = 0  # bytes
    failed_at: str = ""  # of the last try, empty where it went well
    error: str = ""
    by_hand_at: str = ""  # when `zcloud backup create` made one

    @classmethod
    def read(cls, tx: Tx) -> State:
        """Give the state; that of a server without a schedule where there is none."""
        kept = tx.settings.get(KEY, {})
        return cls(**{name: kept[name] for name in cls.__slots__ if name in kept})

    def due_at(self) -> datetime | None:
        """Give when the next one is to be made; None: at once."""
        if self.failed_at:
            return datetime.fromisoformat(self.failed_at) + min(AGAIN, timedelta(hours=self.every_h))
        return datetime.fromisoformat(self.last_at) + timedelta(hours=self.every_h) if self.last_at else None


class Schedule:
    """Makes a backup when one is due; one process of a cloud does so (the active observer)."""

    def __init__(self, site: Site, store: Store, clock: Clock) -> None:
        self._site, self._store, self._clock = site, store, clock

    def run_if_due(self) -> None:
        """Make a backup if it is time to; the outcome is kept, and told by an event."""
        settings = self._site.config.backup
        with self._store.read() as tx:
            before, paused = State.read(tx), tx.settings.get(RECONCILING) is not None
        state = _configured(before, settings)
        due = state.due_at()
        if state != before:
            self._store.transact(lambda tx: tx.settings.put(KEY, asdict(state)))
        # What a restored store has not compared yet must not push good backups out.
        if not settings.directory or paused or (due is not None and self._clock.now() < due):
            return
        self._store.transact(lambda tx: self._tell(tx, state, self._try(settings)))

    def _try(self, settings: Backup) -> Path | str:
        """Make one and read it again; gives its file, or what went wrong."""
        try:
            return make(self._site, self._store, self._clock, Path(settings.directory), passphrase(settings))
        except ZcloudError as error:
            return error.message
        except OSError as error:
            return str(error)

    def _tell(self, tx: Tx, state: State, outcome: Path | str) -> None:
        changes: dict[str, Any] = {"failed_at": "", "error": ""}
        if isinstance(outcome, Path):
            size = outcome.stat().st_size
            changes |= {"last_at": tx.now.isoformat(), "last_file": str(outcome), "last_size": size}
            kind, message = "backup.made", f"A backup was made: {outcome}."
        else:
            changes = {"failed_at": tx.now.isoformat(), "error": outcome[:500]}
            kind, message = "backup.failed", f"The scheduled backup could not be made: {outcome[:500]}"
            _log.error("%s", message)
        tx.settings.put(KEY, {**asdict(state), **changes})
        tx.events.add(
            kind,
            resource_kind="server",
            resource_id="backup",
            resource_name=self._site.config.zone,
            message=message,
            data=changes,
        )


def make(site: Site, store: Store, clock: Clock, directory: Path, passphrase: bytes | None) -> Path:
    """Make a backup in a directory, read it to its end, and remove what is too old; gives its file.

    Raises BackupFailed, BackupUnusable (what was written cannot be read), OSError (no room, no right).
    """
    settings = site.config.backup
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = directory / name_at(clock.now())
    with written_whole(path) as sink:
        create(site, store, sink, clock, passphrase=passphrase, images=settings.images)
    try:
        with path.open("rb") as source:
            verify(source, passphrase)
    except ZcloudError:
        path.unlink()
        raise
    keep_newest(directory, settings.keep)
    return path


def note_by_hand(store: Store) -> None:
    """Remember that a person has made a backup, for whoever asks how old the last one is."""

    def work(tx: Tx) -> None:
        tx.settings.put(KEY, {**asdict(State.read(tx)), "by_hand_at": tx.now.isoformat()})

    store.transact(work)


def _configured(state: State, settings: Backup) -> State:
    kept = asdict(state)
    every = settings.every_h if settings.directory else 0.0
    return State(**{**kept, "directory": settings.directory, "every_h": every, "keep": settings.keep})


def passphrase(settings: Backup) -> bytes | None:
    """Give the passphrase of scheduled backups, None where they are not encrypted; raises BackupFailed."""
    if not settings.passphrase_file:
        return None
    try:
        return Path(settings.passphrase_file).read_bytes().partition(b"\n")[0].rstrip(b"\r")
    except OSError as error:
        raise BackupFailed(f"backup.passphrase_file cannot be read: {error.strerror}.") from error
