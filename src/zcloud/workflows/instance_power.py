"""Start, stop and restart an instance."""

from __future__ import annotations

from datetime import timedelta

from zcloud.domain.claims import ProviderKind, running_claims
from zcloud.domain.errors import DeadlineExceeded, ZcloudError
from zcloud.domain.instance import InstanceStatus, Power, Ready
from zcloud.domain.operation import StepStatus
from zcloud.domain.size import live_size
from zcloud.operations.model import Step, Waiting, Workflow
from zcloud.store import Tx
from zcloud.workflows import parts
from zcloud.workflows.context import Run
from zcloud.workflows.instance_create import mark_running

POLL = timedelta(seconds=2)


def ask_shutdown(run: Run) -> None:
    """Ask the guest to shut down (or take the power where that was asked for)."""
    instance = parts.load_instance(run)
    hypervisor = run.link(instance.host_id).hypervisor
    if run.args.get("force"):
        hypervisor.destroy(instance.id)
        return
    if parts.is_paused(hypervisor, instance.id):
        hypervisor.resume(instance.id)  # a guest that is held cannot shut down
    hypervisor.shutdown(instance.id)


def await_off(run: Run) -> None:
    """Wait until the guest is off; after the deadline it is asked no more and the operation fails."""
    instance = parts.load_instance(run)
    if parts.is_off(run.link(instance.host_id).hypervisor, instance.id):
        return
    now, started = run.now(), run.operation.started_at or run.operation.created_at
    if (now - started).total_seconds() > float(run.args["deadline_s"]):
        raise DeadlineExceeded(
            f"The guest of {instance.name} did not shut down within {run.args['deadline_s']} seconds.",
            left="It was asked to, and is still running.",
            hint=f"Look at its console, or take the power away: `zcloud stop {instance.name} --force`.",
        )
    raise Waiting("The guest is shutting down.", now + POLL)


def _stopped(run: Run, tx: Tx) -> None:
    tx.claims.release(run.resource_id, ProviderKind.HOST)
    tx.instances.update(run.resource_id, status=InstanceStatus.STOPPED, ready=Ready.NONE, ready_detail="")


def _started(run: Run, tx: Tx) -> None:
    mark_running(run, tx)


def start_failed(run: Run, tx: Tx, error: ZcloudError) -> None:
    """It is off, takes nothing of its host, and says why."""
    tx.claims.release(run.resource_id, ProviderKind.HOST)
    tx.instances.update(
        run.resource_id,
        status=InstanceStatus.STOPPED,
        desired=Power.STOPPED,
        ready=Ready.NONE,
        error=error.to_record(),
    )


def _stop_failed(run: Run, tx: Tx, error: ZcloudError) -> None:
    """The guest runs on as before; what failed is told by the operation."""
    del error
    instance = tx.instances.update(run.resource_id, status=InstanceStatus.RUNNING, desired=Power.RUNNING)
    size = live_size(instance)  # what was claimed for a larger next run is given back
    tx.claims.lower(running_claims(instance.host_id, instance.id, size.vcpus, size.memory_mib))


def _restart_failed(run: Run, tx: Tx, error: ZcloudError) -> None:
    """Which half failed decides: a guest that never went down runs on, one that did not come up is off."""
    steps = {each.name: each.status for each in tx.operations.get(run.operation.id).steps}
    if steps[_WAIT.name] is StepStatus.DONE:
        start_failed(run, tx, error)
    else:
        _stop_failed(run, tx, error)


_FIT = Step("fit", "Fit the definition to the host", parts.fit_definition)
_PORTS = Step("ports", "Admit the network ports", parts.admit_ports)
_START = Step("start", "Start the guest", parts.power_on, parts.power_off)
_ASK = Step("ask", "Ask the guest to shut down", ask_shutdown)
_WAIT = Step("wait", "Wait until the guest is off", await_off)

INSTANCE_START = Workflow(
    name="instance_start_v1",
    title="Start an instance",
    steps=(_FIT, _PORTS, _START),
    succeed=_started,
    fail=start_failed,
)

INSTANCE_STOP = Workflow(
    name="instance_stop_v1",
    title="Stop an instance",
    steps=(_ASK, _WAIT),
    succeed=_stopped,
    fail=_stop_failed,
)

INSTANCE_RESTART = Workflow(
    name="instance_restart_v1",
    title="Restart an instance",
    steps=(_ASK, _WAIT, _FIT, _PORTS, _START),
    succeed=_started,
    fail=_restart_failed,
)
