"""Change an instance's definition as an operator wrote it."""

from __future__ import annotations

from zcloud.domain.errors import ZcloudError
from zcloud.operations.model import Step, Workflow
from zcloud.store import Tx
from zcloud.workflows import parts
from zcloud.workflows.context import Run


def _define(run: Run) -> None:
    """Define what was written; libvirt checks it against its schema and refuses before it changes anything."""
    parts.redefine(run, lambda _: str(run.args["new"]))


def _define_again(run: Run) -> None:
    """Define what was there before."""
    parts.redefine(run, lambda _: str(run.args["old"]))


def _edited(run: Run, tx: Tx) -> None:
    instance = tx.instances.get(run.resource_id)
    tx.events.add(
        "instance.edited",
        project_id=instance.project_id,
        resource_kind="instance",
        resource_id=instance.id,
        resource_name=instance.name,
        actor=run.operation.actor,
        message=f"The definition of {instance.name} was edited by {run.operation.actor}.",
        data={},
    )


def _as_before(run: Run, tx: Tx, error: ZcloudError) -> None:
    """The definition is the one that was there."""
    del run, tx, error


INSTANCE_EDIT = Workflow(
    name="instance_edit_v1",
    title="Edit an instance's definition",
    steps=(Step("define", "Change the definition", _define, _define_again),),
    succeed=_edited,
    fail=_as_before,
)
