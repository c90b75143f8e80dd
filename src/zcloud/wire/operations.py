"""Operations: every change that touches a host is one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Resource:
    """What an operation or event is about; ``url`` is where it can be read."""

    kind: str
    id: str
    name: str
    url: str


@dataclass(frozen=True, slots=True)
class Step:
    """One step with its progress; ``total`` 0 means that the end is not known."""

    seq: int
    name: str
    title: str
    status: str
    started_at: datetime | None
    ended_at: datetime | None
    done: int
    total: int
    detail: str


@dataclass(frozen=True, slots=True)
class OperationError:
    """Why an operation failed, or what it waits for; the codes are those of problems."""

    code: str
    message: str
    left: str
    hint: str
    details: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation; ``status`` is queued, running, waiting, blocked, undoing, succeeded, failed or cancelled.

    ``parent_id`` is the operation whose part it is: a group's.
    """

    id: str
    verb: str
    status: str
    resource: Resource
    project_id: str | None
    actor: str
    steps: tuple[Step, ...]
    error: OperationError | None
    may_cancel: bool
    cancel_requested: bool
    wait_reason: str
    request_id: str
    parent_id: str | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Accepted:
    """The answer 202: the operation that does it, the thing that it is done to, and what is unwise about it."""

    operation: Operation
    resource: Resource
    warnings: tuple[str, ...] = ()
