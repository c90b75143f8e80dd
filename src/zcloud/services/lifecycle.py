"""What an owner does with an instance's power beyond starting and stopping it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from zcloud.domain.claims import ProviderKind
from zcloud.domain.errors import PoolFull, WrongState
from zcloud.domain.instance import Instance, InstanceStatus, Power
from zcloud.domain.operation import Operation
from zcloud.domain.people import Actor
from zcloud.domain.size import live_size
from zcloud.domain.storage import MIB, Pool, Volume, VolumeRole
from zcloud.services import admission
from zcloud.services.context import Services, expect
from zcloud.services.owned import begin_verb, check_state, find
from zcloud.store import Tx

SAVED_EXTRA_MIB = 96
"""What a file of saved memory takes beyond the guest's memory: its devices' state, the screen's memory, its header."""

Admit = Callable[[Tx, Actor, Instance], Operation]


class Lifecycle:
    """The service behind ``zcloud instance pause``, ``resume``, ``save`` and the like."""

    def __init__(self, services: Services) -> None:
        self._store = services.store

    def act(self, actor: Actor, project: str, ref: str, verb: str, revision: int | None = None) -> Operation:
        """Admit one of ``ADMIT``'s verbs. Raises WrongState, Busy, RevisionMismatch, NoRoom, PoolFull."""

        def work(tx: Tx) -> Operation:
            instance = find(tx, actor, project, ref)
            expect(instance, revision)
            check_state(instance, verb)
            return ADMIT[verb](tx, actor, instance)

        return self._store.transact(work)


def _pause(tx: Tx, actor: Actor, instance: Instance) -> Operation:
    operation = begin_verb(tx, actor, instance, "pause")
    tx.instances.update(instance.id, bump=True)
    return operation


def _resume(tx: Tx, actor: Actor, instance: Instance) -> Operation:
    operation = begin_verb(tx, actor, instance, "resume")
    tx.instances.update(instance.id, desired=Power.RUNNING, bump=True)
    return operation


def _reset(tx: Tx, actor: Actor, instance: Instance) -> Operation:
    return begin_verb(tx, actor, instance, "reset")


def _save(tx: Tx, actor: Actor, instance: Instance) -> Operation:
    """Claim room for the whole memory in the root volume's pool, before any of it is written."""
    pool, size = room_for_memory(tx, instance, hint=f"Stop it instead: `zcloud stop {instance.name}`")
    args = {"was": instance.status.value, "incarnation": instance.incarnation + 1, "pool": pool.id, "size": size}
    operation = begin_verb(tx, actor, instance, "save", **args)
    tx.claims.release(instance.id, ProviderKind.POOL)  # of a file saved earlier, which is written over
    admission.take(tx, admission.snapshot(tx), [admission.volume_claim(pool.id, instance.id, size)])
    tx.instances.update(instance.id, status=InstanceStatus.SAVING, desired=Power.STOPPED, bump=True)
    return operation


def _restore(tx: Tx, actor: Actor, instance: Instance) -> Operation:
    _check_fits(tx, instance)
    cloud = admission.admit_run(tx, instance)
    operation = begin_verb(tx, actor, instance, "restore", incarnation=instance.incarnation + 1)
    admission.take_run(tx, cloud, instance)
    tx.instances.update(instance.id, status=InstanceStatus.STARTING, desired=Power.RUNNING, error=None, bump=True)
    return operation


def _discard(tx: Tx, actor: Actor, instance: Instance) -> Operation:
    if not instance.saved:
        raise WrongState(f"The instance {instance.name} has no saved memory.")
    operation = begin_verb(tx, actor, instance, "discard", was=instance.status.value)
    tx.instances.update(instance.id, bump=True)
    return operation


ADMIT: Mapping[str, Admit] = {
    "pause": _pause,
    "resume": _resume,
    "reset": _reset,
    "save": _save,
    "restore": _restore,
    "discard": _discard,
}


def room_for_memory(tx: Tx, instance: Instance, hint: str) -> tuple[Pool, int]:
    """Give the pool of the root disk, and the most bytes that a file of a run's memory takes there. Raises PoolFull."""
    pool = tx.pools.get(_root(tx, instance).pool_id)
    size = (live_size(instance).memory_mib + SAVED_EXTRA_MIB) * MIB
    if pool.available < size:
        raise PoolFull(
            f"The pool {pool.name} has no room for the memory of {instance.name}: it may take {size} bytes, "
            f"{pool.available} are free.",
            hint=f"{hint}, or enlarge the pool.",
            pool=pool.name,
            available=pool.available,
        )
    return pool, size


def _root(tx: Tx, instance: Instance) -> Volume:
    for volume in tx.volumes.of_instance(instance.id):
        if volume.role is VolumeRole.ROOT:
            return volume
    raise WrongState(f"The instance {instance.name} has no root disk, in whose pool its memory could be kept.")


def _check_fits(tx: Tx, instance: Instance) -> None:
    """Let saved memory go on only where nothing of what it runs on has changed; raises WrongState naming what has."""
    host, saved = tx.hosts.get(instance.host_id), instance.saved
    now: dict[str, Any] = {
        "its definition": instance.hardware.get("definition"),
        "what runs CPUs on its host": host.accel.value,
        "its host's CPU": host.inventory.get("cpu_model"),
    }
    then = {
        "its definition": saved.get("definition"),
        "what runs CPUs on its host": saved.get("accel"),
        "its host's CPU": saved.get("cpu"),
    }
    changed = [what for what, value in now.items() if value != then[what]]
    if changed:
        raise WrongState(
            f"The saved memory of {instance.name} does not fit any more: {' and '.join(changed)} changed since.",
            hint=f"Let it boot afresh: `zcloud instance discard-saved {instance.name}`, then start it.",
            changed=changed,
        )
