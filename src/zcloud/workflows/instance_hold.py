"""Pause, resume and reset an instance: its process goes on, and no new run begins."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from zcloud.domain.errors import ZcloudError
from zcloud.domain.instance import InstanceStatus, Ready
from zcloud.operations.model import Step, Workflow
from zcloud.store import Tx
from zcloud.workflows import parts
from zcloud.workflows.context import Run

_NOT_HELD: dict[str, Any] = {"paused_by": "", "paused_for": "", "power_detail": ""}


def _hold(run: Run) -> None:
    """Hold the guest."""
    instance = parts.load_instance(run)
    run.link(instance.host_id).hypervisor.suspend(instance.id)


def _let_go(run: Run) -> None:
    """Let the guest go on."""
    instance = parts.load_instance(run)
    run.link(instance.host_id).hypervisor.resume(instance.id)
    parts.set_clock(run, instance)


def _press_reset(run: Run) -> None:
    instance = parts.load_instance(run)
    run.link(instance.host_id).hypervisor.reset(instance.id)


def _held(run: Run, tx: Tx) -> None:
    """Only its owner lets it go on: whatever holds a guest by itself is noted in ``paused_for``, never here."""
    instance = tx.instances.get(run.resource_id)
    told = f"{instance.name} was paused by {run.operation.actor}."
    observed = {**instance.observed, **_NOT_HELD, "paused_by": run.operation.actor, "power_detail": told}
    tx.instances.update(instance.id, status=InstanceStatus.PAUSED, observed=observed)


def _gone_on(run: Run, tx: Tx) -> None:
    instance = tx.instances.get(run.resource_id)
    observed = {**instance.observed, **_NOT_HELD}
    tx.instances.update(instance.id, status=InstanceStatus.RUNNING, observed=observed)


def _was_reset(run: Run, tx: Tx) -> None:
    """Look for readiness anew where the agent tells it: the console's log still has the words of the boot before."""
    instance = tx.instances.get(run.resource_id)
    if "os" not in instance.observed:
        tx.instances.update(instance.id, ready=Ready.NONE, ready_detail="It was reset, and has no agent to ask.")
        return
    allowed = timedelta(seconds=int(instance.guest.get("ready_within_s", 600)))
    tx.instances.update(
        instance.id,
        ready=Ready.WAITING,
        ready_detail="",
        ready_deadline=tx.now + allowed,
        observed={**instance.observed, "reset_run": instance.incarnation},
    )


def _as_before(run: Run, tx: Tx, error: ZcloudError) -> None:
    """The status was not touched."""
    del run, tx, error


INSTANCE_PAUSE = Workflow(
    name="instance_pause_v1",
    title="Pause an instance",
    steps=(Step("hold", "Hold the guest", _hold, _let_go),),
    succeed=_held,
    fail=_as_before,
)

INSTANCE_RESUME = Workflow(
    name="instance_resume_v1",
    title="Let a paused instance go on",
    steps=(Step("release", "Let the guest go on", _let_go, _hold),),
    succeed=_gone_on,
    fail=_as_before,
)

INSTANCE_RESET = Workflow(
    name="instance_reset_v1",
    title="Reset an instance",
    steps=(Step("reset", "Press the reset button", _press_reset),),
    succeed=_was_reset,
    fail=_as_before,
)
