"""A start is an admission too: the room that a stopped instance gave back is claimed anew."""

from __future__ import annotations

from zcloud.domain.claims import running_claims
from zcloud.domain.instance import Instance, InstanceStatus, Power
from zcloud.domain.operation import Operation
from zcloud.domain.people import Actor
from zcloud.scheduler import Demand
from zcloud.services import admission
from zcloud.services.owned import begin_verb, check_state
from zcloud.store import Tx


def begin_start(tx: Tx, actor: Actor, instance: Instance, revision: int | None = None) -> Operation:
    """Claim room on the instance's host and record the start. Raises WrongState, Busy, NoRoom, QuotaExceeded."""
    check_state(instance, "start")
    cloud = admission.snapshot(tx)
    host = cloud.hosts[instance.host_id]
    demand = Demand(
        vcpus=instance.vcpus,
        memory_mib=instance.memory_mib,
        firmware=instance.firmware.value,
        disks={},
        networks=(),
        host=host.id,
    )
    admission.choose(cloud, instance.project_id, demand)
    operation = begin_verb(tx, actor, instance, "start", incarnation=instance.incarnation + 1)
    admission.take(tx, cloud, running_claims(host.id, instance.id, instance.vcpus, instance.memory_mib))
    tx.instances.update(
        instance.id,
        expect_revision=revision,
        status=InstanceStatus.STARTING,
        desired=Power.RUNNING,
        error=None,
        down_with="",
        bump=True,
    )
    return operation
