"""Events: what happened, in the order in which it was committed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened; ``seq`` is the id in the stream of events."""

    seq: int
    time: datetime
    kind: str
    project_id: str | None
    resource_kind: str
    resource_id: str
    resource_name: str
    actor: str
    message: str
    data: Mapping[str, Any]
