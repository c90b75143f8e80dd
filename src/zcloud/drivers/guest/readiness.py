"""Decides from what is seen of a guest whether it is ready. Pure: whoever calls it has looked and judges time.

The files are cloud-init's own, made afresh at every boot:
https://cloudinit.readthedocs.io/en/latest/explanation/return_codes.html. All of it is written by the guest and
so never trusted further than about itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from zcloud.domain.instance import Ready
from zcloud.drivers.guest.cloudinit import ready_marker

RESULT_FILE = "/run/cloud-init/result.json"
STATUS_FILE = "/run/cloud-init/status.json"
_MAX_ERRORS = 20
_MAX_TEXT = 300
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
# What firmware, boot loader, kernel and init say when they give up.
_DEAD_END = re.compile(
    r"^.*(?:Kernel panic - not syncing|You are in emergency mode|Entering emergency mode|grub rescue>"
    r"|No bootable device|BdsDxe: No bootable option|Boot failed: not a bootable disk).*$",
    re.MULTILINE,
)


class Agent(StrEnum):
    """How the guest agent answers."""

    SILENT = "silent"
    NO_FILES = "no_files"  # it answers, but its file commands are switched off, as on RHEL
    ANSWERS = "answers"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was seen since the guest's last start; a file is None where the agent says that there is none."""

    instance_id: str
    agent: Agent = Agent.SILENT
    result: bytes | None = None
    status: bytes | None = None
    console: str = ""


@dataclass(frozen=True, slots=True)
class Readiness:
    """The verdict: its state, one line for people, and the guest's own errors."""

    state: Ready
    detail: str
    errors: tuple[str, ...] = ()


def judge(seen: Evidence) -> Readiness:
    """Give the verdict on a running guest; "waiting" may turn into anything at the next look."""
    if seen.agent is Agent.ANSWERS:
        return _by_files(seen)
    if _marked(seen):
        silent = seen.agent is Agent.SILENT
        detail = "cloud-init is done (seen on the console; "
        return Readiness(Ready.READY, detail + ("the agent is silent)" if silent else "the agent may not read files)"))
    dead_end = _DEAD_END.search(seen.console)
    if dead_end:
        line = _clean(dead_end.group().strip())
        return Readiness(Ready.FAILED, f"the guest does not come up: {line}", (line,))
    if seen.agent is Agent.NO_FILES:
        return Readiness(Ready.WAITING, "the agent answers but may not read files; waiting for the console's word")
    return Readiness(Ready.WAITING, "neither the guest agent nor the console has said anything yet")


def _by_files(seen: Evidence) -> Readiness:
    result, status = _record(seen.result), _record(seen.status)
    if result is not None:
        return _by_result(result, status or {})
    if status is not None:
        return _by_status(status)
    if seen.result is None and seen.status is None:
        return Readiness(Ready.READY, "the guest agent answers; the guest has no cloud-init")
    return Readiness(Ready.WAITING, "cloud-init's state cannot be read yet")


def _by_result(result: dict[str, Any], status: dict[str, Any]) -> Readiness:
    errors = _texts(result.get("errors"))
    if errors:
        return Readiness(Ready.FAILED, f"cloud-init ended with errors: {errors[0]}", errors)
    notes = tuple(note for stage in _stages(status) for note in _recoverable(stage))[:_MAX_ERRORS]
    if notes:
        return Readiness(Ready.READY, f"cloud-init is done, with {len(notes)} warnings", notes)
    return Readiness(Ready.READY, "cloud-init is done")


def _by_status(status: dict[str, Any]) -> Readiness:
    errors = tuple(error for stage in _stages(status) for error in _texts(stage.get("errors")))[:_MAX_ERRORS]
    stage = status.get("stage")
    doing = f"cloud-init is in its stage {_clean(stage)}" if isinstance(stage, str) else "cloud-init is at work"
    return Readiness(Ready.WAITING, doing, errors)


def _marked(seen: Evidence) -> bool:
    marker = re.escape(ready_marker(seen.instance_id))
    return re.search(rf"(?<![\w-]){marker}(?![\w.-])", seen.console) is not None


def _record(content: bytes | None) -> dict[str, Any] | None:
    """Give the ``v1`` record of one of cloud-init's files, or None where it is not (yet) one."""
    try:
        whole = json.loads(content) if content else None
    except (ValueError, RecursionError):
        return None
    record = whole.get("v1") if isinstance(whole, dict) else None
    return record if isinstance(record, dict) else None


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(_clean(each) for each in value[:_MAX_ERRORS]) if isinstance(value, list) else ()


def _stages(status: dict[str, Any]) -> list[dict[str, Any]]:
    return [stage for stage in status.values() if isinstance(stage, dict)]


def _recoverable(stage: dict[str, Any]) -> Iterator[str]:
    """Since 23.4: messages by level. Of these only warnings and worse mean anything to a person."""
    levels = stage.get("recoverable_errors")
    for level in ("CRITICAL", "ERROR", "WARNING"):
        yield from (f"{level}: {text}" for text in _texts(levels.get(level) if isinstance(levels, dict) else None))


def _clean(value: Any) -> str:
    return _CONTROL.sub(" ", str(value)[:_MAX_TEXT])
