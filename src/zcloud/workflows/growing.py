"""A guest's file systems, grown by its agent after their disk: what cannot be is told, and fails nothing."""

from __future__ import annotations

from zcloud.domain.errors import GuestRefused, GuestSilent, HypervisorFailed
from zcloud.domain.instance import Instance
from zcloud.domain.storage import Volume
from zcloud.drivers.guest.agent import ask_command, parse_pid, parse_result
from zcloud.drivers.guest.filesystems import KnownDisk
from zcloud.drivers.guest.growing import Growable, plan_growing, tell_end, tell_growth
from zcloud.workflows.context import Run

_AGENT_S, _WITHIN_S, _POLL_S = 5, 60.0, 0.2


def grow_filesystems(run: Run, instance: Instance, disk: KnownDisk) -> str:
    """Grow what the running guest has mounted of a disk; gives a sentence of what came of it."""
    deadline = run.monotonic() + _WITHIN_S  # for all of them
    try:
        found = plan_growing(_ask(run, instance, "guest-get-fsinfo", {}), disk)
        told = [f"{each.mountpoint} {_grow(run, instance, each, disk, deadline)}" for each in found]
    except (GuestSilent, GuestRefused, HypervisorFailed) as error:
        by_hand = "Grow there what lies on it (growpart, then resize2fs, xfs_growfs or btrfs)."
        return f"The guest sees the new size, but its agent was no help: {error.message[:200]} {by_hand}"
    if not told:
        return "The guest sees the new size; it has no file system of it mounted that could be grown."
    return f"In the guest: {'; '.join(told)}."


def tell_off(instance: Instance, volume: Volume) -> str:
    """Say when a guest that is off will use the room."""
    if volume.slot == 0 and instance.image_id and not instance.offline:
        return "At the guest's next start its cloud-init grows the root file system, where it has growpart."
    return "The guest finds the new size at its next start; grow there what lies on the disk."


def _grow(run: Run, instance: Instance, what: Growable, disk: KnownDisk, deadline: float) -> str:
    failure = _execute(run, instance, what.command, deadline) if what.command else what.why
    if failure:
        return f"was not grown ({failure})"
    return tell_growth(what, plan_growing(_ask(run, instance, "guest-get-fsinfo", {}), disk))


def _execute(run: Run, instance: Instance, command: tuple[str, ...], deadline: float) -> str:
    """Run a command in the guest, to its end; gives why it failed, or nothing."""
    try:
        pid = parse_pid(_ask(run, instance, "guest-exec", ask_command(command, "")))
    except HypervisorFailed as error:
        return f"its agent runs no commands: {error.message[:120]}"
    while run.monotonic() < deadline:
        done = parse_result(_ask(run, instance, "guest-exec-status", {"pid": pid}))
        if done.exited:
            return tell_end(done)
        run.sleep(_POLL_S)
    return "the guest is still at it"


def _ask(run: Run, instance: Instance, command: str, arguments: dict[str, object]) -> object:
    return run.link(instance.host_id).hypervisor.agent(instance.id, command, arguments, timeout_s=_AGENT_S)
