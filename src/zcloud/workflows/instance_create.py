"""Make an instance: base, volumes, ports, seed, domain, power."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from zcloud.domain.claims import running_claims
from zcloud.domain.errors import ZcloudError
from zcloud.domain.instance import InstanceStatus, Ready
from zcloud.domain.pending import as_started
from zcloud.domain.storage import VolumeState
from zcloud.operations.model import Step, Workflow
from zcloud.store import Tx
from zcloud.workflows import parts
from zcloud.workflows.context import Run


def _power_on(run: Run) -> None:
    if run.args["start"]:
        parts.power_on(run)


def _succeed(run: Run, tx: Tx) -> None:
    instance = tx.instances.get(run.resource_id)
    for volume in tx.volumes.of_instance(instance.id):
        tx.volumes.update(volume.id, state=VolumeState.READY)
    if run.args["start"]:
        mark_running(run, tx)
    else:
        tx.instances.update(instance.id, status=InstanceStatus.STOPPED)


def _fail(run: Run, tx: Tx, error: ZcloudError) -> None:
    """Give addresses, volumes and claims back; the record stays and says why."""
    instance = tx.instances.get(run.resource_id)
    tx.claims.release(instance.id)
    for volume in tx.volumes.of_instance(instance.id):
        tx.claims.release(volume.id)
        tx.volumes.delete(volume.id)
    for port in tx.ports.of_instance(instance.id):
        tx.ports.delete(port.id)
    # Without a machine type there is no domain either: the observer does not look for one.
    gone: dict[str, Any] = {"machine": "", "hardware": {}, "ready": Ready.NONE}
    tx.instances.update(instance.id, status=InstanceStatus.ERROR, error=error.to_record(), **gone)


def mark_running(run: Run, tx: Tx) -> None:
    """Record that a new run has begun, of which size, and until when the guest may take to be ready."""
    instance = tx.instances.get(run.resource_id)
    tx.claims.lower(running_claims(instance.host_id, instance.id, instance.vcpus, instance.memory_mib))
    silent = bool(instance.adopted) and not instance.adopted.get("agent")  # nobody would ever say that it is ready
    allowed = timedelta(seconds=int(instance.guest.get("ready_within_s", 600)))
    tx.instances.update(
        instance.id,
        status=InstanceStatus.RUNNING,
        ready=Ready.NONE if silent else Ready.WAITING,
        ready_detail="",
        ready_deadline=tx.now + allowed,
        started_at=tx.now,
        live=as_started(instance),
        error=None,
    )


INSTANCE_CREATE = Workflow(
    name="instance_create_v1",
    title="Create an instance",
    steps=(
        Step("base", "Put the image into the pool", parts.put_base),
        Step("volumes", "Make the volumes", parts.make_volumes, parts.remove_volumes),
        Step("ports", "Admit the network ports", parts.admit_ports, parts.remove_ports),
        Step("seed", "Write the guest's seed", parts.write_seed, parts.remove_artifacts),
        Step("define", "Define the domain", parts.define, parts.undefine),
        Step("start", "Start the guest", _power_on, parts.power_off),
    ),
    succeed=_succeed,
    fail=_fail,
)
