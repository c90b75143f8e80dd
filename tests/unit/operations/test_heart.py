"""Who is alive: told by changes of heartbeats on our own clock, and by process ids where they mean something."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from zcloud.domain.errors import Superseded
from zcloud.operations.heart import Heart, Watch, this_node
from zcloud.store import Store, Worker

START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class HandClock:
    """A clock that is moved by hand."""

    seconds: float = 0.0
    slept: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


def worker(node: str = "elsewhere", pid: int = 1, beat: int = 0) -> Worker:
    return Worker("w", node, pid, "worker", START, START + timedelta(seconds=beat))


def test_a_heartbeat_that_changes_is_alive_whatever_its_time_says() -> None:
    clock = HandClock()
    watch = Watch("here", clock, 5)
    for beat in range(20):
        assert watch.dead([worker(beat=beat - 86400)]) == set()
        clock.seconds += 4


def test_one_that_stays_the_same_is_dead_after_the_timeout() -> None:
    clock = HandClock()
    watch = Watch("here", clock, 5)
    assert watch.dead([worker()]) == set()
    clock.seconds = 5
    assert watch.dead([worker()]) == set()
    clock.seconds = 5.1
    assert watch.dead([worker()]) == {"w"}
    assert watch.dead([worker(beat=1)]) == set(), "it lives again"


def test_a_dead_process_of_this_node_is_dead_at_once() -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    watch = Watch("here", HandClock(), 5)
    assert watch.dead([worker("here", gone.pid)]) == {"w"}
    assert watch.dead([worker("elsewhere", gone.pid)]) == set(), "its number means nothing here"
    assert watch.dead([worker("here", os.getpid())]) == set()


def test_a_node_is_a_boot_and_a_process_space() -> None:
    assert this_node() == this_node()
    assert "pid:[" in this_node()


def test_an_old_heart_passes_no_fence(sqlite_store: Store) -> None:
    clock = HandClock()
    heart = Heart(sqlite_store, replace(worker(), id="me"), clock, interval_s=1, timeout_s=5)
    with pytest.raises(Superseded):
        heart.check()
    heart.start()
    heart.check()
    clock.seconds += 4.1  # an interval before the others may take over
    with pytest.raises(Superseded):
        heart.check()
    heart.stop()
    with pytest.raises(Superseded):
        heart.check()
