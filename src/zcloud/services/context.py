"""What every service is given, and the two questions that every service asks first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from zcloud.base.clock import Clock
from zcloud.base.ids import new_id
from zcloud.domain.errors import Forbidden, NotFound, Reconciling, RevisionMismatch
from zcloud.domain.operation import Operation, OperationStatus
from zcloud.domain.people import Actor, Project, Role
from zcloud.domain.reconcile import KEY as RECONCILING
from zcloud.store import Page, Store, Tx

__all__ = [
    "Page",
    "Services",
    "Subject",
    "Window",
    "authorize",
    "begin",
    "expect",
    "refuse_while_reconciling",
    "resolve_project",
    "visible_projects",
]


@dataclass(frozen=True, slots=True)
class Services:
    """The means of all services: the store, the clock, the cloud's name, and how long its trash is kept."""

    store: Store
    clock: Clock
    zone: str
    trash_days: int = 3


class Revised(Protocol):
    """Anything with a revision."""

    @property
    def revision(self) -> int:
        """Give how often what is desired has changed."""
        ...


@dataclass(frozen=True, slots=True)
class Subject:
    """What an operation is about."""

    kind: str
    id: str
    name: str
    project_id: str | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """Which part of a list: ``sort`` is a field, with ``-`` before it backwards; ``count`` also counts all."""

    sort: str = ""
    cursor: str | None = None
    limit: int = 50
    count: bool = False

    def arguments(self, default_sort: str = "name") -> dict[str, Any]:
        """Give it as the store's pages take it."""
        sort = self.sort or default_sort
        return {"sort": sort, "cursor": self.cursor, "limit": self.limit, "count": self.count}


def authorize(actor: Actor, project_id: str | None, needed: Role, what: str = "It") -> None:
    """Let the actor pass where its role in the project includes ``needed``.

    Raises NotFound where the actor may not even know of the thing, Forbidden where the role is too low.
    """
    role = actor.role_in(project_id)
    if role is None:
        raise NotFound(f"{what} was not found.")
    if not role.includes(needed):
        raise Forbidden(f"This takes the role {needed}; {actor.user_name} is {role} here.")


def visible_projects(actor: Actor) -> set[str] | None:
    """Give the projects whose things the actor may see; None means all."""
    if actor.role is not None:
        return None
    return {project_id for project_id, _ in actor.project_roles}


def resolve_project(tx: Tx, actor: Actor, name_or_id: str, needed: Role) -> Project:
    """Give the project named, or the only one of the actor's; raises NotFound and Forbidden."""
    if not name_or_id:
        mine = [pid for pid, _ in actor.project_roles]
        name_or_id = mine[0] if len(mine) == 1 else "default"
    project = tx.projects.resolve(name_or_id)
    authorize(actor, project.id, needed, f"The project {name_or_id!r}")
    return project


def expect(record: Revised, revision: int | None) -> None:
    """Go on only where the record still has the revision asked for (None: any); raises RevisionMismatch."""
    if revision is not None and record.revision != revision:
        raise RevisionMismatch(f"It was changed since revision {revision}; it is at {record.revision} now.")


def refuse_while_reconciling(tx: Tx) -> None:
    """Raise Reconciling where a restored server has not been told yet to go on."""
    mode = tx.settings.get(RECONCILING)
    if mode is not None:
        raise Reconciling(f"The server was restored from a backup of {mode['taken_at'][:19]} UTC, and changes nothing.")


def begin(tx: Tx, actor: Actor, verb: str, workflow: str, subject: Subject, **args: Any) -> Operation:
    """Record an operation for a worker to run; ``args`` are plain JSON values without secrets. Raises Reconciling."""
    refuse_while_reconciling(tx)
    return tx.operations.add(
        Operation(
            id=new_id(),
            workflow=workflow,
            verb=verb,
            resource_kind=subject.kind,
            resource_id=subject.id,
            resource_name=subject.name,
            project_id=subject.project_id,
            actor=actor.user_name,
            args=args,
            status=OperationStatus.QUEUED,
            steps=(),
            error=None,
            cancel_requested=False,
            may_cancel=True,
            epoch=0,
            worker_id=None,
            wake_at=None,
            wait_reason="",
            retry_of=None,
            request_id=actor.request_id,
            created_at=tx.now,
            started_at=None,
            ended_at=None,
            parent_id=actor.parent_id,
        )
    )
