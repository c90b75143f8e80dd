"""Snapshots of instances: a tree of them, each of all disks that the guest writes to, at one moment."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

from zcloud.base.ids import new_id
from zcloud.domain.errors import AlreadyExists, InUse, NotFound, WrongState
from zcloud.domain.instance import RUNS, Instance, InstanceStatus, Power
from zcloud.domain.names import check_name
from zcloud.domain.operation import Operation
from zcloud.domain.people import Actor, Role
from zcloud.domain.size import wanted_size
from zcloud.domain.snapshot import MAX_SNAPSHOTS, Snapshot, SnapshotState, as_tree
from zcloud.domain.storage import Volume, VolumeState
from zcloud.drivers import registry
from zcloud.drivers.storage.base import Feature
from zcloud.services import admission
from zcloud.services.context import Services, expect
from zcloud.services.memories import admit_memory, check_fits
from zcloud.services.owned import begin_verb, check_state, find
from zcloud.store import Tx


class Snapshots:
    """The service behind ``zcloud snapshot``."""

    def __init__(self, services: Services) -> None:
        self._store = services.store

    def all(self, actor: Actor, project: str, ref: str) -> list[tuple[int, Snapshot, bool]]:
        """List an instance's snapshots as a tree: depth, snapshot, and whether its disks come from it now."""
        with self._store.read() as tx:
            instance = find(tx, actor, project, ref, Role.VIEWER)
            here = instance.hardware.get("snapshot")
            return [(depth, each, each.id == here) for depth, each in as_tree(tx.snapshots.of_instance(instance.id))]

    def create(
        self, actor: Actor, project: str, ref: str, name: str, revision: int | None = None, *, memory: bool = False
    ) -> tuple[Snapshot, Operation]:
        """Take a snapshot of all disks, perhaps with the ``memory`` of a guest that runs.

        What the disks hold now is claimed once more, and so is room for the memory.

        Raises WrongState, Busy, AlreadyExists, PoolCannot, PoolFull, RevisionMismatch.
        """
        check_name(name, "snapshot name")

        def work(tx: Tx) -> tuple[Snapshot, Operation]:
            instance = find(tx, actor, project, ref)
            expect(instance, revision)
            return admit_snapshot(tx, actor, instance, name, memory=memory)

        return self._store.transact(work)

    def revert(
        self, actor: Actor, project: str, ref: str, name: str, revision: int | None = None, *, disks_only: bool = False
    ) -> Operation:
        """Go back to a snapshot; one that runs loses its power, and is started from there.

        With memory the guest goes on from that moment, whether it runs now or not, unless ``disks_only``.
        Raises NotFound, WrongState, Busy, NoRoom, RevisionMismatch.
        """

        def work(tx: Tx) -> Operation:
            instance, snapshot = _find(tx, actor, project, ref, name)
            expect(instance, revision)
            check_state(instance, "revert")
            if snapshot.state is not SnapshotState.READY:
                raise WrongState(f"The snapshot {snapshot.name} is {snapshot.state}.")
            if set(snapshot.disks) - {each.id for each in tx.volumes.of_instance(instance.id)}:
                raise WrongState(
                    f"A disk that the snapshot {snapshot.name} has is no disk of {instance.name} any more."
                )
            if snapshot.memory and not disks_only:
                return _revert_with_memory(tx, actor, instance, snapshot)
            return _revert(tx, actor, instance, snapshot)

        return self._store.transact(work)

    def delete(self, actor: Actor, project: str, ref: str, name: str) -> Operation:
        """Delete a snapshot, anywhere in the tree: those after it stay. Raises NotFound, WrongState, Busy."""

        def work(tx: Tx) -> Operation:
            instance, snapshot = _find(tx, actor, project, ref, name)
            check_state(instance, "delete_snapshot")
            return begin_verb(tx, actor, instance, "delete_snapshot", snapshot=snapshot.id)

        return self._store.transact(work)


def _revert(tx: Tx, actor: Actor, instance: Instance, snapshot: Snapshot) -> Operation:
    runs, run = instance.status in RUNS, instance.incarnation + 1
    if runs:
        admission.grow(tx, instance, wanted_size(instance))
    operation = begin_verb(tx, actor, instance, "revert", snapshot=snapshot.id, start=runs, incarnation=run, force=True)
    status = InstanceStatus.RESTARTING if runs else instance.status
    desired = Power.RUNNING if runs else Power.STOPPED
    tx.instances.update(instance.id, status=status, desired=desired, bump=True)
    return operation


def _revert_with_memory(tx: Tx, actor: Actor, instance: Instance, snapshot: Snapshot) -> Operation:
    check_fits(tx, instance, snapshot)
    runs, run = instance.status in RUNS, instance.incarnation + 1
    if runs:
        admission.grow(tx, instance, wanted_size(instance))
    cloud = None if runs else admission.admit_run(tx, instance)
    operation = begin_verb(tx, actor, instance, "revert_memory", snapshot=snapshot.id, incarnation=run)
    if cloud is not None:
        admission.take_run(tx, cloud, instance)
    status = InstanceStatus.RESTARTING if runs else InstanceStatus.STARTING
    tx.instances.update(instance.id, status=status, desired=Power.RUNNING, bump=True)
    return operation


def admit_snapshot(
    tx: Tx, actor: Actor, instance: Instance, name: str, schedule_id: str | None = None, *, memory: bool = False
) -> tuple[Snapshot, Operation]:
    """Record a snapshot and the operation that takes it. Raises as ``Snapshots.create`` does."""
    verb = "snapshot_memory" if memory else "snapshot"
    check_state(instance, verb)
    others = tx.snapshots.of_instance(instance.id)
    # QEMU marks no disk that it may not write to, and its guest does not change it.
    volumes = [each for each in tx.volumes.of_instance(instance.id) if not each.attachment.read_only]
    if name in {each.name for each in others}:
        raise AlreadyExists(f"The instance {instance.name} has a snapshot {name} already.")
    if len(others) >= MAX_SNAPSHOTS:
        raise WrongState(f"An instance has at most {MAX_SNAPSHOTS} snapshots.", hint="Delete old ones.")
    _check_disks(tx, volumes)
    held: Counter[str] = Counter()
    for each in volumes:
        held[each.pool_id] += min(each.allocated, each.size)
    snapshot = replace(_new(tx, actor, instance, name, volumes), schedule_id=schedule_id)
    args: dict[str, Any] = {}
    if memory:
        pool_id, room, known = admit_memory(tx, instance)
        held[pool_id] += room
        snapshot, args = replace(snapshot, memory=known), {"pool": pool_id, "room": room}
    tx.snapshots.add(snapshot)
    operation = begin_verb(tx, actor, instance, verb, snapshot=snapshot.id, **args)
    for pool_id, size in held.items():
        if size:
            admission.claim_volume(tx, tx.pools.get(pool_id), snapshot.id, size)
    return snapshot, operation


def check_no_snapshot(tx: Tx, volume: Volume) -> None:
    """Go on only where no snapshot of its instance has the volume; raises InUse naming some."""
    names = [each.name for each in tx.snapshots.of_instance(volume.instance_id or "") if volume.id in each.disks]
    if names:
        raise InUse(
            f"Snapshots have {volume.name}: {', '.join(sorted(names)[:5])}.",
            hint="Delete them first: `zcloud snapshot delete`.",
        )


def _check_disks(tx: Tx, volumes: list[Volume]) -> None:
    for each in volumes:
        registry.check_feature(tx.pools.get(each.pool_id), Feature.SNAPSHOT, "snapshots")
        if each.state is not VolumeState.READY:
            raise WrongState(f"The volume {each.name} is {each.state}.")


def _new(tx: Tx, actor: Actor, instance: Instance, name: str, volumes: list[Volume]) -> Snapshot:
    return Snapshot(
        id=new_id(),
        instance_id=instance.id,
        name=name,
        parent_id=instance.hardware.get("snapshot"),
        state=SnapshotState.CREATING,
        quiesced=False,
        created_by=actor.user_name,
        created_at=tx.now,
        disks={each.id: each.size for each in volumes},
    )


def _find(tx: Tx, actor: Actor, project: str, ref: str, name: str) -> tuple[Instance, Snapshot]:
    instance = find(tx, actor, project, ref)
    for each in tx.snapshots.of_instance(instance.id):
        if name in (each.id, each.name):
            return instance, each
    raise NotFound(
        f"The instance {instance.name} has no snapshot {name[:80]!r}.",
        hint=f"See `zcloud snapshot list {instance.name}`.",
    )
