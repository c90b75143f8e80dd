"""Projects, users, keys and tokens: what is changed at once, without an operation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

from zcloud.client.http import route
from zcloud.client.things import Things

if TYPE_CHECKING:
    from typing import Unpack

    from zcloud.client.types import (
        Key,
        KeyCreate,
        Project,
        ProjectChange,
        ProjectCreate,
        Token,  # noqa: F401 - named in a text
        TokenCreate,
        TokenCreated,
        User,
        UserChange,
        UserCreate,
    )

T = TypeVar("T")


class Own(Things[T]):
    """A noun whose things are made and deleted at once."""

    def delete(self, ref: str) -> None:
        """Delete it."""
        self._http.delete(self._at(ref))

    def _made(self, body: Any) -> Any:
        return self._http.post(route(self._noun), body)


class Keys(Own["Key"]):
    """Your SSH public keys."""

    def add(self, **spec: Unpack[KeyCreate]) -> Key:
        """Keep a public key under a name."""
        return cast("Key", self._made(spec))


class Tokens(Own["Token"]):
    """Your API tokens; making one takes a session, not a token."""

    def create(self, **spec: Unpack[TokenCreate]) -> TokenCreated:
        """Make a token; its ``secret`` is shown this once."""
        return cast("TokenCreated", self._made(spec))


class Projects(Own["Project"]):
    """Projects, their members and quotas."""

    def create(self, **spec: Unpack[ProjectCreate]) -> Project:
        """Make a project."""
        return cast("Project", self._made(spec))

    def change(self, ref: str, *, revision: int | None = None, **changes: Unpack[ProjectChange]) -> Project:
        """Change fields."""
        return self._change(ref, changes, revision)

    def set_member(self, ref: str, user: str, role: str) -> None:
        """Give a user a role in the project."""
        self._http.put(self._at(ref, "members", user), {"role": role})

    def remove_member(self, ref: str, user: str) -> None:
        """Take a user's role in the project away."""
        self._http.delete(self._at(ref, "members", user))


class Users(Own["User"]):
    """Users."""

    def add(self, **spec: Unpack[UserCreate]) -> User:
        """Add a user."""
        return cast("User", self._made(spec))

    def change(self, ref: str, *, revision: int | None = None, **changes: Unpack[UserChange]) -> User:
        """Change fields."""
        return self._change(ref, changes, revision)
