"""Signing in, sessions, tokens, keys and users."""

from __future__ import annotations

from fastapi import Request
from starlette.responses import Response

from zcloud.api.answers import answer, created, listing, nothing, one
from zcloud.api.guard import origin_of
from zcloud.api.params import IdPath, RefPath, routes
from zcloud.api.parts import Calling, parts_of
from zcloud.domain import people
from zcloud.domain.people import Role
from zcloud.wire.base import Listing
from zcloud.wire.keys import Key, KeyCreate
from zcloud.wire.sessions import (
    CodeProof,
    Enrolment,
    LoggedIn,
    Login,
    Me,
    Membership,
    PasswordChange,
    PasswordProof,
    RecoveryCodes,
    SecondFactor,
    Session,
)
from zcloud.wire.tokens import Token, TokenCreate, TokenCreated
from zcloud.wire.users import User, UserChange, UserCreate

router = routes("people")


@router.post("/login", status_code=201, response_model=LoggedIn)
def login(request: Request, body: Login) -> Response:
    """Open a session; repeated failures have to wait."""
    origin = origin_of(request, body.client)
    secret, session = parts_of(request).signin.login(body.name, body.password, origin, body.code)
    return answer(LoggedIn, LoggedIn(secret, _session(session, session.id)), 201)


@router.post("/logout", status_code=204)
def logout(call: Calling) -> Response:
    """End the session that the request comes with."""
    call.parts.signin.logout(call.actor)
    return nothing()


@router.get("/me", response_model=Me)
def show_me(call: Calling) -> Response:
    """Say who the request comes from, and what roles hold."""
    names = {each.id: each.name for each in call.parts.people.projects(call.actor)}
    memberships = tuple(
        Membership(project_id, names.get(project_id, ""), role) for project_id, role in call.actor.project_roles
    )
    me = Me(call.actor.user_id, call.actor.user_name, call.actor.role, memberships, call.parts.settings.zone)
    return answer(Me, me)


@router.post("/me/password", status_code=204)
def change_password(request: Request, call: Calling, body: PasswordChange) -> Response:
    """Change one's own password; all other sessions end, API tokens stay."""
    call.parts.signin.change_password(call.actor, body.old, body.new, origin_of(request))
    return nothing()


@router.get("/me/second-factor", response_model=SecondFactor)
def show_second_factor(call: Calling) -> Response:
    """Say whether one has a second factor."""
    found = call.parts.second_factor.show(call.actor)
    return answer(SecondFactor, SecondFactor(found.confirmed_at, found.recovery_left))


@router.post("/me/second-factor", status_code=201, response_model=Enrolment)
def begin_second_factor(request: Request, call: Calling, body: PasswordProof) -> Response:
    """Give a secret for an authenticator app; it counts once a code of it was sent."""
    made = call.parts.second_factor.begin(call.actor, body.password, origin_of(request))
    return answer(Enrolment, Enrolment(made.secret, made.uri), 201)


@router.post("/me/second-factor/confirm", response_model=RecoveryCodes)
def confirm_second_factor(request: Request, call: Calling, body: CodeProof) -> Response:
    """Prove that the app has the secret; signing in takes a code from now on."""
    fresh = call.parts.second_factor.confirm(call.actor, body.code, origin_of(request))
    return answer(RecoveryCodes, RecoveryCodes(fresh))


@router.post("/me/second-factor/remove", status_code=204)
def remove_second_factor(request: Request, call: Calling, body: CodeProof) -> Response:
    """Take one's own second factor away, with one of its codes."""
    call.parts.second_factor.remove(call.actor, body.code, origin_of(request))
    return nothing()


@router.delete("/users/{ref}/second-factor", status_code=204)
def reset_second_factor(call: Calling, ref: RefPath) -> Response:
    """Take away the second factor of a user who has lost it; the user's sessions end."""
    call.parts.second_factor.reset(call.actor, ref)
    return nothing()


@router.get("/sessions", response_model=Listing[Session])
def list_sessions(call: Calling) -> Response:
    """List one's own sessions."""
    mine = call.parts.signin.sessions(call.actor)
    return listing(Session, mine, lambda each: _session(each, call.actor.session_id))


@router.delete("/sessions/{id}", status_code=204)
def end_session(call: Calling, id: IdPath) -> Response:
    """End one of one's own sessions."""
    call.parts.signin.end_session(call.actor, id)
    return nothing()


@router.get("/tokens", response_model=Listing[Token])
def list_tokens(call: Calling) -> Response:
    """List one's own API tokens."""
    return listing(Token, call.parts.signin.tokens(call.actor), _token)


@router.post("/tokens", status_code=201, response_model=TokenCreated)
def create_token(call: Calling, body: TokenCreate) -> Response:
    """Make an API token; its secret is shown this once."""
    secret, token = call.parts.signin.add_token(
        call.actor,
        body.name,
        role=Role(body.role) if body.role else None,
        project=body.project,
        expires_at=body.expires_at,
    )
    return created(call, TokenCreated, TokenCreated(secret, _token(token)), f"/v1/tokens/{token.id}")


@router.delete("/tokens/{ref}", status_code=204)
def delete_token(call: Calling, ref: RefPath) -> Response:
    """Revoke one of one's own API tokens."""
    call.parts.signin.delete_token(call.actor, ref)
    return nothing()


@router.get("/keys", response_model=Listing[Key])
def list_keys(call: Calling) -> Response:
    """List one's own stored SSH public keys."""
    return listing(Key, call.parts.people.keys(call.actor), _key)


@router.post("/keys", status_code=201, response_model=Key)
def create_key(call: Calling, body: KeyCreate) -> Response:
    """Store an SSH public key."""
    key = call.parts.people.add_key(call.actor, body.name, body.public_key)
    return created(call, Key, _key(key), f"/v1/keys/{key.id}")


@router.delete("/keys/{ref}", status_code=204)
def delete_key(call: Calling, ref: RefPath) -> Response:
    """Forget one of one's own SSH public keys."""
    call.parts.people.delete_key(call.actor, ref)
    return nothing()


@router.get("/users", response_model=Listing[User])
def list_users(call: Calling) -> Response:
    """List all users."""
    return listing(User, call.parts.people.users(call.actor), _user)


@router.post("/users", status_code=201, response_model=User)
def create_user(call: Calling, body: UserCreate) -> Response:
    """Add a user."""
    role = Role(body.role) if body.role else None
    user = call.parts.people.add_user(call.actor, body.name, body.password or "", role)
    return created(call, User, _user(user), f"/v1/users/{user.id}")


@router.get("/users/{ref}", response_model=User)
def show_user(call: Calling, ref: RefPath) -> Response:
    """Show a user."""
    return one(User, _user(call.parts.people.show_user(call.actor, ref)))


@router.patch("/users/{ref}", response_model=User)
def change_user(call: Calling, ref: RefPath, body: UserChange) -> Response:
    """Change a user's role or password, or shut the user out."""
    changes = body.model_dump(exclude_unset=True)
    if changes.get("role"):
        changes["role"] = Role(changes["role"])
    return one(User, _user(call.parts.people.change_user(call.actor, ref, changes, call.revision)))


@router.delete("/users/{ref}", status_code=204)
def delete_user(call: Calling, ref: RefPath) -> Response:
    """Delete a user with all sessions, tokens and keys."""
    call.parts.people.delete_user(call.actor, ref, call.revision)
    return nothing()


def _session(it: people.Session, current: str) -> Session:
    return Session(it.id, it.address, it.client, it.created_at, it.seen_at, it.expires_at, it.id == current)


def _token(it: people.Token) -> Token:
    return Token(it.id, it.name, it.role, it.project_id, it.expires_at, it.last_used_at, it.created_at)


def _key(it: people.SshKey) -> Key:
    return Key(it.id, it.name, it.public_key, it.fingerprint, it.created_at)


def _user(it: people.User) -> User:
    return User(it.id, it.name, it.role, it.disabled, it.created_at, it.revision)
