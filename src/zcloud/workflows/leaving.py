"""What a clone's boot would wait for: disks that stay with the original, as the running guest's fstab tells."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from zcloud.domain.errors import GuestRefused, GuestSilent, HypervisorFailed
from zcloud.domain.instance import Instance
from zcloud.domain.storage import Volume
from zcloud.drivers.compute import devices
from zcloud.drivers.guest.agent import parse_handle, parse_piece
from zcloud.drivers.guest.filesystems import mounts_of
from zcloud.drivers.guest.fstab import MAX_BYTES, PATH, Mount, parse_fstab, waits_for
from zcloud.workflows.context import Run

_AGENT_S = 5


def tell_waits(run: Run, instance: Instance, left: Iterable[Volume], live: str) -> str:
    """Give a sentence of the disks for which a clone would wait at its boot; empty: none, or nobody can tell."""
    try:
        fstab = _read_fstab(run, instance)
        mounted = _ask(run, instance, "guest-get-fsinfo", {})
    except (GuestSilent, GuestRefused, HypervisorFailed):
        return ""
    told = []
    for volume in left:
        disk = devices.find_disk(live, volume.serial)
        places = (mounts_of(mounted, devices.known_disk(disk)) if disk is not None else None) or ()
        told += [f"{volume.name} at {where}" for where in waits_for(fstab, volume.serial, places)]
    if not told:
        return ""
    return f"A clone waits at its boot for what it does not have: {', '.join(told)}. Give that `nofail` in its fstab."


def _read_fstab(run: Run, instance: Instance) -> tuple[Mount, ...]:
    handle = parse_handle(_ask(run, instance, "guest-file-open", {"path": PATH, "mode": "r"}))
    try:
        answer = _ask(run, instance, "guest-file-read", {"handle": handle, "count": MAX_BYTES})
        return parse_fstab(parse_piece(answer, MAX_BYTES))
    finally:
        with suppress(GuestSilent, GuestRefused, HypervisorFailed):
            _ask(run, instance, "guest-file-close", {"handle": handle})


def _ask(run: Run, instance: Instance, command: str, arguments: dict[str, object]) -> object:
    return run.link(instance.host_id).hypervisor.agent(instance.id, command, arguments, timeout_s=_AGENT_S)
