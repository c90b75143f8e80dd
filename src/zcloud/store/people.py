"""Users, projects and what lets people in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, delete, or_, select, update

from zcloud.domain.errors import NotFound
from zcloud.domain.people import (
    LoginFailures,
    Member,
    Project,
    Role,
    SecondFactor,
    Session,
    SshKey,
    Ticket,
    Token,
    User,
)
from zcloud.store import schema
from zcloud.store.mapping import Mapper
from zcloud.store.repository import Named, Records, Repository, select_by


class Users(Named[User, None]):
    """Users."""

    noun = "user"
    mapper = Mapper(User, schema.users)

    def count_admins(self) -> int:
        """Give how many users are enabled admins."""
        return len(self._all(schema.users.c.role == Role.ADMIN, schema.users.c.disabled.is_(False)))


@dataclass(frozen=True, slots=True)
class ProjectFilter:
    """Which projects; None is all."""

    ids: frozenset[str] | None = None


class Projects(Named[Project, ProjectFilter]):
    """Projects and their members."""

    noun = "project"
    mapper = Mapper(Project, schema.projects)
    _member = Mapper(Member, schema.members)

    def _where(self, filter: ProjectFilter) -> list[ColumnElement[bool]]:
        return [] if filter.ids is None else [schema.projects.c.id.in_(filter.ids)]

    def hold(self, id: str) -> None:
        """Keep other writers away from the project's quota until the commit."""
        self._scope.hold(schema.projects, id)

    def members(self, project_id: str) -> list[Member]:
        """Give the members of a project."""
        return self._members(schema.members.c.project_id == project_id)

    def roles_of(self, user_id: str) -> tuple[tuple[str, Role], ...]:
        """Give the project ids and roles of a user, as an Actor has them."""
        statement = select_by(self._member.columns, ("user_id",), ("project_id",))
        found = self._db.execute(statement, {"user_id": user_id}).mappings()
        return tuple((row["project_id"], Role(row["role"])) for row in found)

    def set_member(self, project_id: str, user_id: str, role: Role) -> None:
        """Give a user a role in a project, in place of the one before."""
        row = {"project_id": project_id, "user_id": user_id, "role": role.value}
        statement = self._scope.insert(schema.members).values(row)
        self._db.execute(
            statement.on_conflict_do_update(index_elements=["project_id", "user_id"], set_={"role": role.value})
        )

    def remove_member(self, project_id: str, user_id: str) -> None:
        """Take a user out of a project; raises NotFound."""
        members = schema.members
        gone = delete(members).where(members.c.project_id == project_id, members.c.user_id == user_id)
        if not self._db.execute(gone).rowcount:
            raise NotFound("The user is not a member of the project.", noun="member")

    def _members(self, where: ColumnElement[bool]) -> list[Member]:
        columns = self._member.columns
        rows = self._db.execute(select(*columns).where(where).order_by(*columns[:2])).mappings()
        return [self._member.to_record(row) for row in rows]


@dataclass(frozen=True, slots=True)
class OwnerFilter:
    """What belongs to one user."""

    user_id: str


class Tokens(Records[Token, OwnerFilter]):
    """API tokens."""

    noun = "token"
    mapper = Mapper(Token, schema.tokens)

    def _where(self, filter: OwnerFilter) -> list[ColumnElement[bool]]:
        return [schema.tokens.c.user_id == filter.user_id]

    def by_digest(self, digest: str) -> Token | None:
        """Give the token with that SHA-256 (hex), or None."""
        return next(iter(self._by({"digest": digest})), None)

    def of_user(self, user_id: str) -> list[Token]:
        """Give a user's tokens."""
        return self._all(schema.tokens.c.user_id == user_id, order=[schema.tokens.c.name])

    def used(self, id: str) -> None:
        """Record that a token was used now."""
        self._db.execute(update(self.table).where(self.key == id).values(last_used_at=self._scope.now))


class Sessions(Records[Session, OwnerFilter]):
    """Signed-in sessions and failed logins."""

    noun = "session"
    mapper = Mapper(Session, schema.sessions)
    sorts = ("created_at", "seen_at")
    _failure = Mapper(LoginFailures, schema.login_failures)

    def _where(self, filter: OwnerFilter) -> list[ColumnElement[bool]]:
        return [schema.sessions.c.user_id == filter.user_id]

    def by_digest(self, digest: str) -> Session | None:
        """Give the session with that SHA-256 (hex), or None; whether it is over is for the caller to say."""
        return next(iter(self._by({"digest": digest})), None)

    def of_user(self, user_id: str) -> list[Session]:
        """Give a user's sessions."""
        return self._all(schema.sessions.c.user_id == user_id)

    def delete_of_user(self, user_id: str) -> None:
        """Sign a user out everywhere."""
        self._db.execute(delete(self.table).where(schema.sessions.c.user_id == user_id))

    def prune(self, now: datetime) -> int:
        """Remove the sessions that are over and give how many."""
        return self._db.execute(delete(self.table).where(schema.sessions.c.expires_at <= now)).rowcount

    def failures(self, key: str) -> LoginFailures | None:
        """Give the failed logins for a key, or None."""
        table = schema.login_failures
        row = self._db.execute(select(*self._failure.columns).where(table.c.key == key)).mappings().one_or_none()
        return None if row is None else self._failure.to_record(row)

    def login_failed(self, key: str, *, blocked_until: datetime | None = None) -> int:
        """Count a failed login and give how many there are now."""
        table = schema.login_failures
        row = {"key": key, "count": 1, "last_at": self._scope.now, "blocked_until": blocked_until}
        changed = {"count": table.c.count + 1, "last_at": self._scope.now, "blocked_until": blocked_until}
        statement = self._scope.insert(table).values(row)
        counted = statement.on_conflict_do_update(index_elements=["key"], set_=changed).returning(table.c.count)
        return int(self._db.execute(counted).scalar_one())

    def clear_failures(self, *keys: str, before: datetime | None = None) -> None:
        """Forget the failed logins for ``keys``, and all whose last one was before a time."""
        table = schema.login_failures
        gone: ColumnElement[bool] = table.c.key.in_(keys)
        self._db.execute(delete(table).where(or_(gone, table.c.last_at < before) if before else gone))


class SecondFactors(Repository):
    """Second factors; their secrets are in ``secrets``."""

    _mapper = Mapper(SecondFactor, schema.second_factors)

    def get(self, user_id: str) -> SecondFactor | None:
        """Give a user's, or None; other writers of it wait until the commit."""
        self._scope.hold(schema.users, user_id)
        found = select(*self._mapper.columns).where(schema.second_factors.c.user_id == user_id)
        row = self._db.execute(found).mappings().one_or_none()
        return None if row is None else self._mapper.to_record(row)

    def put(self, factor: SecondFactor) -> None:
        """Keep a user's, in place of the one before."""
        row = self._mapper.to_row(factor)
        statement = self._scope.insert(schema.second_factors).values(row)
        self._db.execute(statement.on_conflict_do_update(index_elements=["user_id"], set_=row))

    def delete(self, user_id: str) -> bool:
        """Forget a user's and say whether there was one."""
        gone = delete(schema.second_factors).where(schema.second_factors.c.user_id == user_id)
        return self._db.execute(gone).rowcount > 0


class SshKeys(Records[SshKey, OwnerFilter]):
    """Stored public keys."""

    noun = "SSH key"
    mapper = Mapper(SshKey, schema.ssh_keys)

    def _where(self, filter: OwnerFilter) -> list[ColumnElement[bool]]:
        return [schema.ssh_keys.c.user_id == filter.user_id]

    def of_user(self, user_id: str) -> list[SshKey]:
        """Give a user's keys."""
        return self._all(schema.ssh_keys.c.user_id == user_id, order=[schema.ssh_keys.c.name])

    def find(self, user_id: str, name: str) -> SshKey | None:
        """Give a user's key by its name, or None."""
        return self._first(schema.ssh_keys.c.user_id == user_id, schema.ssh_keys.c.name == name)


class Tickets(Repository):
    """One-time console tickets."""

    _mapper = Mapper(Ticket, schema.tickets)

    def add(self, ticket: Ticket) -> None:
        """Keep a ticket."""
        self._db.execute(schema.tickets.insert(), self._mapper.to_row(ticket))

    def take(self, digest: str) -> Ticket | None:
        """Give a ticket that is not over, once: it is gone afterwards."""
        taken = delete(schema.tickets).where(schema.tickets.c.digest == digest).returning(*self._mapper.columns)
        row = self._db.execute(taken).mappings().one_or_none()
        ticket = None if row is None else self._mapper.to_record(row)
        return ticket if ticket is not None and ticket.expires_at > self._scope.now else None

    def prune(self) -> int:
        """Remove the tickets that are over and give how many."""
        return self._db.execute(delete(schema.tickets).where(schema.tickets.c.expires_at <= self._scope.now)).rowcount
