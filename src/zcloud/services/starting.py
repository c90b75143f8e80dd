"""A start is an admission too: the room that a stopped instance gave back is claimed anew."""

from __future__ import annotations

from zcloud.domain.instance import Instance, InstanceStatus, Power
from zcloud.domain.operation import Operation
from zcloud.domain.people import Actor
from zcloud.services import admission
from zcloud.services.owned import begin_verb, check_state
from zcloud.store import Tx


def begin_start(tx: Tx, actor: Actor, instance: Instance, revision: int | None = None) -> Operation:
    """Claim room on the instance's host and record the start. Raises WrongState, Busy, NoRoom, QuotaExceeded."""
    check_state(instance, "start")
    cloud = admission.admit_run(tx, instance)
    operation = begin_verb(tx, actor, instance, "start", incarnation=instance.incarnation + 1)
    admission.take_run(tx, cloud, instance)
    tx.instances.update(
        instance.id,
        expect_revision=revision,
        status=InstanceStatus.STARTING,
        desired=Power.RUNNING,
        error=None,
        down_with="",
        frozen_until=None,
        bump=True,
    )
    return operation
