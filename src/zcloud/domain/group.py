"""Groups: instances that are started in an order, each after those it needs, and stopped the other way round. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import groupby

from zcloud.domain.instance import Instance, InstanceStatus, Power, Ready


class Until(StrEnum):
    """What those after a member wait for."""

    STARTED = "started"
    READY = "ready"  # its guest says so, within the deadline that it was launched with


class Otherwise(StrEnum):
    """What becomes of those after a member that does not get there."""

    STOP = "stop"  # they are not started
    GO_ON = "go-on"


@dataclass(frozen=True, slots=True)
class Member:
    """An instance's place in its group: ``order`` (equal ones go together), and what those after it wait for."""

    instance_id: str
    group_id: str
    order: int
    until: Until = Until.STARTED
    delay_s: int = 0  # from then on, before the next ones begin
    otherwise: Otherwise = Otherwise.STOP


@dataclass(frozen=True, slots=True)
class Group:
    """A group of a project; an instance is in one at most."""

    id: str
    name: str
    project_id: str
    operation_id: str | None
    created_at: datetime
    revision: int = 1


class Stand(StrEnum):
    """How a member stands to those after it."""

    AWAY = "away"  # off, as wanted: nobody waits for it
    COMING = "coming"
    THERE = "there"
    FAILED = "failed"


def waves(members: Iterable[Member]) -> list[list[Member]]:
    """Give the members that go together, in the order in which they start."""
    ordered = sorted(members, key=lambda each: (each.order, each.instance_id))
    return [list(wave) for _, wave in groupby(ordered, key=lambda each: each.order)]


def stand(member: Member, instance: Instance, now: datetime) -> Stand:
    """Say how a member stands to those after it."""
    if instance.operation_id is not None or instance.down_with or instance.status is InstanceStatus.UNKNOWN:
        return Stand.COMING
    if instance.status is not InstanceStatus.RUNNING:
        wanted = instance.desired is Power.RUNNING or instance.error is not None
        return Stand.FAILED if wanted else Stand.AWAY
    if member.until is Until.READY and instance.ready is Ready.WAITING:
        return Stand.COMING
    if member.until is Until.READY and instance.ready is Ready.FAILED:
        return Stand.FAILED
    since = there_since(member, instance)
    return Stand.COMING if since is not None and now < since + timedelta(seconds=member.delay_s) else Stand.THERE


def there_since(member: Member, instance: Instance) -> datetime | None:
    """Give when an instance got where those after it wait for it to be, as far as that is known."""
    ready_at = instance.observed.get("ready_at")
    if member.until is Until.READY and ready_at:
        return datetime.fromisoformat(ready_at)
    return instance.started_at


def held_by(member: Member, others: Iterable[Member], stands: Mapping[str, Stand]) -> tuple[Stand, Member] | None:
    """Give the member that keeps another from starting, and whether it is still COMING or FAILED; None: nobody does."""
    for before in sorted(others, key=lambda each: (each.order, each.instance_id)):
        if before.order >= member.order:
            break
        its = stands.get(before.instance_id, Stand.AWAY)
        if its is Stand.COMING or (its is Stand.FAILED and before.otherwise is Otherwise.STOP):
            return its, before
    return None


@dataclass(frozen=True, slots=True)
class Part:
    """What a group's operation began for a member: an operation of its own."""

    ended: bool
    failed: bool


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a group's operation is, all by instance ids: what is to begin now, what is under way, what failed, and
    what is not begun because of that. ``done`` members are where they should be."""

    begin: tuple[str, ...] = ()
    coming: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
    done: int = 0


def plan_start(
    members: Iterable[Member], instances: Mapping[str, Instance], parts: Mapping[str, Part], now: datetime
) -> Progress:
    """Say what a start of a group does next; who runs already is not started."""
    ordered = waves(members)
    progress = Progress()
    for number, wave in enumerate(ordered):
        last = number == len(ordered) - 1  # nobody waits after it
        judged = {
            each.instance_id: _starting(replace(each, delay_s=0) if last else each, instances, parts, now)
            for each in wave
        }
        progress = _count(progress, judged)
        stop = any(each.otherwise is Otherwise.STOP and judged[each.instance_id] is _FAILED for each in wave)
        if progress.begin or progress.coming or stop:
            held = [each.instance_id for rest in ordered[number + 1 :] for each in rest]
            return replace(progress, held=tuple(held))
    return progress


def plan_stop(members: Iterable[Member], instances: Mapping[str, Instance], parts: Mapping[str, Part]) -> Progress:
    """Say what a stop of a group does next: the other way round, and on only when those after are off."""
    ordered = waves(members)[::-1]
    progress = Progress()
    for number, wave in enumerate(ordered):
        progress = _count(progress, {each.instance_id: _stopping(each, instances, parts) for each in wave})
        if progress.begin or progress.coming or progress.failed:
            held = [each.instance_id for rest in ordered[number + 1 :] for each in rest]
            return replace(progress, held=tuple(held))
    return progress


_BEGIN, _COMING, _FAILED, _DONE = "begin", "coming", "failed", "done"
_ON = frozenset({InstanceStatus.RUNNING, InstanceStatus.PAUSED})
_NOT_STARTED = frozenset({InstanceStatus.RUNNING, InstanceStatus.TRASHED})


def to_start(members: Iterable[Member], instances: Mapping[str, Instance]) -> list[list[Member]]:
    """Give those that a start has to start, in their order, those together that go together."""
    off = [each for each in members if instances[each.instance_id].status not in _NOT_STARTED]
    return waves(off)


def to_stop(members: Iterable[Member], instances: Mapping[str, Instance]) -> list[list[Member]]:
    """Give those that a stop has to stop, the last in the order first."""
    return waves([each for each in members if instances[each.instance_id].status in _ON])[::-1]


def _starting(member: Member, instances: Mapping[str, Instance], parts: Mapping[str, Part], now: datetime) -> str:
    instance, part = instances[member.instance_id], parts.get(member.instance_id)
    if part is None and instance.status is not InstanceStatus.RUNNING:
        return _BEGIN if instance.operation_id is None else _COMING
    if part is not None and not part.ended:
        return _COMING
    if part is not None and part.failed:
        return _FAILED
    its = stand(member, instance, now)
    return {Stand.COMING: _COMING, Stand.THERE: _DONE}.get(its, _FAILED)


def _stopping(member: Member, instances: Mapping[str, Instance], parts: Mapping[str, Part]) -> str:
    instance, part = instances[member.instance_id], parts.get(member.instance_id)
    if part is not None:
        return _COMING if not part.ended else _FAILED if part.failed else _DONE
    if instance.operation_id is not None:
        return _COMING
    return _BEGIN if instance.status in _ON else _DONE


def _count(progress: Progress, judged: Mapping[str, str]) -> Progress:
    """Add a wave to what is known."""
    found = {verdict: tuple(id for id, its in judged.items() if its == verdict) for verdict in set(judged.values())}
    return replace(
        progress,
        begin=progress.begin + found.get(_BEGIN, ()),
        coming=progress.coming + found.get(_COMING, ()),
        failed=progress.failed + found.get(_FAILED, ()),
        done=progress.done + len(found.get(_DONE, ())),
    )
