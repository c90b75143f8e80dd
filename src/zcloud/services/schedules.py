"""Snapshots that the server takes by itself, and the older ones of theirs that it deletes again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from itertools import count
from typing import Any

from zcloud.base.ids import new_id
from zcloud.domain.errors import AlreadyExists, Busy, NotFound, ZcloudError
from zcloud.domain.instance import Instance
from zcloud.domain.people import Actor, Role
from zcloud.domain.reconcile import KEY as RECONCILING
from zcloud.domain.schedule import ScheduleSpec, SnapshotSchedule
from zcloud.domain.snapshot import Snapshot, SnapshotState
from zcloud.services.context import Services, authorize, resolve_project, visible_projects
from zcloud.services.owned import begin_verb, check_state, find
from zcloud.services.snapshots import admit_snapshot
from zcloud.store import InstanceFilter, Tx

_MANY = 1000


class Schedules:
    """The service behind ``zcloud snapshot schedule``, and what does as they say."""

    def __init__(self, services: Services) -> None:
        self._store = services.store

    def all(self, actor: Actor, project: str) -> list[SnapshotSchedule]:
        """List the schedules that the actor may see, of one project or of all."""
        with self._store.read() as tx:
            visible = {resolve_project(tx, actor, project, Role.VIEWER).id} if project else visible_projects(actor)
            return [each for each in tx.schedules.all() if visible is None or each.project_id in visible]

    def create(self, actor: Actor, project: str, spec: ScheduleSpec) -> SnapshotSchedule:
        """Add a schedule; its first round is at its next time. Raises InvalidInput, AlreadyExists, NotFound."""
        spec.check()

        def work(tx: Tx) -> SnapshotSchedule:
            instance = find(tx, actor, project, spec.instance) if spec.instance else None
            owner = instance.project_id if instance else resolve_project(tx, actor, project, Role.MEMBER).id
            if instance:
                check_state(instance, "snapshot")
            return tx.schedules.add(
                SnapshotSchedule(
                    id=new_id(),
                    name=_free_name(tx, owner, spec.name),
                    project_id=owner,
                    instance_id=instance.id if instance else None,
                    tag=spec.tag,
                    every_h=spec.every_h,
                    at=spec.at,
                    keep=spec.keep,
                    last_at=None,
                    created_by=actor.user_name,
                    created_at=tx.now,
                )
            )

        return self._store.transact(work)

    def change(self, actor: Actor, project: str, ref: str, changes: Mapping[str, Any]) -> SnapshotSchedule:
        """Change ``every_h`` or ``at``, of which one takes the place of the other, and ``keep``.

        Counted from its last round: what is due by then is taken at once. Raises InvalidInput, NotFound.
        """
        if changes.get("every_h") or changes.get("at"):
            changes = {"every_h": 0, "at": "", **changes}

        def work(tx: Tx) -> SnapshotSchedule:
            found = replace(_find(tx, actor, project, ref), **changes)
            spec = ScheduleSpec("", found.instance_id or "", found.tag, found.every_h, found.at, found.keep)
            spec.check()
            return tx.schedules.update(found.id, **changes)

        return self._store.transact(work)

    def delete(self, actor: Actor, project: str, ref: str) -> None:
        """Delete a schedule; the snapshots that it took stay. Raises NotFound."""
        self._store.transact(lambda tx: tx.schedules.delete(_find(tx, actor, project, ref).id))

    def sweep(self) -> None:
        """Begin the snapshots that are due, and the deletions of those above what is kept.

        One transaction for each schedule; none where there is nothing to do.
        """
        with self._store.read() as tx:
            schedules = [] if tx.settings.get(RECONCILING) is not None else tx.schedules.all()
            begun = [each.id for each in schedules if each.due_at <= tx.now or each.skipped or _surplus(tx, each)]
        for identity in begun:
            self._store.transact(lambda tx, id=identity: _run(tx, id))  # type: ignore[misc]


def _find(tx: Tx, actor: Actor, project: str, ref: str) -> SnapshotSchedule:
    by_id = tx.schedules.many([ref]).get(ref)
    if by_id is not None:
        authorize(actor, by_id.project_id, Role.MEMBER, f"The schedule {ref!r}")
        return by_id
    owner = resolve_project(tx, actor, project, Role.MEMBER)
    found = next((each for each in tx.schedules.of_project(owner.id) if each.name == ref), None)
    if found is None:
        raise NotFound(
            f"There is no schedule {ref[:80]!r} in the project {owner.name}.",
            hint="See `zcloud snapshot schedule list`.",
        )
    return found


def _free_name(tx: Tx, project_id: str, wanted: str) -> str:
    taken = {each.name for each in tx.schedules.of_project(project_id)}
    if wanted in taken:
        raise AlreadyExists(f"There is a schedule {wanted} already.")
    names = (f"auto-{number}" if number > 1 else "auto" for number in count(1))
    return wanted or next(name for name in names if name not in taken)


def _run(tx: Tx, identity: str) -> None:
    schedule = tx.schedules.many([identity]).get(identity)
    if schedule is None:
        return
    if schedule.instance_id and not tx.instances.many([schedule.instance_id]):
        tx.schedules.delete(schedule.id)
        return
    due, skipped = schedule.due_at <= tx.now, {}
    for instance in _instances(tx, schedule):
        before = schedule.skipped.get(instance.id, "")
        now = _take(tx, schedule, instance, before) if due or before == Busy.code else before
        if now:
            skipped[instance.id] = now
    if due or skipped != schedule.skipped:
        tx.schedules.update(schedule.id, last_at=tx.now if due else schedule.last_at, skipped=skipped)
    for each in _surplus(tx, schedule):
        _thin(tx, schedule, each)


def _instances(tx: Tx, schedule: SnapshotSchedule) -> list[Instance]:
    """Give the instances that it is about and that are not in the trash."""
    if schedule.instance_id is None:
        which = InstanceFilter(project_ids={schedule.project_id}, tags=(schedule.tag,))
        return list(tx.instances.page(which, limit=_MANY).items)
    return [each for each in tx.instances.many([schedule.instance_id]).values() if not each.trash]


def _take(tx: Tx, schedule: SnapshotSchedule, instance: Instance, before: str) -> str:
    """Begin a snapshot and give "", or the code of why it cannot be; that is told where it was not so ``before``."""
    try:
        with tx.attempt():
            admit_snapshot(tx, _actor(schedule), instance, schedule.snapshot_name(tx.now), schedule.id)
        return ""
    except ZcloudError as error:
        if error.code != before:
            tx.events.add(
                "snapshot.missed",
                resource_kind="instance",
                resource_id=instance.id,
                resource_name=instance.name,
                project_id=instance.project_id,
                message=f"The schedule {schedule.name} cannot take a snapshot of {instance.name}: {error.message}",
                data={"schedule": schedule.name, "code": error.code},
            )
        return error.code


def _surplus(tx: Tx, schedule: SnapshotSchedule) -> list[Snapshot]:
    """Give, of each instance that has more of its whole snapshots than are kept, the oldest.

    One at a time, as an instance has one operation at a time. What is half-removed is left to people.
    """
    whole = [each for each in tx.snapshots.of_schedule(schedule.id) if each.state is SnapshotState.READY]
    have = Counter(each.instance_id for each in whole)
    oldest = {each.instance_id: each for each in reversed(whole)}
    return [each for each in oldest.values() if have[each.instance_id] > schedule.keep]


def _thin(tx: Tx, schedule: SnapshotSchedule, snapshot: Snapshot) -> None:
    instance = tx.instances.get(snapshot.instance_id)
    if instance.operation_id:
        return
    try:
        with tx.attempt():
            check_state(instance, "delete_snapshot")
            begin_verb(tx, _actor(schedule), instance, "delete_snapshot", snapshot=snapshot.id)
    except ZcloudError:
        return  # as it is saved, or in the trash: the next sweep asks again


def _actor(schedule: SnapshotSchedule) -> Actor:
    return Actor("", schedule.maker, Role.OPERATOR)
