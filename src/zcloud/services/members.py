"""How a group's operation has its members started and stopped: each by an operation of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from zcloud.base.ids import new_id
from zcloud.domain.errors import Busy, Superseded, ZcloudError
from zcloud.domain.instance import Instance, InstanceStatus
from zcloud.domain.operation import Operation, OperationStatus
from zcloud.domain.people import Actor, Role
from zcloud.services.instances import admit_stop
from zcloud.services.starting import begin_start
from zcloud.store import Store, Tx

_ON = frozenset({InstanceStatus.RUNNING, InstanceStatus.PAUSED})
Admit = Callable[[Tx, Actor, Instance], Operation]


class MemberPower:
    """What ``workflows.context.MemberPower`` asks for.

    A member is admitted as if a person had asked, in one transaction in which the group's operation is still its
    holder's; one that is refused is recorded as failed, so that it is not asked for again.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def start(self, parent: Operation, instance_id: str) -> None:
        """Begin a member's start, once; one that is busy is left for later. Raises Superseded."""
        self._store.transact(lambda tx: _begin(tx, parent, instance_id, "start", begin_start))

    def stop(self, parent: Operation, instance_id: str) -> None:
        """Begin a member's stop, once, as ``start``; ``force`` and ``deadline_s`` are the group's."""
        force, deadline_s = bool(parent.args["force"]), int(parent.args["deadline_s"])

        def admit(tx: Tx, actor: Actor, instance: Instance) -> Operation:
            return admit_stop(tx, actor, instance, force=force, deadline_s=deadline_s)

        self._store.transact(lambda tx: _begin(tx, parent, instance_id, "stop", admit))


def _begin(tx: Tx, parent: Operation, instance_id: str, verb: str, admit: Admit) -> None:
    if tx.operations.get(parent.id).epoch != parent.epoch:
        raise Superseded("Another worker has taken this operation over.")
    instance = tx.instances.many([instance_id]).get(instance_id)
    begun = any(each.resource_id == instance_id for each in tx.operations.children(parent.id))
    there = instance is not None and (
        instance.status is InstanceStatus.RUNNING if verb == "start" else instance.status not in _ON
    )
    if instance is None or begun or there:  # a paused one is asked, and refused with what to do
        return
    actor = Actor("", parent.actor, Role.OPERATOR, request_id=parent.request_id, parent_id=parent.id)
    try:
        with tx.attempt():
            admit(tx, actor, instance)
    except Busy:
        return
    except ZcloudError as error:
        tx.operations.add(_refused(tx, parent, instance, verb, error))


def _refused(tx: Tx, parent: Operation, instance: Instance, verb: str, error: ZcloudError) -> Operation:
    return replace(
        parent,
        id=new_id(),
        workflow=f"instance_{verb}_v1",
        verb=verb,
        resource_kind="instance",
        resource_id=instance.id,
        resource_name=instance.name,
        status=OperationStatus.FAILED,
        steps=(),
        error=error.to_record(),
        cancel_requested=False,
        may_cancel=False,
        epoch=0,
        worker_id=None,
        wake_at=None,
        wait_reason="",
        created_at=tx.now,
        started_at=tx.now,
        ended_at=tx.now,
        parent_id=parent.id,
    )
