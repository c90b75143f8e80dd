"""A guest's file systems held still for the moment in which its disks are copied or marked, where its agent answers.

Before anything is frozen it is on record until when (``frozen_until``): whatever becomes of the worker, the next one or
the observer thaws.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import timedelta

from zcloud.domain.errors import GuestSilent, HypervisorFailed
from zcloud.domain.instance import Instance
from zcloud.workflows.context import Run

_AGENT_S, _AT_MOST = 10, timedelta(seconds=30)


@contextlib.contextmanager
def held_still(run: Run, instance: Instance) -> Iterator[bool]:
    """Freeze, and thaw at the end; gives whether the guest has written all that it had."""
    with run.store.write() as tx:
        tx.instances.update(instance.id, frozen_until=run.now() + _AT_MOST)
    frozen = False
    with contextlib.suppress(GuestSilent, HypervisorFailed):
        frozen = bool(_ask(run, instance, "guest-fsfreeze-freeze"))
    try:
        yield frozen
    finally:
        thaw(run, instance)


def thaw(run: Run, instance: Instance) -> None:
    """Let the guest write, as far as it is on record that it may be frozen; one that is silent is asked again later."""
    if run.read(lambda tx: tx.instances.get(instance.id)).frozen_until is None:
        return
    with contextlib.suppress(GuestSilent, HypervisorFailed):
        _ask(run, instance, "guest-fsfreeze-thaw")
        with run.store.write() as tx:
            tx.instances.update(instance.id, frozen_until=None)


def _ask(run: Run, instance: Instance, command: str) -> object:
    return run.link(instance.host_id).hypervisor.agent(instance.id, command, {}, timeout_s=_AGENT_S)
