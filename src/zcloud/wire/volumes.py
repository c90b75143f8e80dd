"""Volumes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Volume:
    """A volume; ``size`` is what the guest sees, ``allocated`` what it takes."""

    id: str
    name: str
    project_id: str
    pool_id: str
    role: str
    size: int
    allocated: int
    image_id: str | None
    instance_id: str | None
    slot: int | None
    state: str
    operation_id: str | None
    created_at: datetime
    revision: int
