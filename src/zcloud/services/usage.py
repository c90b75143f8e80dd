"""How much an instance uses: rates from the observer's samples."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from zcloud.domain.instance import Instance
from zcloud.domain.samples import Rates, find_row, series
from zcloud.store import Tx

HOUR = timedelta(hours=1)
MAX_POINTS = 60


@dataclass(frozen=True, slots=True)
class InstanceUsage:
    """An instance's latest rates (None: it does not run, or was just started), and the last hour's, oldest first."""

    now: Rates | None
    hour: tuple[Rates, ...]


def read_usage(tx: Tx, instance: Instance) -> InstanceUsage:
    """Give what an instance uses, from what is in the store."""
    times = tx.samples.times(instance.host_id, tx.now - HOUR)
    latest = _series(tx, instance, times[-2:])
    return InstanceUsage(latest[-1] if latest else None, tuple(_series(tx, instance, thin(times))))


def thin(times: list[datetime], points: int = MAX_POINTS) -> list[datetime]:
    """Give at most so many of the times, evenly spread, with the last of them."""
    step = max(-(-len(times) // points), 1)
    return times[::-1][::step][::-1]


def _series(tx: Tx, instance: Instance, times: list[datetime]) -> list[Rates]:
    ticks = tx.samples.at(instance.host_id, times)
    return series([(time, find_row(blob, instance.id)) for time, blob in ticks])
