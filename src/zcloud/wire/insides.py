"""What a guest is asked through its agent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from pydantic import Field, StringConstraints

from zcloud.wire.base import TEXT_PATTERN, Line, Request, Secret

Argument = Annotated[str, StringConstraints(max_length=4096, pattern=TEXT_PATTERN)]


class GuestPassword(Request):
    """A user of the guest and the password that it is to have."""

    user: Line
    password: Secret


class GuestCommand(Request):
    """A program with its arguments, run as root without a shell; ``input`` is what it reads."""

    command: Annotated[list[Argument], Field(min_length=1, max_length=100)]
    input: Annotated[str, StringConstraints(max_length=64 << 10, pattern=TEXT_PATTERN)] = ""


class GuestFreeze(Request):
    """For how long at most."""

    seconds: Annotated[int, Field(strict=True, ge=1, le=600)] = 60


class GuestRead(Request):
    """A file, by its path from the guest's root on, and how many bytes of it at most."""

    path: Annotated[str, StringConstraints(min_length=1, max_length=4096, pattern=TEXT_PATTERN)]
    limit: Annotated[int, Field(strict=True, ge=1, le=64 << 10)] = 64 << 10


@dataclass(frozen=True, slots=True)
class GuestFilesystem:
    """A mounted file system as the guest tells it; null where it does not. ``volumes`` are names."""

    mountpoint: str
    type: str
    device: str
    used: int | None
    total: int | None
    volumes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GuestPerson:
    """Somebody who is logged in."""

    name: str
    since: datetime | None


@dataclass(frozen=True, slots=True)
class GuestInfo:
    """What a guest says of itself; empty and null: it does not say. ``ahead_s``: by how much its clock is ahead."""

    os: str
    os_id: str
    os_version: str
    kernel: str
    machine: str
    hostname: str
    timezone: str
    utc_offset_s: int | None
    ahead_s: float | None
    users: tuple[GuestPerson, ...]


@dataclass(frozen=True, slots=True)
class GuestTrimmed:
    """A file system that was trimmed: how many bytes (null: the guest does not say), or why it was not."""

    path: str
    bytes: int | None
    error: str


@dataclass(frozen=True, slots=True)
class GuestProcess:
    """A command that was begun."""

    pid: int


@dataclass(frozen=True, slots=True)
class GuestResult:
    """How a command is; ``out`` and ``err`` are base64, 256 KiB of each at most (``truncated``)."""

    exited: bool
    code: int | None
    signal: int | None
    out: str
    err: str
    truncated: bool


@dataclass(frozen=True, slots=True)
class GuestFile:
    """The beginning of a file, as base64."""

    content: str
