"""Operations that are ended by somebody else than the worker that runs them."""

from __future__ import annotations

from collections.abc import Collection

from zcloud.domain.errors import ZcloudError
from zcloud.domain.operation import Operation, OperationStatus
from zcloud.store.store import Tx


def end_operations(tx: Tx, error: ZcloudError, only: Collection[str] | None = None) -> list[Operation]:
    """End what has not ended (all, or ``only`` those) as failed, and tell everybody; gives them as they were."""
    ended = tx.operations.end_unfinished(error.to_record(), only)
    for operation in ended:
        _tell_end(tx, operation, error)
        if operation.parent_id is not None:
            tx.operations.wake_now(operation.parent_id)
    return ended


def _tell_end(tx: Tx, operation: Operation, error: ZcloudError) -> None:
    tx.events.add(
        "operation.ended",
        resource_kind=operation.resource_kind,
        resource_id=operation.resource_id,
        resource_name=operation.resource_name,
        actor=operation.actor,
        project_id=operation.project_id,
        message=f"{operation.verb} {operation.resource_name}: failed. {error.message}",
        data={
            "operation_id": operation.id,
            "workflow": operation.workflow,
            "verb": operation.verb,
            "status": OperationStatus.FAILED.value,
            "error": error.to_record(),
        },
    )
