"""Signing in, sessions, and who one is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from zcloud.wire.base import Line, Request, Secret


class Login(Request):
    """A user's name and password; ``client`` is how the session is called in lists.

    ``code`` is that of the second factor, for users who have one.
    """

    name: Line
    password: Secret
    code: Line = ""
    client: Line = ""


class PasswordChange(Request):
    """One's own password, the old one and the new one."""

    old: Secret
    new: Secret


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in client."""

    id: str
    address: str
    client: str
    created_at: datetime
    seen_at: datetime
    expires_at: datetime
    current: bool


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """A new session; ``secret`` is shown this once and goes into ``Authorization: Bearer``."""

    secret: str
    session: Session


@dataclass(frozen=True, slots=True)
class Membership:
    """A role in a project."""

    project_id: str
    project: str
    role: str


@dataclass(frozen=True, slots=True)
class Me:
    """Who the request comes from; ``role`` holds everywhere."""

    user_id: str
    name: str
    role: str | None
    projects: tuple[Membership, ...]
    zone: str


class PasswordProof(Request):
    """One's own password, once more."""

    password: Secret


class CodeProof(Request):
    """A code of the second factor, or a recovery code."""

    code: Line


@dataclass(frozen=True, slots=True)
class SecondFactor:
    """Since when there is a second factor (null: there is none), and how many recovery codes are left."""

    confirmed_at: datetime | None
    recovery_left: int


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What an authenticator app is given, shown this once: the secret in base32, and the same as a URI."""

    secret: str
    uri: str


@dataclass(frozen=True, slots=True)
class RecoveryCodes:
    """Codes for who has lost the device, each good once; shown this once."""

    codes: tuple[str, ...]
