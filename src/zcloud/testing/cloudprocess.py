"""A cloud's worker as a process of its own, over the hosts of a ``HostProcess``: for tests that kill and stop it.

Processes are forked from one that has everything imported (multiprocessing's fork server), so that a start costs a
few hundredths of a second.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from zcloud.base.clock import SystemClock
from zcloud.base.config import Config
from zcloud.store import Sealer, Store
from zcloud.testing.cloud import FakeCloud
from zcloud.testing.faults import Faults, parse_faults
from zcloud.testing.hostprocess import RemoteLinks

SEALING_KEY = bytes(range(32))
_START_S = 30.0

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload([__name__])


@dataclass(frozen=True, slots=True)
class Site:
    """Where a cloud lives: its configuration and the socket of its fake hosts."""

    config: Config
    hosts: Path

    def open_store(self) -> Store:
        """Open the store; threads may share it, processes may not."""
        return Store(self.config.url, clock=SystemClock(), seal=Sealer(SEALING_KEY))


class CloudProcess:
    """A process that runs a site's operations; ``faults`` is as in the environment (see ``faults``)."""

    def __init__(self, site: Site, faults: str = "") -> None:
        self._ours, theirs = _context.Pipe()
        self._process = _context.Process(target=_run, args=(site, faults, theirs), daemon=True)
        self._process.start()
        theirs.close()

    @property
    def pid(self) -> int:
        """Give its process id."""
        assert self._process.pid is not None
        return self._process.pid

    def until_ready(self) -> None:
        """Wait until it takes operations; raises EOFError where it died before that."""
        if not self._ours.poll(_START_S):
            raise TimeoutError("the cloud process did not start")
        self._ours.recv()

    def signal(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def wait(self, timeout_s: float) -> int | None:
        """Wait for its end and give its exit code (minus the signal's number), None where it still lives."""
        self._process.join(timeout_s)
        return self._process.exitcode

    def kill(self) -> None:
        """Kill it, whatever it is doing; dead already is fine."""
        self._process.kill()
        self._process.join(_START_S)
        self._ours.close()


@contextmanager
def running(site: Site, faults: str = "") -> Iterator[CloudProcess]:
    """Give a cloud process, and kill it afterwards."""
    process = CloudProcess(site, faults)
    try:
        yield process
    finally:
        process.kill()


def _run(site: Site, faults: str, parent: Connection[Any, Any]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the test, which then kills this
    logging.basicConfig(filename=site.config.data_dir / "cloud.log", format="%(asctime)s %(process)d %(message)s")
    cloud = FakeCloud(site.open_store(), site.config, links=RemoteLinks(site.hosts))
    cloud.start(Faults(parse_faults(faults)))
    parent.send("ready")
    parent.poll(None)  # until the parent is gone
    cloud.stop()
