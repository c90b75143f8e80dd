"""Logging: one line an event, plain or JSON, with secrets never in it; to standard error, or to a file that rotates."""

from __future__ import annotations

import json
import logging
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path


class JsonFormatter(logging.Formatter):
    """One JSON object a line, for collectors."""

    def format(self, record: logging.LogRecord) -> str:
        """Give the record as one line."""
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Rotation:
    """A log file: begun anew after ``max_bytes``, with ``keep`` older ones beside it (``.1`` is the youngest)."""

    path: Path
    max_bytes: int
    keep: int


def set_up(level: str = "INFO", *, as_json: bool = False, file: Rotation | None = None) -> None:
    """Send the log to standard error (None) or a file at ``level``; raises OSError where it cannot be opened."""
    handler: logging.Handler = logging.StreamHandler(sys.stderr)
    if file is not None:
        file.path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        handler = RotatingFileHandler(file.path, maxBytes=file.max_bytes, backupCount=file.keep, encoding="utf-8")
    plain = logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    handler.setFormatter(JsonFormatter() if as_json else plain)
    root = logging.getLogger()
    for old in root.handlers:
        old.close()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # uvicorn's informs of websockets' addresses, and those of consoles hold a ticket.
    for noisy in ("alembic", "asyncssh", "sqlalchemy", "uvicorn"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
