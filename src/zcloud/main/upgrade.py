"""A new version on the store of an older one: looked at first, backed up, then migrated. No host is asked anything."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from zcloud.backup import schedule
from zcloud.backup.create import Site
from zcloud.base.clock import Clock
from zcloud.base.config import unknown_keys
from zcloud.domain.errors import BackupFailed, ServerRunning
from zcloud.domain.operation import ENDED
from zcloud.operations.heart import Watch, this_node
from zcloud.store import Store, Worker, sqlite_file
from zcloud.store.migrate import SchemaState
from zcloud.store.portable import Export
from zcloud.workflows.registry import WORKFLOWS

# The oldest versions that the tests know (Debian 12 and Ubuntu 24.04 have them or newer ones).
LEAST = {"libvirt": (9, 0), "qemu": (7, 2)}
OLD_BACKUP = timedelta(days=7)
_ALIVE = timedelta(seconds=20)  # since a worker's last heartbeat
_SPARE = 256 << 20  # bytes that stay free beyond backup and migration

Tell = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; ``todo`` says what has to be done before the upgrade, empty where nothing has."""

    check: str
    found: str
    todo: str = ""


def bring_up_to_date(site: Site, clock: Clock, tell: Tell) -> None:
    """Migrate an older store after a backup of it; a new, an empty and a newer one are left as they are.

    Raises ServerRunning (an older server still works on it), BackupFailed (then nothing is migrated).
    """
    store = Store(site.config.url, clock=clock, seal=None)
    try:
        state = _state_if_there(site, store)
        if state is None or state.current is None or state.too_new or not state.pending:
            return
        with store.export() as export:
            _refuse_while_alive(export, clock)
        path = _back_up(site, store, clock)
        tell(f"Backed up to {path} before the migration from {state.current} to {state.head}.")
        store.migrate()
        tell(f"The store was migrated to {state.head}.")
    finally:
        store.close()


def _state_if_there(site: Site, store: Store) -> SchemaState | None:
    """Say how the store stands; None where SQLite's file is not there (looking would make it)."""
    file = sqlite_file(site.config.url)
    return store.schema_state() if file is None or file.exists() else None


def _back_up(site: Site, store: Store, clock: Clock) -> Path:
    directory = Path(site.config.backup.directory or site.config.data_dir / "backups")
    try:
        return schedule.make(site, store, clock, directory, schedule.passphrase(site.config.backup))
    except OSError as error:
        raise BackupFailed(
            f"The store is older than this version, and cannot be backed up before it is migrated: {error}.",
            hint="Mend that, or set backup.directory to a place with room.",
        ) from error


def _refuse_while_alive(export: Export, clock: Clock) -> None:
    """A worker of the older version would go on with tables that it does not know."""
    workers = [
        Worker(row["id"], row["node"], row["pid"], "", _time(row["heartbeat_at"]), _time(row["heartbeat_at"]))
        for row in export.rows("workers", "id", "node", "pid", "heartbeat_at")
    ]
    dead = Watch(this_node(), clock, 0).dead(workers)
    alive = [each for each in workers if each.id not in dead and clock.now() - each.heartbeat_at < _ALIVE]
    if alive:
        where = ", ".join(f"{each.node.split()[0]} (pid {each.pid})" for each in alive[:3])
        raise ServerRunning(f"The store is older than this version, and a server still works on it: {where}.")


def check(site: Site, clock: Clock) -> Iterator[Finding]:
    """Look whether this version can take over from the one that is there; changes nothing. Raises StoreUnreachable."""
    yield from _check_configuration(site)
    store = Store(site.config.url, clock=clock, seal=None)
    try:
        state = _state_if_there(site, store)
        if state is None or state.current is None:
            yield Finding("store", "empty or not there", "Run zcloud init; is store_url right?")
            return
        yield _check_schema(state)
        if not state.too_new:
            with store.export() as export:
                yield from _check_operations(export)
                yield _check_backup(export, clock)
                yield from _check_hosts(export)
            yield from _check_disk(site)
    finally:
        store.close()


def _check_configuration(site: Site) -> Iterator[Finding]:
    unknown = unknown_keys(site.config_file) if site.config_file is not None else []
    for key in unknown:
        yield Finding("configuration", f"unknown key {key}", f"Remove it from {site.config_file}: no server starts.")
    if not unknown:
        yield Finding("configuration", "every key is known")


def _check_schema(state: SchemaState) -> Finding:
    if state.too_new:
        return Finding("store", f"schema {state.current} of a newer version", "Install that version again, or a newer.")
    if state.pending:
        pending = ", ".join(state.pending)
        return Finding("store", f"schema {state.current}; {pending} are run at the start, after a backup")
    return Finding("store", f"schema {state.current}: nothing to migrate")


def _check_operations(export: Export) -> Iterator[Finding]:
    over = {status.value for status in ENDED}
    rows = export.rows("operations", "workflow", "status")
    unfinished = Counter(row["workflow"] for row in rows if row["status"] not in over)
    for name, count in sorted(unfinished.items()):
        if name not in WORKFLOWS:
            todo = "Let them end with the version that is there: this one does not know the workflow."
            yield Finding("operations", f"{count} of {name} are unfinished", todo)
    known = sum(count for name, count in unfinished.items() if name in WORKFLOWS)
    yield Finding(
        "operations", f"{known} are unfinished and go on after the upgrade" if known else "none is unfinished"
    )


def _check_backup(export: Export, clock: Clock) -> Finding:
    [state] = [row["value"] for row in export.rows("settings") if row["key"] == schedule.KEY] or [{}]
    times = [datetime.fromisoformat(state[name]) for name in ("last_at", "by_hand_at") if state.get(name)]
    if not times:
        return Finding("backup", "there is none that zcloud knows of", "zcloud backup create FILE")
    age = clock.now() - max(times)
    found = f"the last one is {age.days} days and {age.seconds // 3600} hours old"
    return Finding("backup", found, "zcloud backup create FILE" if age > OLD_BACKUP else "")


def _check_hosts(export: Export) -> Iterator[Finding]:
    for row in export.rows("hosts", "name", "inventory"):
        inventory = row["inventory"] if isinstance(row["inventory"], dict) else json.loads(row["inventory"] or "{}")
        for program, least in LEAST.items():
            version = str(inventory.get(program, ""))
            if version and _version(version) < least:
                wanted = ".".join(map(str, least))
                yield Finding(
                    f"host {row['name']}", f"{program} {version}", f"This version is tested with {wanted} and newer."
                )


def _check_disk(site: Site) -> Iterator[Finding]:
    """Migrating writes the store once more, and the backup before takes less than the store."""
    file = sqlite_file(site.config.url)
    needed = _SPARE + (2 * file.stat().st_size if file is not None else 0)
    for place in {site.config.data_dir, Path(site.config.backup.directory or site.config.data_dir)}:
        existing = next(path for path in (place, *place.parents) if path.exists())
        free = shutil.disk_usage(existing).free
        todo = f"Make room: {needed >> 20} MiB are needed." if free < needed else ""
        yield Finding(f"disk {place}", f"{free >> 20} MiB are free", todo)


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".")[:2] if part.isdecimal())


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
