"""A guest's file systems, grown by its agent after their disk: what cannot be is told, and fails nothing."""

from __future__ import annotations

from zcloud.domain.errors import GuestRefused, GuestSilent, HypervisorFailed
from zcloud.domain.instance import Instance
from zcloud.drivers.guest.agent import ask_command, parse_pid, parse_result
from zcloud.drivers.guest.filesystems import KnownDisk
from zcloud.drivers.guest.growing import Growable, plan_growing
from zcloud.workflows.context import Run

_AGENT_S, _WITHIN_S, _POLL_S = 5, 8.0, 0.2
_NO_CHANGE = b"NOCHANGE"  # growpart's word, with the code 1, for a partition that is as large already


def grow_filesystems(run: Run, instance: Instance, disk: KnownDisk) -> str:
    """Grow what the running guest has mounted of a disk; gives a sentence of what came of it."""
    try:
        answer = _ask(run, instance, "guest-get-fsinfo", {})
        found = plan_growing(answer, disk)
        told = [f"{each.mountpoint} {_grow(run, instance, each)}" for each in found]
    except (GuestSilent, GuestRefused, HypervisorFailed) as error:
        return f"The guest sees the new size; it grows its file systems itself: {error.message[:200]}"
    if not told:
        return "The guest sees the new size; it has no file system of it mounted that could be grown."
    return f"In the guest: {'; '.join(told)}."


def _grow(run: Run, instance: Instance, what: Growable) -> str:
    for command in what.commands:
        failure = _execute(run, instance, command)
        if failure:
            return f"was not grown ({failure})"
    return f"was not grown ({what.why})" if what.why else "was grown"


def _execute(run: Run, instance: Instance, command: tuple[str, ...]) -> str:
    """Run a command in the guest, to its end; gives why it failed, or nothing."""
    try:
        pid = parse_pid(_ask(run, instance, "guest-exec", ask_command(command, "")))
    except HypervisorFailed as error:
        return f"{command[0]} cannot be run: {error.message[:120]}"
    deadline = run.monotonic() + _WITHIN_S
    while run.monotonic() < deadline:
        done = parse_result(_ask(run, instance, "guest-exec-status", {"pid": pid}))
        if done.exited:
            fine = done.code == 0 or (command[0] == "growpart" and _NO_CHANGE in done.out)
            last = (done.err or done.out).decode(errors="replace").strip().splitlines()[-1:]
            return "" if fine else f"{command[0]}: {' '.join(last)[:120] or f'code {done.code}'}"
        run.sleep(_POLL_S)
    return f"{command[0]} is still at work"


def _ask(run: Run, instance: Instance, command: str, arguments: dict[str, object]) -> object:
    return run.link(instance.host_id).hypervisor.agent(instance.id, command, arguments, timeout_s=_AGENT_S)
