"""One verb for many instances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from zcloud.wire.base import Flag, Line, OptionalRef, Ref, Request, Tag
from zcloud.wire.operations import Operation

Verb = Literal[
    "start", "stop", "restart", "pause", "resume", "reset", "save", "restore", "discard", "delete", "tag", "untag"
]
Status = Annotated[str, Field(max_length=20, pattern=r"^[a-z]+$")]
Tags = Annotated[tuple[Tag, ...], Field(max_length=32)]


class ActionWhich(Request):
    """Names or ids; or a filter, where all that is given must fit; or ``all``, which saying nothing never means."""

    names: Annotated[tuple[Ref, ...], Field(max_length=200)] = ()
    tags: Tags = ()
    status: Annotated[tuple[Status, ...], Field(max_length=20)] = ()
    host: OptionalRef = ""
    image: OptionalRef = ""
    search: Line = ""
    all: Flag = False


class ActionArguments(Request):
    """``force`` and ``deadline_s`` are of stop and restart, ``purge`` of delete, ``tags`` of tag and untag."""

    force: Flag | None = None
    deadline_s: Annotated[int, Field(strict=True, ge=1, le=3600)] | None = None
    purge: Flag | None = None
    tags: Tags = ()


class ActionRequest(Request):
    """A verb, and which instances; with ``dry_run`` it is only told what would become of each."""

    verb: Verb
    which: ActionWhich
    arguments: ActionArguments = ActionArguments()
    project: OptionalRef = ""
    dry_run: Flag = False


@dataclass(frozen=True, slots=True)
class ActionRefusal:
    """Why it was refused for one instance."""

    code: str
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class ActionResult:
    """What became of one: an operation or a refusal; neither where it was done at once, or would be accepted."""

    id: str
    name: str
    operation: Operation | None
    refusal: ActionRefusal | None


@dataclass(frozen=True, slots=True)
class ActionResults:
    """What became of each instance, in the order of their names or of the request's."""

    dry_run: bool
    results: tuple[ActionResult, ...]
