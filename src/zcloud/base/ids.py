"""The only place that makes random names, numbers and secrets."""

from __future__ import annotations

import secrets
import uuid


def new_id() -> str:
    """Give a fresh random UUID (version 4) in its usual form."""
    return str(uuid.uuid4())


def new_secret(nbytes: int = 32) -> str:
    """Give a URL-safe random secret of ``nbytes`` bytes of entropy."""
    return secrets.token_urlsafe(nbytes)


def new_mac() -> str:
    """Give a random MAC address below QEMU's prefix 52:54:00; the store makes sure that none comes twice."""
    tail = secrets.token_bytes(3)
    return "52:54:00:" + ":".join(f"{byte:02x}" for byte in tail)
