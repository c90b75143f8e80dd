"""Users."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from zcloud.wire.base import Flag, Name, Request, RoleName, Secret


class UserCreate(Request):
    """A user; ``role`` holds everywhere, and without ``password`` there is no password login."""

    name: Name
    password: Secret | None = None
    role: RoleName | None = None


class UserChange(Request):
    """What is to be changed of a user; what is not given stays."""

    password: Secret | None = None
    role: RoleName | None = None
    disabled: Flag = False


@dataclass(frozen=True, slots=True)
class User:
    """A user."""

    id: str
    name: str
    role: str | None
    disabled: bool
    created_at: datetime
    revision: int
