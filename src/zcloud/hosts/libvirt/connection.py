"""One libvirt connection: bounded calls, keepalive, and at once an error when it is broken.

libvirtd stops reading a client that has five requests open, and its keepalive then kills the connection; so at most
three calls are in flight on one. And libvirt's client does not notice a silent libvirtd while two threads wait for
answers on one connection (measured with 9.0: never); so on the one that has to notice, there is one at a time.
Callers beyond that wait here, and are released when the connection breaks.
"""

from __future__ import annotations

import contextlib
import math
import threading
import weakref
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple, Protocol, TypeVar

import libvirt

from zcloud.domain.errors import HostUnreachable
from zcloud.hosts.libvirt import eventloop
from zcloud.hosts.libvirt.errors import translate

MAX_IN_FLIGHT, WATCH_IN_FLIGHT = 3, 1

Timer = Callable[[], AbstractContextManager[object]]  # times what is done within

_T = TypeVar("_T")
_CLOSE_REASONS = {
    libvirt.VIR_CONNECT_CLOSE_REASON_ERROR: "the connection broke",
    libvirt.VIR_CONNECT_CLOSE_REASON_EOF: "libvirt closed the connection",
    libvirt.VIR_CONNECT_CLOSE_REASON_KEEPALIVE: "libvirt fell silent",
}


class Keepalive(NamedTuple):
    """Seconds between keepalive messages, and how many may stay unanswered; an interval of 0 sends none."""

    interval_s: int
    unanswered: int

    def times(self, patience: float) -> Keepalive:
        """Give the same for a host that may be silent for so much longer."""
        return self._replace(interval_s=math.ceil(self.interval_s * patience))


WATCH_KEEPALIVE = Keepalive(1, 2)  # silence is noticed after 2 to 3 s: libvirt counts whole seconds
JOBS_KEEPALIVE = Keepalive(5, 6)


class Dependent(Protocol):
    """Something that ends with the connection, such as a console."""

    def end(self) -> None:
        """Learn that the connection is gone; must return at once."""
        ...


class Connection:
    """A libvirt connection that can be opened, lost and opened again.

    ``on_lost`` is called from libvirt's event thread with the reason; it must return at once. ``timer`` times calls.
    """

    def __init__(
        self,
        keepalive: Keepalive,
        on_lost: Callable[[str], None],
        *,
        host_id: str = "",
        in_flight: int = MAX_IN_FLIGHT,
        timer: Timer = nullcontext,
    ) -> None:
        self._keepalive, self._on_lost, self._host_id = keepalive, on_lost, host_id
        self._timer = timer
        self._in_flight = in_flight
        self._dependents: weakref.WeakSet[Dependent] = weakref.WeakSet()
        self._raw: libvirt.virConnect | None = None
        self._broken: libvirt.virConnect | None = None
        self._held = False
        self._calls: Counter[libvirt.virConnect] = Counter()  # in flight, those on a broken connection too
        self._retired: list[libvirt.virConnect] = []
        self.why = "it has not been connected yet"
        self._turn = threading.Condition()

    @property
    def is_open(self) -> bool:
        """Whether calls can be made."""
        return self._raw is not None and not self._held

    def open(self, uri: str) -> None:
        """Connect, unless connected. Blocks as long as a frozen libvirtd does; raises HostUnreachable."""
        self._held = False
        if self._raw is not None:
            return
        eventloop.ensure_running()
        broken, self._broken = self._broken, None
        self._retire(broken)
        try:
            raw = libvirt.open(uri)
            if self._keepalive.interval_s:
                raw.setKeepAlive(self._keepalive.interval_s, self._keepalive.unanswered)
            raw.registerCloseCallback(self._closed, None)
        except libvirt.libvirtError as error:
            self.why = error.get_error_message() or str(error)
            raise translate(error, alive=False, host_id=self._host_id) from error
        with self._turn:
            self._raw = raw
        if not raw.isAlive():
            self._drop(raw, "libvirt closed the connection")

    def close(self) -> None:
        """Disconnect; calls that wait for their turn fail. ``on_lost`` is not called for it."""
        with self._turn:
            raw, self._raw = self._raw, None
            self.why = "it was disconnected"
            self._turn.notify_all()
        self._end_dependents()
        self._retire(raw)

    def hold(self, why: str) -> None:
        """Refuse new calls until the next ``open``; those in flight go on."""
        with self._turn:
            self._held, self.why = True, why
            self._turn.notify_all()

    def call(self, work: Callable[[libvirt.virConnect], _T]) -> _T:
        """Do ``work`` on the connection when it has its turn.

        Raises HostUnreachable at once when the connection is broken, HypervisorFailed with libvirt's words.
        """
        raw = self._begin()
        try:
            with self._timer():
                return work(raw)
        except libvirt.libvirtError as error:
            raise translate(error, alive=self._is_alive(raw), host_id=self._host_id) from error
        finally:
            self._end(raw)

    def depend(self, dependent: Dependent) -> None:
        """Have something told when the connection ends; libvirt tells the streams of a broken connection nothing."""
        with self._turn:
            if self._raw is not None:
                self._dependents.add(dependent)
                return
        dependent.end()

    def _end_dependents(self) -> None:
        with self._turn:
            ending = list(self._dependents)
            self._dependents.clear()
        for dependent in ending:
            dependent.end()

    def _begin(self) -> libvirt.virConnect:
        with self._turn:
            while self._raw is not None and not self._held and self._calls[self._raw] >= self._in_flight:
                self._turn.wait()
            if self._raw is None or self._held:
                raise HostUnreachable(f"libvirt does not answer: {self.why}.", host_id=self._host_id)
            self._calls[self._raw] += 1
            return self._raw

    def _end(self, raw: libvirt.virConnect) -> None:
        with self._turn:
            self._calls[raw] -= 1
            self._calls += Counter()  # forget what is at zero
            self._turn.notify()
            is_last = raw in self._retired and raw not in self._calls
            if is_last:
                self._retired.remove(raw)
        if is_last:
            _dispose(raw)

    def _retire(self, raw: libvirt.virConnect | None) -> None:
        """Give a connection back once its last call has ended: libvirt frees it under a call's feet (a crash)."""
        if raw is None:
            return
        with self._turn:
            busy = raw in self._calls
            if busy:
                self._retired.append(raw)
        if not busy:
            _dispose(raw)

    def _closed(self, raw: libvirt.virConnect, reason: int, _opaque: object) -> None:
        self._drop(raw, _CLOSE_REASONS.get(reason, "the connection was closed"))

    def _drop(self, raw: libvirt.virConnect, why: str) -> None:
        """Note the loss of the connection that is in use, and wake everybody who waits for a turn."""
        with self._turn:
            if raw is not self._raw:
                return
            self._raw, self._broken = None, raw  # disposed of later: this is libvirt's own thread
            self.why = why
            self._turn.notify_all()
        self._end_dependents()
        self._on_lost(why)

    def _is_alive(self, raw: libvirt.virConnect) -> bool:
        try:
            return raw is self._raw and bool(raw.isAlive())
        except libvirt.libvirtError:
            return False


def _dispose(raw: libvirt.virConnect) -> None:
    """Give a connection back to libvirt; a broken one complains, which changes nothing."""
    with contextlib.suppress(libvirt.libvirtError):
        raw.unregisterCloseCallback()
    with contextlib.suppress(libvirt.libvirtError):
        raw.close()
