"""A cloud for crash tests: its store, its fake hosts in a process of their own, and workers that come and go."""

from __future__ import annotations

import itertools
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.crash.books import Books
from tests.crash.scenes import Stage

from zcloud.base.config import Config, Images, Workers
from zcloud.domain.operation import Operation, OperationStatus
from zcloud.observer.sync import PowerSync
from zcloud.store import Store
from zcloud.testing.cloud import FakeCloud
from zcloud.testing.cloudprocess import CloudProcess, Site
from zcloud.testing.hostprocess import HostProcess, RemoteLinks

DEADLINE_S = 90.0


class Cell:
    """The test's side of a cloud. A *keeper* is a healthy worker in this process; a *victim* is killed at a point."""

    def __init__(self, site: Site, store: Store) -> None:
        self.site, self.store = site, store
        self.links = RemoteLinks(site.hosts)
        self.cloud = FakeCloud(store, site.config, links=self.links)
        self.books = Books(site.config.url, site.config.data_dir, store, self.links)
        self.stage = Stage(self.cloud, self.done)
        self._kept = False

    def keep(self) -> None:
        """Have a healthy worker from here on."""
        if not self._kept:
            self._kept = True
            self.cloud.start()

    def leave(self) -> None:
        """Have no worker any more."""
        if self._kept:
            self._kept = False
            self.cloud.stop()

    def done(self, operation: Operation) -> Operation:
        """Have an operation run to its end, and insist that it succeeded."""
        ended = self.ended(operation)
        assert ended.status is OperationStatus.SUCCEEDED, (ended.workflow, ended.error)
        return ended

    def ended(self, operation: Operation) -> Operation:
        """Have an operation run to its end."""
        self.keep()
        return self.cloud.wait(operation, DEADLINE_S)

    def parts(self, operation: Operation) -> list[Operation]:
        """Give the operations that one began as its parts."""
        return self.cloud.read(lambda tx: tx.operations.children(operation.id))

    def kill_at(self, point: str, *, error_at: str = "") -> None:
        """Have a worker that is killed when it comes to ``point`` (``NAME@N``), after an error at ``error_at``."""
        self.leave()
        faults = [f"{error_at}:error=command_failed"] if error_at else []
        victim = CloudProcess(self.site, ",".join([*faults, f"{point}:kill"]))
        try:
            assert victim.wait(DEADLINE_S) == -signal.SIGKILL, f"it never came to {point}"
        finally:
            victim.kill()

    def look_at(self, host_id: str) -> None:
        """Let the observer compare power states, as it does every few seconds."""
        PowerSync(self.store).run(host_id, self.links.link(host_id).hypervisor)


@contextmanager
def made(url: str, open_store: Callable[[str], Store]) -> Iterator[Cell]:
    """Give a cell on a fresh store."""
    with TemporaryDirectory(prefix="zcloud-crash-") as directory:
        data = Path(directory)
        config = Config(
            data_dir=data,
            store_url=url,
            workers=Workers(threads=4, heartbeat_s=0.2, heartbeat_timeout_s=1.5),
            images=Images(allow_private=("127.0.0.0/8",)),
        )
        hosts = HostProcess(data / "hosts.sock")
        store = open_store(url)
        cell = Cell(Site(config, hosts.socket), store)
        try:
            yield cell
        finally:
            cell.leave()
            cell.books.close()
            store.close()
            hosts.kill()


def until(what: Callable[[], bool], seconds: float = DEADLINE_S) -> None:
    """Wait for something; raises TimeoutError."""
    deadline = time.monotonic() + seconds
    for pause in itertools.chain([0.002, 0.005], itertools.repeat(0.01)):
        if what():
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds} s")
        time.sleep(pause)
