"""Passwords: argon2id (RFC 9106), never logged, never compared by us."""

from __future__ import annotations

from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from zcloud.domain.errors import InvalidInput

MIN_LENGTH, MAX_LENGTH = 10, 1024

_hasher = PasswordHasher()  # the library's defaults are RFC 9106's low-memory profile


def hash_password(password: str, field: str = "password") -> str:
    """Give the argon2id hash; raises InvalidInput, naming ``field``, for a password that is too short or too long."""
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise InvalidInput(f"A password has {MIN_LENGTH} to {MAX_LENGTH} characters.", field=field)
    return _hasher.hash(password)


def password_fits(password: str, password_hash: str) -> bool:
    """Say whether the password belongs to the hash; an empty hash never fits and takes as long."""
    try:
        return _hasher.verify(password_hash or _nobodys(), password) and bool(password_hash)
    except (VerificationError, InvalidHashError):
        return False


@cache
def _nobodys() -> str:
    """Give what is checked where there is no such user, so that a wrong name takes as long as a wrong password."""
    return _hasher.hash("no such user")
