"""Projects, their members and quotas."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from zcloud.wire.base import Bytes, Count, Line, Name, Request


class QuotaLimits(Request):
    """Limits; null is unlimited."""

    instances: Count | None = None
    vcpus: Count | None = None
    memory_mib: Count | None = None
    volume_bytes: Bytes | None = None


class ProjectCreate(Request):
    """A project."""

    name: Name
    description: Line = ""
    quota: QuotaLimits = QuotaLimits()


class ProjectChange(Request):
    """What is to be changed of a project; what is not given stays."""

    description: Line = ""
    quota: QuotaLimits = QuotaLimits()


class MemberSet(Request):
    """A user's role in a project."""

    role: Literal["operator", "member", "viewer"]


@dataclass(frozen=True, slots=True)
class Quota:
    """Limits; null is unlimited."""

    instances: int | None
    vcpus: int | None
    memory_mib: int | None
    volume_bytes: int | None


@dataclass(frozen=True, slots=True)
class Project:
    """A project."""

    id: str
    name: str
    description: str
    quota: Quota
    created_at: datetime
    revision: int


@dataclass(frozen=True, slots=True)
class Member:
    """A user's role in a project."""

    user_id: str
    user: str
    role: str


@dataclass(frozen=True, slots=True)
class Usage:
    """What a project takes of its quota."""

    instances: int
    vcpus: int
    memory_mib: int
    volume_bytes: int


@dataclass(frozen=True, slots=True)
class ProjectDetail:
    """A project with its members and what it uses."""

    id: str
    name: str
    description: str
    quota: Quota
    created_at: datetime
    revision: int
    members: tuple[Member, ...]
    usage: Usage
