"""A host's session: each loss is told at once, also while the session waits before its next attempt."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest

from zcloud.domain.errors import HostUnreachable
from zcloud.domain.host import HostState
from zcloud.hosts import libvirt
from zcloud.hosts import session as sessions
from zcloud.hosts.libvirt.connection import Keepalive
from zcloud.hosts.session import Health, HostSession


class Way:
    """A way to a host that can be cut and mended; its libvirt is libvirt's own test driver."""

    shell: Any = None

    def __init__(self, on_lost: Callable[[str], None]) -> None:
        self._on_lost = on_lost
        self.is_open, self.refusals = False, 0

    def open(self) -> None:
        if self.refusals:
            self.refusals -= 1
            raise HostUnreachable("It was refused.")
        self.is_open = True

    def cut(self) -> None:
        self.is_open = False
        self._on_lost("it was cut")

    def libvirt_uri(self) -> str:
        return "test:///default"

    def socket(self, path: str) -> AbstractContextManager[str]:
        return nullcontext(path)

    def close(self) -> None:
        self.is_open = False


class Told:
    """The states that were told."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._last: HostState | None = None

    def __call__(self, health: Health) -> None:
        with self._changed:
            self._last = health.state
            self._changed.notify_all()

    def until(self, state: HostState) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self._last is state, 20), f"{self._last} is not {state}"


def test_a_host_that_breaks_again_at_once_is_told_before_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[int] = []

    def backoff(failures: int) -> float:
        waits.append(failures)
        return 0.01 if len(waits) < 2 else 600.0

    monkeypatch.setattr(sessions, "_backoff", backoff)
    for name in ("WATCH_KEEPALIVE", "JOBS_KEEPALIVE"):
        monkeypatch.setattr(libvirt, name, Keepalive(0, 0))  # the test driver has none, and not all events
    monkeypatch.setattr(libvirt, "listen", lambda connection, sink: None)
    ways: list[Way] = []

    def make_way(on_lost: Callable[[str], None]) -> Any:
        ways.append(Way(on_lost))
        ways[0].refusals = 1
        return ways[0]

    told = Told()
    session = HostSession("h", make_way, told, lambda event: None)
    told.until(HostState.UP)
    ways[0].cut()
    told.until(HostState.LOST)  # ten minutes before the next attempt
    session.close()
    assert waits == [0, 1]


def test_a_patient_connection_is_silent_for_longer() -> None:
    assert Keepalive(1, 2).times(1.0) == Keepalive(1, 2)
    assert Keepalive(1, 2).times(2.5) == Keepalive(3, 2)
    assert Keepalive(0, 0).times(10.0) == Keepalive(0, 0)
