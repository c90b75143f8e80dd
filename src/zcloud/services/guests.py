"""All guests of a host at once: stopped before it goes down, started again once it has booted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from zcloud.domain.boot import starting_order, stopping_order
from zcloud.domain.errors import Busy, ZcloudError
from zcloud.domain.group import Stand, held_by, stand
from zcloud.domain.host import Host, HostState
from zcloud.domain.instance import VERBS, Instance, InstanceStatus, OnBoot
from zcloud.domain.operation import Operation
from zcloud.domain.people import Actor, Role
from zcloud.domain.reconcile import KEY, PENDING
from zcloud.services.context import Services, authorize
from zcloud.services.owned import begin_verb, check_deadline
from zcloud.services.starting import begin_start
from zcloud.store import Tx

WAITS = "waits"
"""In place of a boot's name: it is to run, and waits for others of its group."""

_NEEDING = frozenset({InstanceStatus.RUNNING, InstanceStatus.PAUSED, InstanceStatus.STOPPING})
_US = Actor(user_id="", user_name="zcloud", role=Role.OPERATOR)


class Guests:
    """The service behind ``zcloud host guests``."""

    def __init__(self, services: Services) -> None:
        self._store = services.store

    def stop(self, actor: Actor, ref: str, deadline_s: int, *, in_order: bool = False) -> list[Operation]:
        """Ask every guest that runs on a host to shut down, and note that it is to run again after the next boot.

        With ``in_order`` only those whom no later member of their group on the host still needs: to be asked for again
        once these are off. What an operation works on is left to it. Raises NotFound, InvalidInput (the deadline).
        """
        authorize(actor, None, Role.OPERATOR, "Stopping the guests of a host")
        check_deadline(deadline_s)

        def work(tx: Tx) -> list[Operation]:
            host = tx.hosts.resolve(ref)
            present = tx.instances.on_host(host.id)
            free = [each for each in present if each.status is InstanceStatus.RUNNING and each.operation_id is None]
            if in_order:
                free = _not_needed(tx, present, free)
            return [_stop(tx, actor, host, each, deadline_s) for each in stopping_order(free)]

        return self._store.transact(work)

    def start(self, actor: Actor, ref: str) -> list[Operation]:
        """Start every guest that went down with a host or was stopped with it, without waiting for its next boot.

        One that there is no room for is told by an event. Raises NotFound.
        """
        authorize(actor, None, Role.OPERATOR, "Starting the guests of a host")
        with self._store.read() as tx:
            host = tx.hosts.resolve(ref)
            down = [each for each in tx.instances.on_host(host.id) if each.down_with]
        return self._start(actor, down)

    def resume(self) -> list[Operation]:
        """Start what ran before the present boot of its host and is off now; the observer asks for it all the time.

        A restored server starts nothing as long as it only compares.
        """
        with self._store.read() as tx:
            comparing = {*tx.settings.get(PENDING, ())}
            gone = {} if tx.settings.get(KEY) else dict.fromkeys(host_id for host_id, _ in tx.instances.gone_down())
            hosts = [each for each in tx.hosts.many(gone).values() if each.state is HostState.UP]
            down = [
                instance
                for host in hosts
                if host.id not in comparing
                for instance in tx.instances.on_host(host.id)
                if instance.down_with not in ("", host.boot_id)
            ]
        return self._start(_US, down)

    def _start(self, actor: Actor, instances: Iterable[Instance]) -> list[Operation]:
        begun = []
        for each in starting_order(instances):
            if self._is_held(each.id):
                continue
            operation = self._store.transact(lambda tx, each=each: _start_again(tx, actor, each.id))  # type: ignore[misc]
            if operation is not None:
                begun.append(operation)
        return begun

    def _is_held(self, instance_id: str) -> bool:
        """Say whether an instance still waits for others of its group; where one of those failed, it is given up."""

        def work(tx: Tx) -> bool:
            member = tx.groups.members_of([instance_id]).get(instance_id)
            if member is None:
                return False
            others = tx.groups.members([member.group_id])
            instances = tx.instances.many([each.instance_id for each in others])
            stands = {each.instance_id: stand(each, instances[each.instance_id], tx.now) for each in others}
            held = held_by(member, others, stands)
            if held is None:
                return False
            its, before = held
            instance = instances[instance_id]
            if its is Stand.FAILED:
                _give_up(tx, instance, f"{instances[before.instance_id].name}, which it needs, does not run", "")
            elif instance.down_with and instance.down_with != WAITS:
                tx.instances.update(instance_id, down_with=WAITS)
            return True

        with self._store.read() as tx:
            if not tx.groups.members_of([instance_id]):
                return False
        return self._store.transact(work)


def _not_needed(tx: Tx, present: Sequence[Instance], free: Sequence[Instance]) -> list[Instance]:
    """Give those of the instances whom no later member of their group still needs that runs on the same host."""
    members = tx.groups.members_of([each.id for each in present])
    on = [members[each.id] for each in present if each.id in members and each.status in _NEEDING]

    def needed(instance: Instance) -> bool:
        mine = members.get(instance.id)
        return mine is not None and any(each.group_id == mine.group_id and each.order > mine.order for each in on)

    return [each for each in free if not needed(each)]


def _stop(tx: Tx, actor: Actor, host: Host, instance: Instance, deadline_s: int) -> Operation:
    operation = begin_verb(tx, actor, instance, "stop", force=False, deadline_s=deadline_s)
    again = "" if instance.on_boot is OnBoot.STAY_OFF else host.boot_id
    tx.instances.update(instance.id, status=InstanceStatus.STOPPING, down_with=again)
    return operation


def _start_again(tx: Tx, actor: Actor, instance_id: str) -> Operation | None:
    """Begin the start, or give None: it is busy, was not seen to be off yet, or was refused (an event says why)."""
    instance = tx.instances.get(instance_id)
    if instance.operation_id is not None or instance.status not in VERBS["start"].starts_from:
        return None
    try:
        with tx.attempt():
            return begin_start(tx, actor, instance)
    except Busy:
        return None
    except ZcloudError as error:
        _give_up(tx, instance, error.message.rstrip("."), error.code)
        return None


def _give_up(tx: Tx, instance: Instance, why: str, code: str) -> None:
    tx.instances.update(instance.id, down_with="")
    tx.events.add(
        "instance.not_resumed",
        project_id=instance.project_id,
        resource_kind="instance",
        resource_id=instance.id,
        resource_name=instance.name,
        message=f"{instance.name} ran before its host went down and was not started again: {why}.",
        data={"code": code} if code else {},
    )
