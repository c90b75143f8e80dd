"""Signing in: passwords with throttling, sessions, API tokens; and who a request comes from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from zcloud.base.ids import new_id, new_secret
from zcloud.domain.errors import (
    Forbidden,
    InvalidInput,
    LoginFailed,
    LoginThrottled,
    NotFound,
    SecondFactorNeeded,
    Unauthenticated,
)
from zcloud.domain.names import check_name
from zcloud.domain.people import TOKEN_SESSION, Actor, Role, Session, Token, User
from zcloud.services import codes
from zcloud.services.context import Services
from zcloud.services.passwords import hash_password, password_fits
from zcloud.store import Store, Tx

SESSION_LIFE = timedelta(hours=12)
FREE_TRIES = {"name": 5, "address": 50}  # before each further failure costs a pause
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=2), timedelta(minutes=15)
# Found by secret scanners, and told from each other at a glance.
TOKEN_PREFIX, SESSION_PREFIX = "zct_", "zcs_"
_LAST_USE_STEP = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request comes from."""

    address: str
    client: str = ""
    request_id: str = ""


class SignIn:
    """The service behind ``zcloud login``, ``zcloud token`` and every authenticated request."""

    def __init__(self, services: Services) -> None:
        self._store = services.store
        self._clock = services.clock

    def login(self, name: str, password: str, origin: Origin, code: str = "") -> tuple[str, Session]:
        """Give a new session's secret (shown once) and its record; ``code`` is that of the second factor.

        Raises LoginFailed, SecondFactorNeeded (the password is right, and a code is missing), and LoginThrottled after
        repeated failures for the name or from the address.
        """
        keys = throttle_keys(name, origin)
        with self._store.read() as tx:
            check_throttle(tx, keys)
            user = tx.users.find(name)
        fits = password_fits(password, user.password_hash if user and not user.disabled else "")
        if user is None or not fits:
            self._store.transact(lambda tx: count_failure(tx, keys, name, origin))
            raise LoginFailed("User name or password is wrong.")
        self._check_second_factor(user, code, keys, origin)
        secret = SESSION_PREFIX + new_secret()
        return secret, self._store.transact(lambda tx: _open_session(tx, user, secret, keys, origin))

    def _check_second_factor(self, user: User, code: str, keys: tuple[str, ...], origin: Origin) -> None:
        with self._store.read() as tx:
            needed = codes.is_needed(tx, user.id)
        if needed and not code:
            raise SecondFactorNeeded("The code of the second factor is needed, too.")
        if needed and not self._store.transact(lambda tx: codes.take(tx, user.id, code)):
            self._store.transact(lambda tx: count_failure(tx, keys, user.name, origin))
            raise LoginFailed("The code is wrong, or was used already.", hint="Wait for the next one.")

    def change_password(self, actor: Actor, old: str, new: str, origin: Origin) -> None:
        """Change the actor's own password; its other sessions end, its API tokens stay.

        Raises InvalidInput (the old one is wrong, the new one too short), LoginThrottled, RevisionMismatch.
        """
        hashed, keys = hash_password(new, "new"), throttle_keys(actor.user_name, origin)
        with self._store.read() as tx:
            check_throttle(tx, keys)
            user = tx.users.get(actor.user_id)
        if not password_fits(old, user.password_hash):
            self._store.transact(lambda tx: count_failure(tx, keys, user.name, origin))
            raise InvalidInput("The old password is wrong.", field="old")

        def work(tx: Tx) -> None:
            tx.users.update(user.id, expect_revision=user.revision, bump=True, password_hash=hashed)
            for session in tx.sessions.of_user(user.id):
                if session.id != actor.session_id:
                    tx.sessions.delete(session.id)
            tx.sessions.clear_failures(*keys)

        self._store.transact(work)

    def authenticate(self, secret: str, origin: Origin) -> Actor:
        """Give who is behind a session's or token's secret; raises Unauthenticated."""
        with self._store.read() as tx:
            digest = _digest(secret)
            found = (tx.tokens if secret.startswith(TOKEN_PREFIX) else tx.sessions).by_digest(digest)
            actor, stale = _actor(tx, found, origin), _is_stale(tx, found)
        if stale:
            self._store.transact(lambda tx: self._touch(tx, digest))
        return actor

    def renew(self, actor: Actor) -> Actor:
        """Give the actor of a long request as of now; raises Unauthenticated where its session is over."""
        with self._store.read() as tx:
            return actor_of_session(tx, actor.session_id)

    def logout(self, actor: Actor) -> None:
        """End the session that the request came with."""
        if actor.session_id:
            self._store.transact(lambda tx: tx.sessions.delete(actor.session_id))

    def sessions(self, actor: Actor) -> list[Session]:
        """List the actor's own sessions."""
        with self._store.read() as tx:
            return tx.sessions.of_user(actor.user_id)

    def end_session(self, actor: Actor, session_id: str) -> None:
        """End one of the actor's own sessions; raises NotFound."""

        def work(tx: Tx) -> None:
            if tx.sessions.get(session_id).user_id != actor.user_id:
                raise NotFound("There is no such session.")
            tx.sessions.delete(session_id)

        self._store.transact(work)

    def tokens(self, actor: Actor) -> list[Token]:
        """List the actor's own tokens."""
        with self._store.read() as tx:
            return tx.tokens.of_user(actor.user_id)

    def add_token(
        self, actor: Actor, name: str, *, role: Role | None, project: str, expires_at: datetime | None
    ) -> tuple[str, Token]:
        """Give a new token's secret (shown once) and its record; a token can do no more than its user.

        Raises InvalidInput (expiry in the past), Forbidden (a role above the actor's own), NotFound.
        """
        check_name(name, "token name")
        if expires_at is not None and expires_at <= self._clock.now():
            raise InvalidInput("The token would have expired already.", field="expires_at")
        secret = TOKEN_PREFIX + new_secret()

        def work(tx: Tx) -> Token:
            project_id = tx.projects.resolve(project).id if project else None
            own = actor.role_in(project_id)
            if project_id is not None and own is None:
                raise NotFound(f"The project {project!r} was not found.")
            if role is not None and own is not None and not own.includes(role):
                raise Forbidden(f"A token cannot be {role} where its user is {own}.")
            return tx.tokens.add(
                Token(new_id(), _digest(secret), name, actor.user_id, role, project_id, expires_at, None, tx.now)
            )

        return secret, self._store.transact(work)

    def delete_token(self, actor: Actor, name: str) -> None:
        """Revoke one of the actor's own tokens; raises NotFound."""

        def work(tx: Tx) -> None:
            for token in tx.tokens.of_user(actor.user_id):
                if name in (token.name, token.id):
                    tx.tokens.delete(token.id)
                    return
            raise NotFound(f"You have no token {name[:80]!r}.")

        self._store.transact(work)

    def _touch(self, tx: Tx, digest: str) -> None:
        session, token = tx.sessions.by_digest(digest), tx.tokens.by_digest(digest)
        if session is not None:
            tx.sessions.update(session.id, seen_at=tx.now)
        if token is not None:
            tx.tokens.used(token.id)


def reset_password(store: Store, name: str, password: str) -> None:
    """Give a user a new password, for who is locked out and has the server's machine.

    The user is enabled, all sessions end, failed logins and a second factor are forgotten. Raises InvalidInput,
    NotFound.
    """
    hashed = hash_password(password)

    def work(tx: Tx) -> None:
        user = tx.users.resolve(name)
        tx.users.update(user.id, bump=True, password_hash=hashed, disabled=False)
        tx.sessions.delete_of_user(user.id)
        codes.forget(tx, user.id)
        tx.sessions.clear_failures(throttle_keys(user.name, Origin(""))[0])
        tx.audit.add("password reset", actor="(the server's machine)", resource=f"user {user.name}", outcome="ok")

    store.transact(work)


def actor_of_session(tx: Tx, session_id: str) -> Actor:
    """Give who is behind ``Actor.session_id``, as of now; raises Unauthenticated where that is over."""
    kind, _, token_id = session_id.rpartition(":")
    found = tx.tokens.many([token_id]).get(token_id) if kind else tx.sessions.many([session_id]).get(session_id)
    return _actor(tx, found, Origin(""))


def _actor(tx: Tx, found: Session | Token | None, origin: Origin) -> Actor:
    if found is None or (found.expires_at is not None and found.expires_at <= tx.now):
        raise Unauthenticated("The session or token is over, was revoked, or never was.")
    user = _enabled(tx, found.user_id)
    role, project_roles = user.role, tx.projects.roles_of(user.id)
    session_id = found.id
    if isinstance(found, Token):
        role, project_roles = _narrow(found, role, project_roles)
        session_id = TOKEN_SESSION + found.id
    return Actor(
        user_id=user.id,
        user_name=user.name,
        role=role,
        project_roles=project_roles,
        session_id=session_id,
        address=origin.address,
        request_id=origin.request_id,
    )


def _is_stale(tx: Tx, found: Session | Token | None) -> bool:
    used = found.seen_at if isinstance(found, Session) else found.last_used_at if found else None
    return used is None or tx.now - used > _LAST_USE_STEP


def _narrow(
    token: Token, role: Role | None, project_roles: tuple[tuple[str, Role], ...]
) -> tuple[Role | None, tuple[tuple[str, Role], ...]]:
    """Give the roles of a token: never more than its user's, and only where it is meant to be used."""

    def cap(held: Role) -> Role:
        return held if token.role is None or token.role.includes(held) else token.role

    if token.project_id is None:
        return (cap(role) if role else None), tuple((pid, cap(held)) for pid, held in project_roles)
    here = [held for pid, held in project_roles if pid == token.project_id] + ([role] if role else [])
    best = max(here, key=lambda held: held.rank, default=None)
    return None, ((token.project_id, cap(best)),) if best else ()


def _enabled(tx: Tx, user_id: str) -> User:
    user = tx.users.get(user_id)
    if user.disabled:
        raise Unauthenticated("The user is disabled.")
    return user


def throttle_keys(name: str, origin: Origin) -> tuple[str, str]:
    """Give what failures are counted for: the name, and the address."""
    return f"name:{name[:64]}", f"address:{origin.address}"


def check_throttle(tx: Tx, keys: tuple[str, ...]) -> None:
    """Raise LoginThrottled where one of the keys has to wait."""
    for key in keys:
        failures = tx.sessions.failures(key)
        if failures and failures.blocked_until and failures.blocked_until > tx.now:
            seconds = int((failures.blocked_until - tx.now).total_seconds()) + 1
            raise LoginThrottled(
                "There were too many failed logins.", hint=f"Wait {seconds} seconds.", retry_after_s=seconds
            )


def count_failure(tx: Tx, keys: tuple[str, ...], name: str, origin: Origin) -> None:
    """Count a failure for each key; after some, each further one costs a pause."""
    for key in keys:
        known = tx.sessions.failures(key)
        over = (known.count if known else 0) + 1 - FREE_TRIES[key.partition(":")[0]]
        pause = min(FIRST_PAUSE * 2 ** min(over, 20), LONGEST_PAUSE) if over >= 0 else None
        tx.sessions.login_failed(key, blocked_until=tx.now + pause if pause else None)
    tx.audit.add(
        actor=name[:64],
        address=origin.address,
        request_id=origin.request_id,
        action="login",
        resource="",
        outcome="login_failed",
        detail="",
    )


def _open_session(tx: Tx, user: User, secret: str, keys: tuple[str, ...], origin: Origin) -> Session:
    tx.sessions.clear_failures(*keys)
    tx.sessions.prune(tx.now)
    tx.audit.add("login", actor=user.name, address=origin.address, request_id=origin.request_id, outcome="ok")
    return tx.sessions.add(
        Session(
            id=new_id(),
            digest=_digest(secret),
            user_id=user.id,
            address=origin.address,
            client=origin.client[:200],
            created_at=tx.now,
            seen_at=tx.now,
            expires_at=tx.now + SESSION_LIFE,
        )
    )


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
