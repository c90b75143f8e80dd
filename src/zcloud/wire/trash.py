"""The trash: deleted instances that can still be brought back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from pydantic import StringConstraints

from zcloud.wire.base import OptionalRef, Request
from zcloud.wire.operations import Operation

OptionalName = Annotated[str, StringConstraints(max_length=63, pattern=r"^([a-z0-9]([a-z0-9-]*[a-z0-9])?)?$")]


class TrashRestore(Request):
    """How to bring it back; without ``name`` it has its own again."""

    name: OptionalName = ""


class TrashEmpty(Request):
    """Whose trash is emptied; without ``project`` the caller's only one."""

    project: OptionalRef = ""


@dataclass(frozen=True, slots=True)
class Trashed:
    """An instance in the trash; ``until`` it can be brought back."""

    id: str
    name: str
    project: str
    host: str
    vcpus: int
    memory_mib: int
    disk_size: int
    tags: tuple[str, ...]
    protected: bool
    operation_id: str | None
    at: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Emptied:
    """The operations that remove what was in the trash."""

    operations: tuple[Operation, ...]
