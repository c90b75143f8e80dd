"""What a domain's state means for its instance. Pure: records in, a verdict out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from zcloud.domain.instance import Instance, InstanceStatus
from zcloud.ports import DomainFacts, DomainState

_STATUS: Mapping[DomainState, InstanceStatus] = {
    DomainState.RUNNING: InstanceStatus.RUNNING,
    DomainState.BLOCKED: InstanceStatus.RUNNING,
    DomainState.SHUTDOWN: InstanceStatus.RUNNING,  # on its way down, not there yet
    DomainState.PAUSED: InstanceStatus.PAUSED,
    DomainState.SUSPENDED: InstanceStatus.PAUSED,
    DomainState.SHUTOFF: InstanceStatus.STOPPED,
    DomainState.CRASHED: InstanceStatus.STOPPED,
}
_NOT_OURS = frozenset({InstanceStatus.BUILDING, InstanceStatus.DELETING, InstanceStatus.TRASHED})
_WERE_OFF = frozenset({InstanceStatus.STOPPED, InstanceStatus.SAVED, InstanceStatus.ERROR, InstanceStatus.MISSING})
_WHY_OFF: Mapping[str, str] = {
    "shutdown": "the guest shut itself down",
    "destroyed": "its power was taken outside zcloud",
    "crashed": "its process ended unexpectedly",
    "saved": "its memory was saved to disk outside zcloud",
    "failed": "it could not be started outside zcloud",
    "daemon": "libvirt was restarted and did not find it any more",
}
_PASSING = frozenset(  # libvirt pauses a domain for a moment while it does these
    {"starting_up", "shutting_down", "migration", "postcopy", "save", "dump", "snapshot", "from_snapshot"}
)
_NO_SPACE = frozenset({"enospc", "nospace", ""})  # after a restart of ours the reason is not known any more


@dataclass(frozen=True, slots=True)
class Verdict:
    """A change that was seen: the instance's new status, the event's kind, and one sentence for people.

    ``began``: it was started outside zcloud, so its readiness is looked for anew. ``undefined``: it runs, but its
    definition was removed. ``paused_for`` "space": it goes on by itself once there is some; "disk": one failed.
    """

    status: InstanceStatus
    event: str
    message: str
    surprising: bool = True
    began: bool = False
    undefined: bool = False
    paused_for: str = ""


def agrees(status: InstanceStatus, facts: DomainFacts | None) -> bool:
    """Tell at a glance that there is nothing to judge; most instances are settled by this."""
    if status is InstanceStatus.TRASHED:
        return True
    if facts is None:
        return status is InstanceStatus.MISSING
    seen = _STATUS.get(facts.state)
    return facts.persistent and (seen is status or (seen is InstanceStatus.STOPPED and status is InstanceStatus.SAVED))


def judge(instance: Instance, facts: DomainFacts | None, io_reason: str = "") -> Verdict | None:
    """Give what changed, or None. ``io_reason`` is what the last I/O error of the domain said.

    An instance on which an operation works is left to that operation.
    """
    if instance.operation_id is not None or instance.status in _NOT_OURS or not _was_made(instance):
        return None
    if facts is None:
        return None if instance.status is InstanceStatus.MISSING else _gone(instance)
    status = _STATUS.get(facts.state)
    if status is None or (status is InstanceStatus.PAUSED and facts.reason in _PASSING):
        return None  # libvirt itself does not know, or will tell in a moment
    off_as_known = status is InstanceStatus.STOPPED and instance.status in (InstanceStatus.ERROR, InstanceStatus.SAVED)
    if status is not instance.status and not off_as_known:
        return _changed(instance, status, facts, io_reason)
    if facts.persistent or status is InstanceStatus.STOPPED or instance.observed.get("undefined"):
        return None
    return _undefined(instance)


def _was_made(instance: Instance) -> bool:
    return not (instance.status is InstanceStatus.ERROR and instance.machine == "")


def _gone(instance: Instance) -> Verdict:
    message = f"The domain of {instance.name} was removed outside zcloud; its disks are still there."
    if instance.status is InstanceStatus.UNKNOWN:
        message = f"The domain of {instance.name} is not on its host."
    return Verdict(InstanceStatus.MISSING, "drift.deleted", message)


def _undefined(instance: Instance) -> Verdict:
    message = f"The definition of {instance.name} was removed outside zcloud; it runs on until its power ends."
    return Verdict(instance.status, "drift.deleted", message, undefined=True)


def _changed(instance: Instance, status: InstanceStatus, facts: DomainFacts, io_reason: str) -> Verdict:
    name, undefined = instance.name, not facts.persistent
    if status is InstanceStatus.STOPPED:
        if instance.status is InstanceStatus.MISSING:
            return Verdict(status, "drift.definition", f"The domain of {name} is there again, and off.")
        why = _WHY_OFF.get(facts.reason, f"reason: {facts.reason}")
        if instance.down_with:
            why = "it went down with its host"
        by_guest = facts.reason == "shutdown"
        return Verdict(status, "instance.stopped", f"{name} is off: {why}.", surprising=not by_guest)
    if status is InstanceStatus.RUNNING:
        if instance.status in _WERE_OFF:
            message = f"{name} was started outside zcloud."
            if instance.saved:
                message += " Its saved memory does not fit its disks any more; discard it."
            return Verdict(status, "drift.power", message, began=True, undefined=undefined)
        if instance.observed.get("paused_by"):
            message = f"{name} was paused by {instance.observed['paused_by']}, and was let go on outside zcloud."
            return Verdict(status, "drift.power", message, undefined=undefined)
        return Verdict(status, "instance.running", f"{name} runs.", surprising=False, undefined=undefined)
    if facts.reason not in ("ioerror", "io_error"):
        message = f"{name} was paused outside zcloud ({facts.reason})."
        return Verdict(status, "drift.power", message, undefined=undefined)
    if io_reason in _NO_SPACE:
        message = f"{name} was paused: no space is left in its storage pool. It goes on once there is some."
        return Verdict(status, "instance.io_error", message, undefined=undefined, paused_for="space")
    message = f"{name} was paused: one of its disks failed ({io_reason or 'no reason given'})."
    return Verdict(status, "instance.io_error", message, undefined=undefined, paused_for="disk")
