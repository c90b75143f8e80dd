"""The process that ``bench.hour`` measures: looks at fake hosts by a clock that it moves itself; prints JSON."""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import zcloud.main.serve  # noqa: F401 - a server's imports are part of its memory
from bench.fakeserve import fake_hosts
from bench.measure import memory_of
from zcloud.base import log
from zcloud.base.clock import SystemClock
from zcloud.base.config import Config, load
from zcloud.domain.storage import GIB
from zcloud.main.wiring import open_store
from zcloud.observer.chores import Chore, Chores
from zcloud.observer.host import HostWatch, Looks
from zcloud.observer.retention import prune
from zcloud.ports import DomainStats, WatchedLink
from zcloud.testing.cloud import FakeLinks
from zcloud.testing.fakes import FakeHypervisor, FakeLink

_STEP_S = 10
_SETTLED_S = 600


class MovedClock:
    """A clock that stands still until it is moved; it begins at the machine's time."""

    def __init__(self) -> None:
        self._began, self.seconds = SystemClock().now(), 0.0

    def now(self) -> datetime:
        """Give its time."""
        return self._began + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        """Give the seconds that it was moved by."""
        return self.seconds

    def sleep(self, seconds: float) -> None:
        """Move it."""
        self.seconds += seconds


class AtOnce(Executor):
    """Does what is handed in before it returns."""

    def submit(self, work: Callable[..., Any], /, *given: Any, **named: Any) -> Future[Any]:
        """Do it."""
        done: Future[Any] = Future()
        done.set_result(work(*given, **named))
        return done


class Counting(FakeHypervisor):
    """Guests whose counters run, with two disks and a NIC each."""

    def __init__(self, clock: MovedClock) -> None:
        super().__init__()
        self._clock = clock

    def stats(self) -> list[DomainStats]:
        """Give the counters of all running domains."""
        moved = int(self._clock.seconds * 1e6)
        disk = {
            "rd_bytes": moved,
            "wr_bytes": 3 * moved,
            "rd_reqs": moved >> 12,
            "wr_reqs": moved >> 11,
            "capacity": GIB,
        }
        nic = {"rx_bytes": moved, "tx_bytes": moved >> 1, "rx_pkts": moved >> 10, "tx_pkts": moved >> 10, "rx_errs": 0}
        counters: dict[str, Any] = {
            "cpu_time_ns": moved * 50, "vcpus": 2, "memory_kib": 1 << 20, "rss_kib": 900_000,
            "disks": {"vda": disk, "vdb": disk}, "nics": {"vnet0": nic},
        }  # fmt: skip
        return [DomainStats(each.uuid, each.state, each.reason, **counters) for each in super().stats()]


class CountingLinks(FakeLinks):
    """Fake hosts with such guests."""

    def __init__(self, clock: MovedClock) -> None:
        super().__init__()
        self._clock = clock

    def add(self, host_id: str) -> WatchedLink:
        """Add a host and give its link."""
        link = self.hosts[host_id] = FakeLink(hypervisor=Counting(self._clock))
        return link


def run(config: Config, seconds: int) -> dict[str, Any]:
    """Look for so many seconds; gives CPU seconds a step, MiB of memory after each ten minutes, MiB of growth."""
    clock = MovedClock()
    store = open_store(config, clock)
    try:
        links, executor = fake_hosts(store, CountingLinks(clock)), AtOnce()
        looks = Looks(store, config.observer)
        watches = [HostWatch(host_id, looks, executor, executor) for host_id in links.hosts]
        chores = Chores([Chore("retention", 3600.0, lambda: prune(store, config.retention))], executor)

        def step() -> None:
            for watch in watches:
                watch.look(lambda watch=watch: links.link(watch.host_id), clock.monotonic())  # type: ignore[misc]
            chores.begin_due(clock.monotonic())
            clock.seconds += _STEP_S

        step()  # the first look reads every definition
        return _measured(config, clock, step, seconds)
    finally:
        store.close()


def _measured(config: Config, clock: MovedClock, step: Callable[[], None], seconds: int) -> dict[str, Any]:
    ticks: list[float] = []
    memory: list[float] = []
    size = _size(config)
    while clock.seconds <= seconds:
        before = time.process_time()
        step()
        ticks.append(time.process_time() - before)
        if clock.seconds % _SETTLED_S == 0 or clock.seconds > seconds:
            memory.append(memory_of(os.getpid()))
    return {"ticks": ticks, "memory": memory, "grown": (_size(config) - size) / (1 << 20)}


def _size(config: Config) -> int:
    return sum(path.stat().st_size for path in config.data_dir.glob("zcloud.sqlite*"))


def main() -> None:
    """Look, and print what it cost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--seconds", type=int, required=True)
    given = parser.parse_args()
    log.set_up("ERROR")
    print(json.dumps(run(load(given.config), given.seconds)))


if __name__ == "__main__":
    main()
