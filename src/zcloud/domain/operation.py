"""Operations: every change is one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class OperationStatus(StrEnum):
    """Where an operation is in its life."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"  # for an event; holds no worker
    BLOCKED = "blocked"  # its host does not answer
    UNDOING = "undoing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


ENDED = frozenset({OperationStatus.SUCCEEDED, OperationStatus.FAILED, OperationStatus.CANCELLED})


class StepStatus(StrEnum):
    """How far a step is."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    UNDONE = "undone"
    LEFT = "left"  # could not be undone, or tidied up


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One step as people see it."""

    seq: int
    name: str
    title: str
    status: StepStatus
    started_at: datetime | None
    ended_at: datetime | None
    done: int  # progress within the step
    total: int  # 0: unknown
    detail: str


@dataclass(frozen=True, slots=True)
class Operation:
    """The record of an operation. ``args`` are plain JSON values without secrets."""

    id: str
    workflow: str  # with its version: instance_create_v1
    verb: str  # create, start, ...
    resource_kind: str  # instance, image, host, ...
    resource_id: str
    resource_name: str
    project_id: str | None
    actor: str  # user name
    args: Mapping[str, Any]
    status: OperationStatus
    steps: tuple[StepRecord, ...]
    error: Mapping[str, Any] | None
    cancel_requested: bool
    may_cancel: bool
    epoch: int  # grows with every takeover
    worker_id: str | None
    wake_at: datetime | None
    wait_reason: str
    retry_of: str | None
    request_id: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    parent_id: str | None = None  # the operation that began it as a part of itself


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened; ``seq`` is the cursor of the event stream."""

    seq: int
    time: datetime
    kind: str  # instance.state, operation.step, host.lost, drift.power, ...
    project_id: str | None
    resource_kind: str
    resource_id: str
    resource_name: str
    actor: str
    message: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who asked for what, and how it was answered."""

    seq: int
    time: datetime
    actor: str
    address: str
    request_id: str
    action: str  # "POST /v1/instances"
    resource: str
    outcome: str  # ok, or the error's code
    detail: str
