"""Storage pools."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import Field

from zcloud.wire.base import Bytes, Flag, Name, OptionalRef, Options, Ratio, Ref, Request


class PoolCreate(Request):
    """A pool on a ``host``, or of a kind that ``hosts`` share (none named: all); ``options`` are the driver's own."""

    name: Name
    host: OptionalRef = ""
    hosts: list[Ref] = Field(default_factory=list, max_length=100)
    driver: Ref = "directory"
    options: Options = Field(default_factory=dict)
    overcommit: Ratio = 2.0
    is_default: Flag = False


class PoolChange(Request):
    """How much more than there is may be promised, and whether it takes no new volumes; absent is as before."""

    overcommit: Ratio | None = None
    draining: Flag | None = None


class PoolGrow(Request):
    """How large the pool itself is to be, in bytes; it can only grow."""

    size: Bytes


@dataclass(frozen=True, slots=True)
class PoolHost:
    """Whether a shared pool can be used on a host, since when that is so, and why where it cannot."""

    host_id: str
    state: str
    reason: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Pool:
    """A pool; ``promised`` is the sum of its volumes' sizes, ``available`` what the host saw last.

    One that hosts share has no ``host_id``: ``only_hosts`` are the ids of those that may use it (none: all), ``joined``
    tells how it is on each. ``draining`` takes no new volumes; ``filling`` is nearly full; ``warning`` says
    what is wrong with what it lies in (a dead OSD of Ceph's), or why it cannot be read.
    """

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
    only_hosts: tuple[str, ...]
    joined: tuple[PoolHost, ...]
    draining: bool
    filling: bool
    warning: str
