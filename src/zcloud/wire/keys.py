"""Stored SSH public keys."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from pydantic import StringConstraints

from zcloud.wire.base import TEXT_PATTERN, Name, Request


class KeyCreate(Request):
    """A public key line, as in ``~/.ssh/id_ed25519.pub``."""

    name: Name
    public_key: Annotated[str, StringConstraints(min_length=1, max_length=8192, pattern=TEXT_PATTERN)]


@dataclass(frozen=True, slots=True)
class Key:
    """A stored public key."""

    id: str
    name: str
    public_key: str
    fingerprint: str
    created_at: datetime
