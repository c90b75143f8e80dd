"""The audit log: who asked for what, and how it was answered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One changing request; ``outcome`` is ``ok`` or the problem's code."""

    seq: int
    time: datetime
    actor: str
    address: str
    request_id: str
    action: str
    resource: str
    outcome: str
    detail: str
