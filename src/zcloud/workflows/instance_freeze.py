"""Freeze and thaw the file systems of a guest, by its agent."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from zcloud.domain.errors import DeadlineExceeded, GuestRefused, GuestSilent, HypervisorFailed, ZcloudError
from zcloud.operations.model import Step, Workflow
from zcloud.store import Tx
from zcloud.workflows import parts
from zcloud.workflows.context import Run

_AGENT_S = 20  # a guest flushes all that it has not written yet
_AGAIN = timedelta(seconds=5)


def _ask(run: Run, command: str) -> Any:
    instance = parts.load_instance(run)
    try:
        return run.link(instance.host_id).hypervisor.agent(instance.id, command, {}, timeout_s=_AGENT_S)
    except HypervisorFailed as error:
        raise GuestRefused(f"The guest of {instance.name} refused: {error.message[:500]}") from error


def _freeze(run: Run) -> None:
    """Freeze what is not frozen yet; raises DeadlineExceeded (the time is over), GuestRefused (there is nothing)."""
    if run.now() >= datetime.fromisoformat(run.args["until"]):
        raise DeadlineExceeded("By the time the guest could be asked, it was to be thawed already.")
    if _ask(run, "guest-fsfreeze-status") == "frozen":
        return
    count = _ask(run, "guest-fsfreeze-freeze")
    if not isinstance(count, int) or count < 1:
        raise GuestRefused("The guest has no file system that can be frozen.")


def _thaw(run: Run) -> None:
    """Let the guest write; fine for one that is off, or not frozen."""
    instance = parts.load_instance(run)
    try:
        _ask(run, "guest-fsfreeze-thaw")
    except GuestSilent:
        if not parts.is_off(run.link(instance.host_id).hypervisor, instance.id):
            raise


def _not_frozen(run: Run, tx: Tx) -> None:
    tx.instances.update(run.resource_id, frozen_until=None)


def _kept(run: Run, tx: Tx) -> None:
    """It is on record already."""
    del run, tx


def _freeze_failed(run: Run, tx: Tx, error: ZcloudError) -> None:
    """Whatever could not be undone is thawed as soon as the guest can be asked."""
    steps = tx.operations.get(run.operation.id).steps
    if any(each.status == "left" for each in steps):
        tx.instances.update(run.resource_id, frozen_until=tx.now)
    else:
        _not_frozen(run, tx)
    del error


def _thaw_failed(run: Run, tx: Tx, error: ZcloudError) -> None:
    """The observer asks again."""
    del error
    tx.instances.update(run.resource_id, frozen_until=tx.now + _AGAIN)


INSTANCE_FREEZE = Workflow(
    name="instance_freeze_v1",
    title="Freeze a guest's file systems",
    steps=(Step("freeze", "Have the guest write all it has and hold still", _freeze, _thaw),),
    succeed=_kept,
    fail=_freeze_failed,
)

INSTANCE_THAW = Workflow(
    name="instance_thaw_v1",
    title="Thaw a guest's file systems",
    steps=(Step("thaw", "Let the guest write again", _thaw),),
    succeed=_not_frozen,
    fail=_thaw_failed,
)
