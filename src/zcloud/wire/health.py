"""Whether a server is ready."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class ReadyCheck:
    """One thing that has to be so; ``reason`` says why it is not."""

    name: str
    ok: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether requests can be served and operations will be run; ``unready`` comes with status 503."""

    status: Literal["ok", "unready"]
    checks: tuple[ReadyCheck, ...]
