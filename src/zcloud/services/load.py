"""How busy the hosts and their guests are, from the observer's samples; read at most every few seconds.

Samples of ten thousand guests take a while to unpack, and change every half a minute only.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

from zcloud.domain.samples import Row, find_row, unpack
from zcloud.services.context import Services
from zcloud.services.usage import HOUR, thin
from zcloud.store import Tx

_KEPT_S = 15.0
_MAX_BYTES, _LEAST_BYTES = 1 << 20, 4 << 10  # of packed samples for one look; what one costs at least
_MAX_POINTS, _TOP = 40, 100
_STALE = timedelta(minutes=3)
_BUSY = ("user_ns", "system_ns")


@dataclass(frozen=True, slots=True)
class HostLoad:
    """A host's CPU in percent and its memory in use, in bytes: the last hour's, oldest first."""

    cpu: tuple[float, ...] = ()
    memory: tuple[int, ...] = ()
    memory_total: int = 0


@dataclass(frozen=True, slots=True)
class Load:
    """The load of each host by its id, and the guests that take most: id, busy CPUs, bytes of memory.

    ``guests`` has the CPU percent of each guest that runs.
    """

    hosts: Mapping[str, HostLoad] = field(default_factory=dict)
    top: Sequence[tuple[str, float, int]] = ()
    guests: Mapping[str, float] = field(default_factory=dict)

    @property
    def cpu(self) -> list[float]:
        """Give the mean of the hosts' CPU percent over the last hour, as far as all of them tell."""
        lines = [each.cpu for each in self.hosts.values() if each.cpu]
        least = min(map(len, lines), default=0)
        return [sum(line[at - least] for line in lines) / len(lines) for at in range(least)]

    @property
    def memory(self) -> list[float]:
        """Give the bytes of memory in use on all hosts over the last hour."""
        lines = [each.memory for each in self.hosts.values() if each.memory]
        least = min(map(len, lines), default=0)
        return [float(sum(line[at - least] for line in lines)) for at in range(least)]


class Loads:
    """Reads the load, and keeps it for some seconds."""

    def __init__(self, services: Services) -> None:
        self._store, self._clock = services.store, services.clock
        self._lock = threading.Lock()
        self._read_at = float("-inf")
        self._load = Load()

    def read(self) -> Load:
        """Give the load as it was at most some seconds ago; who comes while it is read gets the one before."""
        if self._clock.monotonic() - self._read_at < _KEPT_S or not self._lock.acquire(blocking=False):
            return self._load
        try:
            with self._store.read() as tx:
                self._load = _look(tx)
            self._read_at = self._clock.monotonic()
            return self._load
        finally:
            self._lock.release()


def _look(tx: Tx) -> Load:
    hosts = tx.hosts.all()
    found, guests, top = dict[str, HostLoad](), dict[str, float](), list[tuple[str, float, int]]()
    for host in hosts:
        times = tx.samples.times(host.id, tx.now - HOUR)
        size = len(tx.samples.latest(host.id, tx.now - HOUR) or b"") + _LEAST_BYTES
        points = max(2, min(_MAX_POINTS, _MAX_BYTES // size // len(hosts)))
        ticks = tx.samples.at(host.id, {*thin(times, points), *times[-2:]})
        found[host.id] = _host([find_row(blob, host.id) for _, blob in ticks])
        if len(ticks) > 1 and tx.now - ticks[-1][0] < _STALE:
            for id, cpu, cpus, memory in _guests(ticks[-2:], host.id):
                guests[id] = cpu
                top.append((id, cpus, memory))
    top.sort(key=lambda each: -each[1])
    return Load(found, top[:_TOP], guests)


def _host(rows: Sequence[Row | None]) -> HostLoad:
    told = [row for row in rows if row is not None]
    cpu = []
    for before, after in pairwise(told):
        busy = sum(after[name] - before[name] for name in _BUSY)
        whole = busy + sum(after[name] - before[name] for name in ("iowait_ns", "idle_ns"))
        if whole > 0 and busy >= 0:
            cpu.append(100 * busy / whole)
    memory = tuple((row["memory_kib"] - row["available_kib"]) << 10 for row in told)
    return HostLoad(tuple(cpu), memory, told[-1]["memory_kib"] << 10 if told else 0)


def _guests(ticks: Sequence[tuple[datetime, bytes]], host_id: str) -> list[tuple[str, float, float, int]]:
    (began, first), (ended, last) = ticks
    before, seconds = {row["id"]: row for row in unpack(first)}, max((ended - began).total_seconds(), 1e-3)
    found = []
    for row in unpack(last):
        was = before.get(row["id"])
        if was is not None and row["id"] != host_id and row["cpu_ns"] >= was["cpu_ns"]:
            cpus = (row["cpu_ns"] - was["cpu_ns"]) / 1e9 / seconds
            found.append((row["id"], 100 * cpus / max(row["vcpus"], 1), cpus, row["rss_kib"] << 10))
    return found
