"""Operations as people see them: list, show, wait, cancel, retry."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from zcloud.domain.errors import WrongState
from zcloud.domain.operation import ENDED, Operation, OperationStatus
from zcloud.domain.people import Actor, Role
from zcloud.services.context import Services, Window, authorize, visible_projects
from zcloud.services.retry import Retry
from zcloud.store import ENDED_TOPIC, OperationQuery, Page, Tx

__all__ = ["OperationQuery", "Operations"]


class Operations:
    """The service behind ``zcloud operation``."""

    def __init__(self, services: Services) -> None:
        self._store = services.store
        self._retry = Retry(services)

    def page(self, actor: Actor, query: OperationQuery, window: Window) -> Page[Operation]:
        """List operations that the actor may see, newest first; of ``query`` the projects are set here."""
        with self._store.read() as tx:
            visible = visible_projects(actor)
            which = dataclasses.replace(query, projects=None if visible is None else frozenset(visible))
            return tx.operations.page(which, **window.arguments("-created_at"))

    def show(self, actor: Actor, operation_id: str) -> Operation:
        """Give one operation with its steps; raises NotFound."""
        with self._store.read() as tx:
            return self._find(tx, actor, operation_id, Role.VIEWER)

    def watch(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Have ``callback`` called after operations ended, in any thread; gives what ends that."""
        return self._store.signals.subscribe(ENDED_TOPIC, callback)

    def cancel(self, actor: Actor, operation_id: str) -> Operation:
        """Ask an operation to stop at its next step and undo what it did; raises WrongState."""

        def work(tx: Tx) -> Operation:
            operation = self._find(tx, actor, operation_id, Role.MEMBER)
            if operation.status in ENDED:
                raise WrongState(f"The operation has already {operation.status}.")
            if not operation.may_cancel:
                raise WrongState(
                    "The operation is past the point where it can be cancelled.",
                    hint="Wait for it; `zcloud operation show` has its steps.",
                )
            return tx.operations.request_cancel(operation_id)

        return self._store.transact(work)

    def retry(self, actor: Actor, operation_id: str) -> Operation:
        """Let a blocked or waiting operation go on now; ask again for one that failed or was cancelled.

        Gives the operation that runs. Raises WrongState, and whatever the verb itself raises when asked for again.
        """
        with self._store.read() as tx:
            operation = self._find(tx, actor, operation_id, Role.MEMBER)
        if operation.status in (OperationStatus.BLOCKED, OperationStatus.WAITING):
            return self._store.transact(lambda tx: tx.operations.wake_now(operation_id))
        if operation.status not in ENDED:
            raise WrongState(f"The operation is {operation.status}; it needs no retry.")
        return self._retry.again(actor, operation)

    def _find(self, tx: Tx, actor: Actor, operation_id: str, needed: Role) -> Operation:
        operation = tx.operations.get(operation_id)
        if operation.project_id is None and needed is not Role.VIEWER:
            needed = Role.OPERATOR  # hosts, pools and networks are theirs
        authorize(actor, operation.project_id, needed, "The operation")
        return operation
