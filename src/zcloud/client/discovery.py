"""Which server, as whom: what is given, then the environment, then what ``zcloud login`` kept.

``ZCLOUD_URL``, ``ZCLOUD_TOKEN``, ``ZCLOUD_CA`` (a file, or PEM text) and ``ZCLOUD_PROJECT``; then
``~/.config/zcloud/cli.json``, whose token and authority are for its own server only.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from zcloud.client.errors import ApiError, Record

DEFAULT_URL = "https://127.0.0.1:8443"


@dataclass(frozen=True, slots=True)
class Access:
    """How a server is reached. ``token`` and ``ca`` may be empty; ``project`` empty is the server's choice."""

    url: str
    token: str
    ca: str
    project: str


def config_file() -> Path:
    """Give the file in which ``zcloud login`` keeps the server's address and the session's secret."""
    return base_directory("XDG_CONFIG_HOME", ".config") / "zcloud" / "cli.json"


def base_directory(variable: str, default: str) -> Path:
    """Give a directory of the XDG specification."""
    given = os.environ.get(variable)
    return Path(given) if given else Path.home() / default


def load_config() -> Record:
    """Give what ``zcloud login`` kept; nothing where there was no login. Raises ApiError for a broken file."""
    path = config_file()
    try:
        kept = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        detail = f"{path} cannot be used: {error}."
        raise ApiError(
            0, {"code": "config_invalid", "detail": detail, "hint": "Remove it and log in again."}
        ) from error
    return kept if isinstance(kept, dict) else {}


def discover(kept: Record, url: str = "", *, token: str = "", ca: str = "", project: str = "") -> Access:
    """Give how to reach the server: what is given, else the environment, else ``kept``.

    A secret that one server gave is never sent to another.
    """
    env = os.environ.get
    where = url or env("ZCLOUD_URL") or kept.get("url") or DEFAULT_URL
    ours = kept if kept.get("url") == where else {}
    return Access(
        url=str(where),
        token=str(token or env("ZCLOUD_TOKEN") or ours.get("token") or ""),
        ca=str(ca or env("ZCLOUD_CA") or ours.get("ca") or ""),
        project=str(project or env("ZCLOUD_PROJECT") or ours.get("project") or ""),
    )
