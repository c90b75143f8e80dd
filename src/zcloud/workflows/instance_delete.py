"""Delete an instance, with or without its disks."""

from __future__ import annotations

from zcloud.domain.errors import ZcloudError
from zcloud.domain.instance import InstanceStatus
from zcloud.domain.storage import VolumeRole
from zcloud.operations.model import Step, Workflow
from zcloud.store import Tx
from zcloud.workflows import parts
from zcloud.workflows.context import Run


def _remove_all(run: Run) -> None:
    if run.read(lambda tx: tx.volumes.of_instance(run.resource_id)):
        parts.remove_volumes(run)


def _remove_artifacts(run: Run) -> None:
    # An instance whose creation failed has no volumes any more, and its artifacts went with them.
    if run.read(lambda tx: tx.volumes.of_instance(run.resource_id)):
        parts.remove_artifacts(run)


def _succeed(run: Run, tx: Tx) -> None:
    instance = tx.instances.get(run.resource_id)
    kept = set(run.args.get("keep", ()))
    for volume in tx.volumes.of_instance(instance.id):
        if volume.id in kept:
            tx.volumes.update(volume.id, instance_id=None, slot=None, role=VolumeRole.DATA)
        else:
            tx.claims.release(volume.id)
            tx.volumes.delete(volume.id)
    for port in tx.ports.of_instance(instance.id):
        tx.ports.delete(port.id)
    for snapshot in tx.snapshots.of_instance(instance.id):
        tx.claims.release(snapshot.id)
    tx.readers.remove_instance(instance.id)
    tx.claims.release(instance.id)
    tx.secrets.delete(instance.id)
    tx.instances.delete(instance.id)


def _fail(run: Run, tx: Tx, error: ZcloudError) -> None:
    """The instance stays, to be deleted again once the cause is mended; it is off by now or soon."""
    trashed = bool(tx.instances.get(run.resource_id).trash)
    status = InstanceStatus.TRASHED if trashed else InstanceStatus.ERROR
    tx.instances.update(run.resource_id, status=status, error=error.to_record())


INSTANCE_DELETE = Workflow(
    name="instance_delete_v1",
    title="Delete an instance",
    steps=(
        Step("undefine", "Take the power away and remove the domain", parts.undefine),
        Step("ports", "Take the network ports back", parts.remove_ports),
        Step("artifacts", "Remove seed, variables and log", _remove_artifacts),
        Step("volumes", "Remove the volumes", _remove_all),
    ),
    succeed=_succeed,
    fail=_fail,
    cancellable=False,
)
