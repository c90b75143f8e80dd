"""API tokens."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from zcloud.wire.base import Name, OptionalRef, Request, RoleName, Time


class TokenCreate(Request):
    """A token that can do at most what ``role`` may, only in ``project``, until ``expires_at``."""

    name: Name
    role: RoleName | None = None
    project: OptionalRef = ""
    expires_at: Time | None = None


@dataclass(frozen=True, slots=True)
class Token:
    """An API token without its secret."""

    id: str
    name: str
    role: str | None
    project_id: str | None
    expires_at: datetime | None
    last_used_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class TokenCreated:
    """A new token; ``secret`` is shown this once."""

    secret: str
    token: Token
