"""Hosts that are lost for good: what goes with one, and the operation that lets it go."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from zcloud.domain.claims import ProviderKind
from zcloud.domain.errors import HostForgotten, WrongState
from zcloud.domain.host import Host, HostState
from zcloud.domain.operation import Operation, OperationStatus
from zcloud.domain.people import Actor, Role
from zcloud.services.context import Services, Subject, authorize, begin, expect
from zcloud.store import Holdings, Tx, end_operations, holdings

_ASKED = "Forgetting lost hosts"
_HINTS = {
    HostState.UP: "Remove it once nothing is on it: `zcloud host remove {name}`.",
    HostState.DEGRADED: "It answers by SSH: see to its libvirt.",
    HostState.ADDING: "It may still answer; see its operation.",
    HostState.REMOVING: "It answers, and is just being removed.",
}


@dataclass(frozen=True, slots=True)
class LossPlan:
    """What goes when a host is forgotten; nothing was changed.

    ``since``: when it was heard last; ``claimed``: what is given back, by resource; ``projects``: names by id.
    """

    host: Host
    since: datetime
    there: Holdings
    claimed: Counter[str]
    projects: dict[str, str]


class Forgetting:
    """The service behind ``zcloud host forget``."""

    def __init__(self, services: Services) -> None:
        self._store = services.store

    def plan(self, actor: Actor, ref: str) -> LossPlan:
        """Say what goes with a lost host; raises NotFound, WrongState (it is not lost)."""
        authorize(actor, None, Role.ADMIN, _ASKED)
        with self._store.read() as tx:
            host = tx.hosts.resolve(ref)
            since, there = _lost_since(tx, host), holdings(tx, host.id)
            projects = {each.project_id for each in there.instances} | {each.project_id for each in there.volumes}
            names = {id: each.name for id, each in tx.projects.many(projects).items()}
            return LossPlan(host, since, there, _claimed(tx, host, there), names)

    def forget(self, actor: Actor, ref: str, revision: int | None = None) -> Operation:
        """Let a lost host go with all that only it had; raises NotFound, WrongState, RevisionMismatch, Reconciling."""
        authorize(actor, None, Role.ADMIN, _ASKED)

        def work(tx: Tx) -> Operation:
            host = tx.hosts.resolve(ref)
            expect(host, revision)
            since, there = _lost_since(tx, host), holdings(tx, host.id)
            told = {"since": since.isoformat(), "instances": len(there.instances), "volumes": len(there.volumes)}
            if host.operation_id is not None:
                end_operations(tx, _gone(host), [host.operation_id])
            operation = begin(tx, actor, "forget", "host_forget_v1", Subject("host", host.id, host.name), **told)
            tx.hosts.lock(host.id, operation.id)
            tx.hosts.update(host.id, state=HostState.REMOVING)
            return operation

        return self._store.transact(work)


def _gone(host: Host) -> HostForgotten:
    return HostForgotten(f"The host {host.name} was lost, and is forgotten with all that was there.")


def _lost_since(tx: Tx, host: Host) -> datetime:
    """Give since when it does not answer; raises WrongState where it does, or may."""
    if host.state is HostState.LOST:
        return host.state_since or host.created_at
    holder = tx.operations.get(host.operation_id) if host.operation_id else None
    blocked = holder is not None and holder.status is OperationStatus.BLOCKED
    if holder is not None and blocked and host.state in (HostState.ADDING, HostState.REMOVING):
        return holder.started_at or holder.created_at
    raise WrongState(
        f"The host {host.name} is {host.state}; only one that is lost can be forgotten with what is on it.",
        hint=_HINTS[host.state].format(name=host.name),
        status=host.state.value,
    )


def _claimed(tx: Tx, host: Host, there: Holdings) -> Counter[str]:
    going = {host.ref, *(each.ref for each in there.pools)}
    claimed: Counter[str] = Counter()
    for view in (view for kind in ProviderKind for view in tx.claims.views(kind)):
        if view.ref in going:
            claimed.update(view.used)
    return claimed
