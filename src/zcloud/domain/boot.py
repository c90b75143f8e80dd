"""What becomes of a host's instances when it goes down and comes up again. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from zcloud.domain.instance import Instance, InstanceStatus, OnBoot, Power

_RAN = frozenset({InstanceStatus.RUNNING, InstanceStatus.PAUSED, InstanceStatus.UNKNOWN})


def comes_back(instance: Instance) -> bool:
    """Say whether an instance is to run in the next boot of its host; one that an operation works on is left to it."""
    if instance.template or instance.on_boot is OnBoot.STAY_OFF or instance.operation_id is not None:
        return False
    if instance.on_boot is OnBoot.START:
        return instance.machine != ""  # else it was never made
    return instance.desired is Power.RUNNING and instance.status in _RAN


def starting_order(instances: Iterable[Instance]) -> list[Instance]:
    """Give the order in which instances are started on a host that has booted: as they were started before."""
    return sorted(instances, key=lambda each: (each.started_at or each.created_at, each.id))


def stopping_order(instances: Iterable[Instance]) -> list[Instance]:
    """Give the order in which they are stopped: the other way round."""
    return starting_order(instances)[::-1]
