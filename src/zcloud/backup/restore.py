"""Restoring: the file is read to its end first, then everything is prepared aside, and put in place at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from zcloud.backup.archive import Manifest, Member, Reader
from zcloud.backup.create import CONFIGURATION
from zcloud.backup.settle import settle
from zcloud.backup.staging import Plan, Stage
from zcloud.base.clock import Clock
from zcloud.base.config import Config
from zcloud.base.ids import new_id
from zcloud.domain.errors import BackupTooNew, NotEmpty
from zcloud.domain.reconcile import KEY
from zcloud.store import Store, Tx, sqlite_file
from zcloud.store.migrate import is_known
from zcloud.store.portable import Block

# What is replaced; images, the probe's kernel and what arrives stay where they are. The access of the machine's own
# units is a token of the store that goes: `zcloud init --system` makes another.
_REPLACED = ("secret.key", "ssh", "tls", "machine", "zcloud.sqlite")
_BESIDE_SQLITE = ("", "-wal", "-shm")
KEPT_CONFIGURATION = "zcloud.toml.restored"


@dataclass(slots=True)
class Restored:
    """What a restore did."""

    manifest: Manifest
    operations: int = 0  # that were unfinished, and are not run again
    missing_images: Sequence[str] = ()
    kept: Path | None = None  # where what was there before is
    configuration: Path | None = None  # the backup's, beside the one that is used


@dataclass(frozen=True, slots=True)
class Target:
    """Where a backup is restored to. ``fault`` is called with the name of every place where a test may stop it."""

    config: Config
    clock: Clock
    fault: Callable[[str], object] = str  # nothing comes of it

    @property
    def stage(self) -> Stage:
        """Give the directory of preparation."""
        return Stage(self.config.data_dir)

    def open_store(self, path: Path | None = None) -> Store:
        """Open the store, or one in a file, without the key that opens secrets."""
        return Store(f"sqlite:///{path}" if path else self.config.url, clock=self.clock, seal=None)


def verify(source: BinaryIO, passphrase: bytes | None) -> Manifest:
    """Read a backup to its end; raises BackupUnusable, BackupLocked."""
    reader = Reader(source, passphrase)
    for member in reader.members():
        if member.name.startswith("store/"):
            member.block()
    return reader.manifest


def restore(target: Target, source: BinaryIO, *, passphrase: bytes | None, replace: bool) -> Restored:
    """Put a backup in the place of what the configuration names; nothing may work on it (``staging.data_in_use``).

    ``replace`` moves what is there aside, into ``DATA/replaced-TIME``. Raises BackupUnusable, BackupLocked,
    BackupTooNew, NotEmpty, StoreUnreachable.
    """
    finish_restore(target)
    manifest = verify(source, passphrase)
    if not is_known(manifest.revision):
        raise BackupTooNew(f"The backup's schema {manifest.revision} was made by zcloud {manifest.version}.")
    there = _there(target.config)
    _check_empty(target, there, replace=replace)
    source.seek(0)
    identity = new_id()
    stage, file = target.stage, sqlite_file(target.config.url)
    stage.begin()
    target.fault("restore.begun")
    done = Restored(manifest)
    writing = _Writing(target, Reader(source, passphrase), done, identity)
    writing.files()
    target.fault("restore.files")
    done.kept = target.config.data_dir / f"replaced-{target.clock.now():%Y%m%dT%H%M%SZ}" if there else None
    aside = {str(path): str(done.kept / path.name) for path in there} if done.kept else {}
    moves = {**writing.moves, **({str(stage.root / "store.sqlite"): str(file)} if file else {})}
    plan = Plan(identity, file is None, aside, moves)
    if file is None:
        stage.decide(plan)  # counts once the store says so
        target.fault("restore.decided")
        writing.store(None)
    else:
        writing.store(stage.root / "store.sqlite")
        target.fault("restore.filled")
        stage.decide(plan)
    target.fault("restore.whole")
    finish_restore(target)
    done.missing_images = [
        str(each["name"]) for each in manifest.images if not (target.config.image_dir / str(each["name"])).exists()
    ]
    return done


def finish_restore(target: Target) -> bool:
    """Go on with a restore that was killed after it was decided, or forget one that was not; cheap where none was."""
    return target.stage.finish(lambda identity: _is_filled(target, identity))


def _is_filled(target: Target, identity: str) -> bool:
    store = target.open_store()
    try:
        with store.export() as export:
            return any(row["key"] == KEY and row["value"]["id"] == identity for row in export.rows("settings"))
    finally:
        store.close()


def _there(config: Config) -> list[Path]:
    """Give what would be replaced."""
    file = sqlite_file(config.url)
    names = [config.data_dir / name for name in _REPLACED]
    if file is not None and file not in names:
        names.append(file)
    with_logs = [path.with_name(path.name + end) for path in names for end in _BESIDE_SQLITE]
    return [path for path in dict.fromkeys(with_logs) if path.exists()]


def _check_empty(target: Target, there: Sequence[Path], *, replace: bool) -> None:
    if there and not replace:
        names = ", ".join(path.name for path in there)
        raise NotEmpty(
            f"An installation is there already ({names} in {target.config.data_dir}).",
            hint="--replace moves it aside, into a directory beside; nothing is deleted.",
        )
    if sqlite_file(target.config.url) is not None:
        return
    store = target.open_store()
    try:
        if store.schema_state().current is not None:
            raise NotEmpty(
                "The PostgreSQL database that store_url names has zcloud's tables already.",
                hint="Make an empty database, and name it in store_url; the old one stays as it is.",
            )
    finally:
        store.close()


class _Writing:
    """The second reading of the file, in the order of its members: manifest, files, rows, images."""

    def __init__(self, target: Target, reader: Reader, done: Restored, identity: str) -> None:
        self._target, self._done, self._identity = target, done, identity
        self._members = reader.members()
        self._next: Member | None = None
        self.moves: dict[str, str] = {}

    def files(self) -> None:
        """Prepare keys and certificates, and the configuration to compare with; stops before the rows."""
        stage, data = self._target.stage, self._target.config.data_dir
        for member in self._members:
            if not member.name.startswith("files/"):
                self._next = member
                return
            name = member.name.removeprefix("files/")
            path = stage.write(f"files/{name}", iter([member.read()]))
            if name == CONFIGURATION:
                self._done.configuration = data / KEPT_CONFIGURATION
                self.moves[str(path)] = str(self._done.configuration)
            else:
                top = name.partition("/")[0]
                self.moves[str(stage.root / "files" / top)] = str(data / top)

    def store(self, path: Path | None) -> None:
        """Fill the store (None: the one of the configuration), and prepare the images that follow."""
        store = self._target.open_store(path)
        try:
            store.load(self._done.manifest.revision, self._blocks(), self._settle)
        finally:
            store.close()

    def _settle(self, tx: Tx) -> None:
        self._done.operations = settle(tx, self._done.manifest, self._identity)
        self._target.fault("restore.settled")

    def _blocks(self) -> Iterator[Block]:
        while self._next is not None:
            member, self._next = self._next, None
            if member.name.startswith("store/"):
                yield member.block()
            else:
                self._image(member)
            self._next = next(self._members, None)

    def _image(self, member: Member) -> None:
        """Put an image in the store of images: its name is its digest, so it can be there before all else."""
        name = member.name.removeprefix("images/")
        place = self._target.config.image_dir / name
        if not place.exists():
            path = self._target.stage.write(f"images/{name}", member.chunks())
            place.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            path.replace(place)
