"""One host's connections, kept open: opened, watched, opened again, with its state told.

A host is *lost* when its shell and libvirt are both silent, *degraded* when only libvirt is. One thread per host
does the connecting and never waits more than a few seconds. Calls to what is not up fail at once.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import nullcontext
from typing import NamedTuple

from zcloud.domain.errors import HostUnreachable, ZcloudError
from zcloud.domain.host import HostState
from zcloud.hosts import libvirt
from zcloud.hosts.ways import LocalWay, SshWay
from zcloud.ports import DomainEvent, Hypervisor, Shell

_log = logging.getLogger(__name__)

FIRST_BACKOFF_S = 0.5
LONGEST_BACKOFF_S = 15.0

_SETTLE_S = 5.0
_LIBVIRT_S = 4.0
_CALM_S = 10.0


class Health(NamedTuple):
    """A host's state (up, degraded or lost) and why."""

    state: HostState
    reason: str


class HostSession:
    """The link to one host (``ports.WatchedLink``).

    ``tell`` gets each change of state and ``sink`` each domain event; both are called from threads of ours and must
    return at once. ``make_way`` gives the way to the host; what it is given is called when that way is lost;
    ``timer`` what times the calls of the connection named. It may be silent for ``patience`` times as long as others.
    """

    def __init__(
        self,
        host_id: str,
        make_way: Callable[[Callable[[str], None]], LocalWay | SshWay],
        tell: Callable[[Health], None],
        sink: Callable[[DomainEvent], None],
        timer: Callable[[str], libvirt.Timer] = lambda _connection: nullcontext,
        *,
        patience: float = 1.0,
    ) -> None:
        self._libvirt_s = _LIBVIRT_S * patience
        self._tell, self._sink = tell, sink
        self._wake, self._closing, self._settled = threading.Event(), threading.Event(), threading.Event()
        self._why = ""
        self.health = Health(HostState.LOST, "It has not been reached yet.")
        self._way = make_way(self._lost)
        self._watch = libvirt.Connection(
            libvirt.WATCH_KEEPALIVE.times(patience),
            self._watch_lost,
            host_id=host_id,
            in_flight=libvirt.WATCH_IN_FLIGHT,
            timer=timer("watch"),
        )
        self._jobs = libvirt.Connection(libvirt.JOBS_KEEPALIVE, self._lost, host_id=host_id, timer=timer("jobs"))
        self._hypervisor = libvirt.LibvirtHypervisor(self._watch, self._jobs, self._way.socket)
        self._opening: Future[None] | None = None
        self.connection = 0  # ports.WatchedLink
        self._thread = threading.Thread(target=self._keep_open, name="host", daemon=True)
        self._thread.start()

    @property
    def shell(self) -> Shell:
        """The host's commands and files."""
        return self._way.shell

    @property
    def hypervisor(self) -> Hypervisor:
        """The host's libvirt."""
        return self._hypervisor

    @property
    def settled(self) -> bool:
        """Whether the first attempt to connect has ended."""
        return self._settled.is_set()

    def wait_settled(self) -> None:
        """Wait until the first attempt to connect has ended, well or not (5 s at most)."""
        self._settled.wait(_SETTLE_S)

    def close(self) -> None:
        """Give the connections up; nothing is told any more."""
        self._closing.set()
        self._wake.set()
        self._watch.hold("the host was removed")
        self._jobs.hold("the host was removed")
        self._thread.join(_SETTLE_S)

    def _keep_open(self) -> None:
        failures = 0
        while not self._closing.is_set():
            self._wake.clear()
            up = self._connect()
            self._settled.set()
            if not up:
                self._wake.wait(_backoff(failures))
                self._note_loss()
                failures += 1
                continue
            if not self._wake.wait(_CALM_S):
                failures = 0
                self._wake.wait()
            self._note_loss()
            if failures:  # it came back only to break again
                self._rest(_backoff(failures))
        self._watch.close()
        self._jobs.close()
        self._way.close()

    def _rest(self, seconds: float) -> None:
        """Wait before the next attempt; what else breaks meanwhile is told at once."""
        end = time.monotonic() + seconds
        while not self._closing.is_set() and (left := end - time.monotonic()) > 0:
            self._wake.clear()
            if self._wake.wait(left):
                self._note_loss()

    def _connect(self) -> bool:
        """Try once to have everything open; gives whether the host is up, and tells."""
        missing = HostState.LOST
        try:
            self._way.open()
            missing = HostState.DEGRADED
            self._open_libvirt()
        except ZcloudError as error:
            self._set(missing, error.message)
        except Exception as error:  # noqa: BLE001 - a defect here must not end the only thread that can mend it
            _log.exception("Connecting to a host failed")
            self._set(missing, f"Connecting failed: {error}.")
        else:
            self._set(HostState.UP, "")
        return self.health.state is HostState.UP

    def _note_loss(self) -> None:
        """Tell at once what is lost, before an attempt to have it back takes its time."""
        if self._closing.is_set():
            return
        if not self._way.is_open:
            self._set(HostState.LOST, self._why)
        elif self.health.state is HostState.UP and not self._is_open():
            self._set(HostState.DEGRADED, f"libvirt does not answer: {self._why}.")

    def _is_open(self) -> bool:
        return self._watch.is_open and self._jobs.is_open

    def _open_libvirt(self) -> None:
        """Open both connections, in a thread because a frozen libvirtd lets us wait for as long as it is frozen."""
        if self._is_open():
            return
        if self._opening is None or self._opening.done():
            self._opening = _in_thread(self._open_both)
        try:
            self._opening.result(self._libvirt_s)
        except TimeoutError:
            self._opening.add_done_callback(lambda _: self._wake.set())
            raise HostUnreachable("libvirt takes connections but does not answer.") from None

    def _open_both(self) -> None:
        uri = self._way.libvirt_uri()
        if not self._watch.is_open:
            self.connection += 1  # before it is open: what it answers is never taken for an older one's word
            try:
                self._watch.open(uri)
            except HostUnreachable:
                self._jobs.hold(self._watch.why)
                raise
            libvirt.listen(self._watch, self._sink)
        self._jobs.open(uri)

    def _watch_lost(self, why: str) -> None:
        """Without the watch, new jobs are refused: they would hang as well."""
        self._jobs.hold(why)
        self._sink(DomainEvent("connection_lost", "", "", why, {}))
        self._lost(why)

    def _lost(self, why: str) -> None:
        self._why = why
        self._wake.set()

    def _set(self, state: HostState, reason: str) -> None:
        before, self.health = self.health, Health(state, reason)
        if (before.state is not state or not self._settled.is_set()) and not self._closing.is_set():
            self._tell(self.health)


def _backoff(failures: int) -> float:
    """Give how long to wait: doubled with each failure, bounded, and never in step with other hosts."""
    longest = min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2.0 ** min(failures, 10))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 - not a secret


def _in_thread(work: Callable[[], None]) -> Future[None]:
    """Do work in a daemon thread, which may hang without keeping the process."""
    future: Future[None] = Future()

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - it is raised where the result is asked for
            future.set_exception(error)
        else:
            future.set_result(None)

    threading.Thread(target=run, name="host-open", daemon=True).start()
    return future
