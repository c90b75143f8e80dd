"""What a domain's state means for its instance. Pure: records in, a verdict out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from zcloud.domain.instance import Instance, InstanceStatus, Power
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
_NOT_OURS = frozenset({InstanceStatus.BUILDING, InstanceStatus.DELETING})
_WHY_OFF: Mapping[str, str] = {
    "shutdown": "the guest shut itself down",
    "destroyed": "its power was taken outside zcloud",
    "crashed": "its process ended unexpectedly",
    "failed": "it could not be started outside zcloud",
    "daemon": "libvirt was restarted and did not find it any more",
}
_NO_SPACE = frozenset({"enospc", "nospace", ""})  # after a restart of ours the reason is not known any more


@dataclass(frozen=True, slots=True)
class Verdict:
    """A change that was seen: the instance's new status, the event's kind, and one sentence for people."""

    status: InstanceStatus
    event: str
    message: str
    surprising: bool
    paused_for: str = ""  # "space": it goes on by itself once there is some


def judge(instance: Instance, facts: DomainFacts | None, io_reason: str = "") -> Verdict | None:
    """Give what changed, or None. ``io_reason`` is what the last I/O error of the domain said.

    An instance on which an operation works is left to that operation.
    """
    if instance.operation_id is not None or instance.status in _NOT_OURS or not _was_made(instance):
        return None
    if facts is None:
        if instance.status is InstanceStatus.MISSING:
            return None
        return Verdict(
            InstanceStatus.MISSING,
            "drift.deleted",
            f"The domain of {instance.name} was removed outside zcloud; its disks are still there.",
            surprising=True,
        )
    status = _STATUS.get(facts.state, InstanceStatus.UNKNOWN)
    if status is instance.status or (status is InstanceStatus.STOPPED and instance.status is InstanceStatus.ERROR):
        return None
    return _changed(instance, status, facts, io_reason)


def _was_made(instance: Instance) -> bool:
    return not (instance.status is InstanceStatus.ERROR and instance.machine == "")


def _changed(instance: Instance, status: InstanceStatus, facts: DomainFacts, io_reason: str) -> Verdict:
    name = instance.name
    if status is InstanceStatus.STOPPED:
        why = _WHY_OFF.get(facts.reason, f"reason: {facts.reason}")
        by_guest = facts.reason == "shutdown"
        return Verdict(status, "instance.stopped", f"{name} is off: {why}.", surprising=not by_guest)
    if status is InstanceStatus.PAUSED and facts.reason in ("ioerror", "io_error"):
        if io_reason in _NO_SPACE:
            message = f"{name} was paused: no space is left in its storage pool. It goes on once there is some."
            return Verdict(status, "instance.io_error", message, surprising=True, paused_for="space")
        message = f"{name} was paused: one of its disks failed ({io_reason or 'no reason given'})."
        return Verdict(status, "instance.io_error", message, surprising=True)
    if status is InstanceStatus.RUNNING:
        outside = instance.desired is Power.STOPPED
        message = f"{name} was started outside zcloud." if outside else f"{name} runs."
        return Verdict(status, "drift.power" if outside else "instance.running", message, surprising=outside)
    return Verdict(status, "drift.power", f"{name} was paused outside zcloud ({facts.reason}).", surprising=True)
