"""Bringing the store's schema up to date. Migrations go forward only; the way back is the backup."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from zcloud.store.errors import SchemaMismatch

_HINT = "Look with `zcloud upgrade check`; `zcloud serve` backs it up and migrates it."
_LOCK = 0x7A636C6F7564  # "zcloud": one migration at a time on PostgreSQL


@dataclass(frozen=True, slots=True)
class SchemaState:
    """What schema a store has (None: it is empty), which one this version makes, and what lies between."""

    current: str | None
    head: str
    pending: tuple[str, ...]  # what is run to get there, oldest first
    too_new: bool = False  # made by a newer version


def state(connection: Connection) -> SchemaState:
    """Say how the store's schema stands to this version's; changes nothing."""
    script = ScriptDirectory.from_config(_config())
    current, head = _current(connection), str(script.get_current_head())
    if current is not None and current not in _known(script):
        return SchemaState(current, head, (), too_new=True)
    pending = [each.revision for each in script.iterate_revisions(head, current or "base")]
    return SchemaState(current, head, tuple(reversed(pending)))


def migrate(connection: Connection, to: str = "head") -> None:
    """Run the migrations that are missing, in the transaction of ``connection``; raises SchemaMismatch."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    script = ScriptDirectory.from_config(_config())
    current = _current(connection)
    if current is not None and current not in _known(script):
        raise _too_new(current)
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, to)


def is_known(revision: str) -> bool:
    """Say whether this version has the migration."""
    return revision in _known(ScriptDirectory.from_config(_config()))


def check(connection: Connection) -> None:
    """Raise SchemaMismatch unless the store's schema is exactly the one of this version."""
    script = ScriptDirectory.from_config(_config())
    current, head = _current(connection), script.get_current_head()
    if current == head:
        return
    if current is None or current in _known(script):
        message = f"The store's schema is {'empty' if current is None else 'at ' + current}, this version needs {head}."
        raise SchemaMismatch(message, hint=_HINT)
    raise _too_new(current)


def _too_new(current: str) -> SchemaMismatch:
    message = f"The store's schema {current} was made by a newer version of zcloud."
    return SchemaMismatch(message, hint="Install that version again, or restore the backup from before the upgrade.")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _current(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _known(script: ScriptDirectory) -> set[str]:
    return {each.revision for each in script.walk_revisions()}
