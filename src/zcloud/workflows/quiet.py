"""A guest held still for the moment in which its disks are copied or marked.

Its file systems are frozen where its agent answers, and it is paused where its disks are marked one after the other.
Before either it is on record (``frozen_until``, ``paused_for``): whatever becomes of the worker, the next one lets the
guest go on, and the observer thaws.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import timedelta

from zcloud.domain.errors import GuestSilent, HypervisorFailed
from zcloud.domain.instance import Instance
from zcloud.workflows import parts
from zcloud.workflows.context import Run

_AGENT_S, _AT_MOST = 10, timedelta(seconds=30)
_MARKING = "snapshot"


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


@contextlib.contextmanager
def held_fast(run: Run, instance: Instance) -> Iterator[None]:
    """Pause the guest, and let it go on at the end; one that is paused already stays so."""
    hypervisor = run.link(instance.host_id).hypervisor
    if parts.is_paused(hypervisor, instance.id):
        yield
        return
    _note(run, instance, _MARKING)
    try:
        hypervisor.suspend(instance.id)
        yield
    finally:
        go_on(run, instance)


def go_on(run: Run, instance: Instance) -> bool:
    """Let a guest go on that is on record as paused by ``held_fast``; gives whether one was."""
    observed = run.read(lambda tx: tx.instances.get(instance.id)).observed
    if observed.get("paused_for") != _MARKING:
        return False
    run.link(instance.host_id).hypervisor.resume(instance.id)
    _note(run, instance, "")
    return True


def _note(run: Run, instance: Instance, paused_for: str) -> None:
    with run.store.write() as tx:
        observed = tx.instances.get(instance.id).observed
        tx.instances.update(instance.id, observed={**observed, "paused_for": paused_for})


def _ask(run: Run, instance: Instance, command: str) -> object:
    return run.link(instance.host_id).hypervisor.agent(instance.id, command, {}, timeout_s=_AGENT_S)
