"""What the present run of an instance has, what is wanted, and what therefore waits for the next start."""

from __future__ import annotations

from typing import Any

from zcloud.domain.hardware import settle, to_record
from zcloud.domain.instance import RUNS, Instance, InstanceBrief
from zcloud.domain.size import live_size, wanted_size


def as_started(instance: Instance | InstanceBrief) -> dict[str, Any]:
    """Give what a run has that begins now: the record's size, machine type and hardware."""
    hardware = to_record(settle(instance.options))
    return {**wanted_size(instance).to_record(), "machine": instance.machine, "hardware": hardware}


def pending(instance: Instance | InstanceBrief) -> dict[str, dict[str, Any]]:
    """Give what waits for the next start: for each name its value ``now`` and ``next``; nothing for one that is off."""
    if instance.status not in RUNS or not instance.live:
        return {}
    wanted = as_started(instance)
    if instance.live == wanted:
        return {}
    hardware = {**wanted["hardware"], **instance.live.get("hardware", {})}  # an older run knew fewer options
    live = {**wanted, **instance.live, **live_size(instance).to_record(), "hardware": hardware}
    now, following = _flat(live), _flat(wanted)
    return {name: {"now": now.get(name), "next": value} for name, value in following.items() if now.get(name) != value}


def _flat(values: dict[str, Any]) -> dict[str, Any]:
    hardware: dict[str, Any] = values["hardware"]
    return {**{name: value for name, value in values.items() if name != "hardware"}, **hardware}
