"""A cloud's worker as a process of its own, over the hosts of a ``HostProcess``: for tests that kill and stop it."""

from __future__ import annotations

import logging
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
from zcloud.testing.forked import ForkedProcess, preload, serve
from zcloud.testing.hostprocess import RemoteLinks

SEALING_KEY = bytes(range(32))
preload(__name__)


@dataclass(frozen=True, slots=True)
class Site:
    """Where a cloud lives: its configuration and the socket of its fake hosts."""

    config: Config
    hosts: Path

    def open_store(self) -> Store:
        """Open the store; threads may share it, processes may not."""
        return Store(self.config.url, clock=SystemClock(), seal=Sealer(SEALING_KEY))


class CloudProcess(ForkedProcess):
    """A process that runs a site's operations; ``faults`` is as in the environment (see ``faults``)."""

    def __init__(self, site: Site, faults: str = "") -> None:
        super().__init__(_run, site, faults)


@contextmanager
def running(site: Site, faults: str = "") -> Iterator[CloudProcess]:
    """Give a cloud process, and kill it afterwards."""
    process = CloudProcess(site, faults)
    try:
        yield process
    finally:
        process.kill()


def _run(site: Site, faults: str, us: Connection[Any, Any]) -> None:
    logging.basicConfig(filename=site.config.data_dir / "cloud.log", format="%(asctime)s %(process)d %(message)s")
    cloud = FakeCloud(site.open_store(), site.config, links=RemoteLinks(site.hosts))
    cloud.start(Faults(parse_faults(faults)))
    serve(us)
    cloud.stop()
