"""Users, projects, roles and what lets them in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

TOKEN_SESSION = "token:"  # begins Actor.session_id where an API token lets in; its id follows  # noqa: S105


class Role(StrEnum):
    """What a person may do; each includes the ones after it."""

    ADMIN = "admin"  # everything, everywhere
    OPERATOR = "operator"  # hosts, pools, networks and every project's instances; no people
    MEMBER = "member"  # own project's instances
    VIEWER = "viewer"  # looks only

    @property
    def rank(self) -> int:
        """Give a number that grows with what the role may do."""
        return {"viewer": 1, "member": 2, "operator": 3, "admin": 4}[self.value]

    def includes(self, other: Role) -> bool:
        """Say whether this role may do all that ``other`` may."""
        return self.rank >= other.rank


@dataclass(frozen=True, slots=True)
class Quota:
    """A project's limits; None is unlimited. ``volume_bytes`` counts what guests see."""

    instances: int | None = None
    vcpus: int | None = None
    memory_mib: int | None = None
    volume_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """What a project takes of its quota: all instances that are not deleted, and their volumes."""

    instances: int
    vcpus: int
    memory_mib: int
    volume_bytes: int


@dataclass(frozen=True, slots=True)
class Project:
    """The record of a project."""

    id: str
    name: str
    description: str
    quota: Quota
    created_at: datetime
    revision: int


@dataclass(frozen=True, slots=True)
class User:
    """The record of a user. ``role`` holds everywhere (None: only in the projects the user belongs to)."""

    id: str
    name: str
    role: Role | None
    disabled: bool
    password_hash: str  # argon2id, "" where no password login is allowed
    created_at: datetime
    revision: int


@dataclass(frozen=True, slots=True)
class Member:
    """A user's role in a project."""

    project_id: str
    user_id: str
    role: Role


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in browser or CLI; the cookie's value is kept as SHA-256 only."""

    id: str
    digest: str
    user_id: str
    address: str
    client: str
    created_at: datetime
    seen_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class SecondFactor:
    """What a user proves beside the password: codes of RFC 6238, whose secret is sealed.

    ``last_step`` is the time step of the newest code that was taken: none is taken twice. ``recovery`` are SHA-256
    digests of the codes for who has lost the device.
    """

    user_id: str
    confirmed_at: datetime | None  # None: nothing has proved yet that the device has the secret
    last_step: int = 0
    recovery: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LoginFailures:
    """Failed logins for a name or from an address ("name:alice", "address:192.0.2.1")."""

    key: str
    count: int
    last_at: datetime
    blocked_until: datetime | None


@dataclass(frozen=True, slots=True)
class Ticket:
    """Lets one console connection in, once, to one run of an instance; kept as SHA-256 only."""

    digest: str
    session_id: str
    user_id: str
    instance_id: str
    incarnation: int
    kind: str  # serial or vnc
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Token:
    """The record of an API token; the token itself is shown once and kept as SHA-256 only."""

    id: str
    digest: str
    name: str
    user_id: str
    role: Role | None  # at most this, None: all that the user may
    project_id: str | None  # only here, None: everywhere that the user may
    expires_at: datetime | None
    last_used_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class SshKey:
    """A stored public key of a user."""

    id: str
    user_id: str
    name: str
    public_key: str
    fingerprint: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks: the user behind a session or token with the roles that hold for this request.

    ``role`` holds everywhere, ``project_roles`` per project id. Console tickets bind to ``session_id``.
    """

    user_id: str
    user_name: str
    role: Role | None
    project_roles: tuple[tuple[str, Role], ...] = ()
    session_id: str = ""
    address: str = ""
    request_id: str = ""
    parent_id: str | None = None  # the operation on whose behalf they ask

    @property
    def has_session(self) -> bool:
        """Say whether the actor has signed in (rather than come with an API token)."""
        return bool(self.session_id) and not self.session_id.startswith(TOKEN_SESSION)

    def role_in(self, project_id: str | None) -> Role | None:
        """Give the role that holds in a project: the higher of the global one and the project's."""
        found = [role for pid, role in self.project_roles if pid == project_id]
        roles = found + ([self.role] if self.role else [])
        return max(roles, key=lambda role: role.rank, default=None)
