"""Groups: instances that are started in an order, and stopped the other way round."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from zcloud.wire.base import Flag, Name, OptionalRef, Request


class GroupCreate(Request):
    """An empty group; without ``project`` in the caller's only one."""

    name: Name
    project: OptionalRef = ""


class GroupChange(Request):
    """Another name."""

    name: Name


class GroupPlace(Request):
    """Where an instance stands in its group.

    Those of a lower ``order`` start before it, those of the same one with it. Those after it wait ``until`` it is
    started, or says that it is ready, and ``delay_s`` more. Where it does not get there, they are not started, or the
    start goes on without it (``otherwise``).
    """

    order: Annotated[int, Field(strict=True, ge=0, le=1000)]
    until: Literal["started", "ready"] = "started"
    delay_s: Annotated[int, Field(strict=True, ge=0, le=3600)] = 0
    otherwise: Literal["stop", "go-on"] = "stop"


class GroupStop(Request):
    """How its guests are stopped: asked, with so long for each; with ``force`` their power is taken."""

    force: Flag = False
    deadline_s: Annotated[int, Field(strict=True, ge=1, le=3600)] = 90


@dataclass(frozen=True, slots=True)
class GroupMember:
    """An instance in a group; ``stand`` is how it stands to those after it: away, coming, there or failed."""

    instance_id: str
    name: str
    status: str
    ready: str
    order: int
    until: str
    delay_s: int
    otherwise: str
    stand: str


@dataclass(frozen=True, slots=True)
class GroupPlan:
    """Who would be started or stopped: names in the order of time, those together that go together."""

    waves: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Group:
    """A group with its members in the order in which they start."""

    id: str
    name: str
    project_id: str
    members: tuple[GroupMember, ...]
    operation_id: str | None
    created_at: datetime
    revision: int
