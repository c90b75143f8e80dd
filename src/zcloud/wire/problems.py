"""Errors as the API tells them (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Problem:
    """An error: a stable ``code``, what happened, what was left or undone, what to do, and details for programs."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    left: str
    hint: str
    request_id: str
    details: Mapping[str, Any]
