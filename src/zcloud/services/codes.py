"""Codes of a second factor: those of RFC 6238, as apps show them, and recovery codes; each is taken once."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import replace
from datetime import datetime

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from zcloud.domain.people import SecondFactor
from zcloud.store import Tx

KIND = "user.totp"  # of the sealed secret
PERIOD_S, DIGITS = 30, 6  # what every app takes
_SECRET_BYTES, _RECOVERY_BYTES = 20, 10  # RFC 4226, 4: 160 bits; 80 bits cannot be searched for
_RECOVERY_CODES = 10
_DRIFT = (0, -1, 1)  # periods by which a device's clock may differ


def new_key() -> bytes:
    """Give a new secret."""
    return secrets.token_bytes(_SECRET_BYTES)


def key_text(key: bytes) -> str:
    """Give a secret as people type it into an app (base32)."""
    return base64.b32encode(key).decode()


def enrolment_uri(key: bytes, account: str, issuer: str) -> str:
    """Give what an app reads from a QR code."""
    return _totp(key).get_provisioning_uri(account, issuer)


def code_at(key: bytes, step: int) -> str:
    """Give the code of a time step, which is ``PERIOD_S`` seconds long and counted from 1970."""
    return _totp(key).generate(step * PERIOD_S).decode()


def new_recovery() -> tuple[str, ...]:
    """Give new recovery codes."""
    texts = (base64.b32encode(secrets.token_bytes(_RECOVERY_BYTES)).decode().lower() for _ in range(_RECOVERY_CODES))
    return tuple("-".join(text[at : at + 4] for at in range(0, 16, 4)) for text in texts)


def digest(code: str) -> str:
    """Give what is kept of a recovery code."""
    return hashlib.sha256(_plain(code).encode()).hexdigest()


def is_needed(tx: Tx, user_id: str) -> bool:
    """Say whether a user who signs in has to give a code."""
    factor = tx.second_factors.get(user_id)
    return factor is not None and factor.confirmed_at is not None


def take(tx: Tx, user_id: str, code: str) -> bool:
    """Take a code and say whether it was one; the same is never taken again."""
    factor, key = tx.second_factors.get(user_id), tx.secrets.get(KIND, user_id)
    after = advance(factor, key, code, tx.now) if factor and key else None
    if after is not None:
        tx.second_factors.put(after)
    return after is not None


def forget(tx: Tx, user_id: str) -> bool:
    """Forget a user's second factor with its secret, and say whether there was one."""
    tx.secrets.delete(user_id, KIND)
    return tx.second_factors.delete(user_id)


def advance(factor: SecondFactor, key: bytes, code: str, now: datetime) -> SecondFactor | None:
    """Give the factor after a code was taken, None where it is not one now."""
    given, present = _plain(code), int(now.timestamp()) // PERIOD_S
    for step in (present + drift for drift in _DRIFT):
        if step > factor.last_step and hmac.compare_digest(code_at(key, step).encode(), given.encode()):
            return replace(factor, last_step=step)
    if (used := digest(code)) in factor.recovery:
        return replace(factor, recovery=tuple(each for each in factor.recovery if each != used))
    return None


def _plain(code: str) -> str:
    return code.replace(" ", "").replace("-", "").lower()[:64]


def _totp(key: bytes) -> TOTP:
    return TOTP(key, DIGITS, SHA1(), PERIOD_S)  # noqa: S303 - RFC 6238's own; apps know no other
