"""Volumes, and all disks of an instance, moved to another pool on their host."""

from __future__ import annotations

from typing import Any

from zcloud.domain.errors import InUse, WrongState
from zcloud.domain.instance import Instance, InstanceStatus
from zcloud.domain.operation import Operation
from zcloud.domain.people import Actor
from zcloud.domain.storage import Pool, Volume, VolumeState
from zcloud.drivers import registry
from zcloud.services import admission
from zcloud.services.context import Services, Subject, begin, expect
from zcloud.services.owned import begin_verb, check_state, find
from zcloud.services.rehearsing import rehearse
from zcloud.services.snapshots import check_no_snapshot
from zcloud.services.volumes import check_unshared, common_host, find_pool, find_volume
from zcloud.store import Tx


class Moving:
    """The service behind ``zcloud volume move`` and ``zcloud instance move``."""

    def __init__(self, services: Services) -> None:
        self._store = services.store

    def move_volume(self, actor: Actor, project: str, ref: str, pool: str, revision: int | None = None) -> Operation:
        """Move a volume, while its guest runs, too; it holds room in both pools until it is there.

        Raises NotFound, WrongState (it is there already, its guest is paused), InUse (snapshots), Busy, PoolFull.
        """

        return self._store.transact(lambda tx: _move_volume(tx, actor, project, ref, pool, revision))

    def move_instance(self, actor: Actor, project: str, ref: str, pool: str, revision: int | None = None) -> Operation:
        """Move all disks of an instance that are not there yet; raises as ``move_volume`` does."""
        return self._store.transact(lambda tx: _move_instance(tx, actor, project, ref, pool, revision))

    def explain_volume(self, actor: Actor, ref: str, pool: str) -> Operation:
        """Give the operation that a move would begin; changes nothing. Raises as ``move_volume`` does."""
        return rehearse(self._store, lambda tx: _move_volume(tx, actor, "", ref, pool))

    def explain_instance(self, actor: Actor, ref: str, pool: str) -> Operation:
        """Give the operation that a move would begin; changes nothing. Raises as ``move_volume`` does."""
        return rehearse(self._store, lambda tx: _move_instance(tx, actor, "", ref, pool))

    def again(self, actor: Actor, old: Operation) -> Operation:
        """Ask once more for a move that failed; raises as that does."""
        pool, volumes = str(old.args["pool"]), list(old.args["volumes"])
        if old.resource_kind == "volume" or len(volumes) == 1:
            return self.move_volume(actor, "", volumes[0], pool)
        return self.move_instance(actor, "", old.resource_id, pool)


def _move_volume(tx: Tx, actor: Actor, project: str, ref: str, pool: str, revision: int | None = None) -> Operation:
    volume = find_volume(tx, actor, project, ref)
    expect(volume, revision)
    if volume.instance_id:
        return _move(tx, actor, tx.instances.get(volume.instance_id), [volume], pool)
    check_unshared(tx, volume)
    host_id = common_host(tx, tx.pools.get(volume.pool_id), find_pool(tx, pool))
    target = _target(tx, [volume], pool, host_id)
    subject = Subject("volume", volume.id, volume.name, volume.project_id)
    operation = begin(tx, actor, "move", "volume_move_v1", subject, **_args([volume], target, host_id))
    _take(tx, [volume], target, operation)
    return operation


def _move_instance(tx: Tx, actor: Actor, project: str, ref: str, pool: str, revision: int | None = None) -> Operation:
    instance = find(tx, actor, project, ref)
    expect(instance, revision)
    return _move(tx, actor, instance, tx.volumes.of_instance(instance.id), pool)


def _move(tx: Tx, actor: Actor, instance: Instance, volumes: list[Volume], pool: str) -> Operation:
    check_state(instance, "move")
    if instance.saved:
        raise WrongState(
            f"The memory of {instance.name} was saved beside its disks.",
            hint=f"Forget it first: `zcloud instance discard-saved {instance.name}`.",
        )
    target = _target(tx, volumes, pool, instance.host_id)
    moved = [each for each in volumes if each.pool_id != target.id]
    for each in moved:
        each.attachment.check_direct(direct_io=registry.has_direct_io(target))
        check_no_snapshot(tx, each)
    if any(not each.slot for each in moved) and (instance.cd_image_id or instance.driver_image_id):
        raise WrongState(
            f"{instance.name} has a CD in a drive, which lies where its root disk does.", hint="Take it out first."
        )
    live = instance.status is InstanceStatus.RUNNING
    args = _args(moved, target, instance.host_id)
    operation = begin_verb(tx, actor, instance, "move", **{**args, "owner": instance.id, "live": live})
    _take(tx, moved, target, operation)
    return operation


def _target(tx: Tx, volumes: list[Volume], pool: str, host_id: str) -> Pool:
    """Give the pool that volumes are to lie in; raises what tells why they cannot."""
    target = find_pool(tx, pool, host_id)
    if all(each.pool_id == target.id for each in volumes):
        raise WrongState(f"Nothing is to be moved: it is in the pool {target.name} already.")
    for each in volumes:
        if each.state is not VolumeState.READY:
            raise WrongState(f"The volume {each.name} is {each.state}.")
        if over := tx.volumes.over([each.id]):
            raise InUse(f"Disks of linked clones lie over {each.name}: {over[0].name}.", hint="Delete them first.")
    return target


def _args(volumes: list[Volume], target: Pool, host_id: str) -> dict[str, Any]:
    sources = {each.id: each.pool_id for each in volumes}
    return {"volumes": sources, "pool": target.id, "host": host_id, "owner": "", "live": False}


def _take(tx: Tx, volumes: list[Volume], target: Pool, operation: Operation) -> None:
    """Give the volumes to the operation, and claim their room in the new pool beside that in the old one.

    One whose guest runs becomes as large in the old pool first as it has to be in the new one.
    """
    for each in volumes:
        tx.volumes.lock(each.id, operation.id)
        size = registry.whole_size(target, each.size)
        for pool in (target, tx.pools.get(each.pool_id)) if size > each.size else (target,):
            admission.claim_volume(tx, pool, each.id, size)
