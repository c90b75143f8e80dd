"""Storage pools."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import Field

from zcloud.wire.base import Flag, Name, Options, Ratio, Ref, Request


class PoolCreate(Request):
    """A pool on a host; ``options`` are the driver's own."""

    name: Name
    host: Ref
    driver: Ref = "directory"
    options: Options = Field(default_factory=dict)
    overcommit: Ratio = 2.0
    is_default: Flag = False


class PoolChange(Request):
    """How much more than there is may be promised."""

    overcommit: Ratio


@dataclass(frozen=True, slots=True)
class Pool:
    """A pool; ``promised`` is the sum of its volumes' sizes, ``available`` what the host saw last."""

    id: str
    name: str
    driver: str
    host_id: str | None
    options: Mapping[str, Any]
    overcommit: float
    state: str
    total: int
    available: int
    promised: int
    promisable: int
    observed_at: datetime | None
    is_default: bool
    operation_id: str | None
    created_at: datetime
    revision: int
