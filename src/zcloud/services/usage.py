"""How much an instance uses: rates from the observer's samples."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from zcloud.domain.instance import Instance
from zcloud.domain.samples import Rates, find_row, find_rows, series
from zcloud.store import Tx

HOUR = timedelta(hours=1)
MAX_POINTS = 60
_MAX_BYTES, _LEAST_BYTES = 1 << 20, 4 << 10  # of packed samples for one look; what one costs at least


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


def read_many(tx: Tx, instances: Iterable[Instance], points: int = 20) -> dict[str, list[Rates]]:
    """Give the rates of some instances over the last hour by their ids; each host's samples are read once for all."""
    of_host = defaultdict[str, list[str]](list)
    for each in instances:
        of_host[each.host_id].append(each.id)
    found = dict[str, list[Rates]]()
    for host_id, ids in of_host.items():
        size = len(tx.samples.latest(host_id, tx.now - HOUR) or b"") + _LEAST_BYTES
        fewer = max(2, min(points, _MAX_BYTES // size // len(of_host)))
        ticks = tx.samples.at(host_id, thin(tx.samples.times(host_id, tx.now - HOUR), fewer))
        rows = [(time, find_rows(blob, ids)) for time, blob in ticks]
        found |= {id: series([(time, row.get(id)) for time, row in rows]) for id in ids}
    return found


def thin(times: list[datetime], points: int = MAX_POINTS) -> list[datetime]:
    """Give at most so many of the times, evenly spread, with the last of them."""
    step = max(-(-len(times) // points), 1)
    return times[::-1][::step][::-1]


def _series(tx: Tx, instance: Instance, times: list[datetime]) -> list[Rates]:
    ticks = tx.samples.at(instance.host_id, times)
    return series([(time, find_row(blob, instance.id)) for time, blob in ticks])
