"""A pool whose states and events are written down, for tests to wait on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from zcloud.domain.host import HostKind, HostState
from zcloud.hosts import HostAddress, HostPool
from zcloud.lab.hosts import NamespaceHost

UUID = "11111111-1111-4111-8111-{:012d}"


def address_of(host: NamespaceHost) -> HostAddress:
    """Give a lab host's address, with its key pinned."""
    return HostAddress(
        host.name, HostKind.SSH, host.address, host.ssh_port, host.ssh_user, str(host.ssh_key), host.host_key
    )


def domain_xml(number: int, *, disk: str = "") -> str:
    """Give a domain without an operating system: it starts, and that is all."""
    return (
        f"<domain type='qemu'><name>d{number}</name><uuid>{UUID.format(number)}</uuid><memory unit='MiB'>32</memory>"
        f"<os><type machine='q35'>hvm</type></os><devices>{disk}<serial type='pty'/><console type='pty'/>"
        "</devices></domain>"
    )


class Watched:
    """A pool and every change of state that it told, with its time."""

    def __init__(self, pool: HostPool) -> None:
        self.pool = pool
        self.changes: list[tuple[float, str, HostState, str]] = []
        self._changed = threading.Condition()
        pool.subscribe(self._note)

    def _note(self, host_id: str, state: HostState, reason: str) -> None:
        with self._changed:
            self.changes.append((time.monotonic(), host_id, state, reason))
            self._changed.notify_all()

    def wait_for(self, host_id: str, state: HostState, seconds: float) -> float:
        """Wait until the host is said to be in a state, and give when that was said."""
        with self._changed:
            arrived = self._changed.wait_for(lambda: self.states(host_id)[-1:] == [state], seconds)
        assert arrived, f"after {seconds} s {host_id} is not {state}: {self.changes}"
        return next(at for at, name, _, _ in reversed(self.changes) if name == host_id)

    def states(self, host_id: str) -> list[HostState]:
        """Give all states that the host went through."""
        return [state for _, name, state, _ in self.changes if name == host_id]


@contextmanager
def watched_pool(hosts: Mapping[str, HostAddress], directory: Path) -> Iterator[Watched]:
    """Give a pool over hosts by id."""
    pool = HostPool(hosts.__getitem__, str(directory))
    try:
        yield Watched(pool)
    finally:
        pool.close()


@contextmanager
def latencies(call: Callable[[], object]) -> Iterator[list[float]]:
    """Make a call again and again beside the block, and give how long each took (s)."""
    took: list[float] = []
    ended = threading.Event()

    def repeat() -> None:
        while True:
            began = time.monotonic()
            call()
            took.append(time.monotonic() - began)
            if ended.wait(0.02):
                return

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield took
    finally:
        ended.set()
        thread.join()
