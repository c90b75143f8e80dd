"""The observer: keeps time, lets hosts be looked at, writes down which of them answer."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from zcloud.base.clock import Clock
from zcloud.base.config import Observer as Settings
from zcloud.domain.errors import NotFound
from zcloud.domain.host import Host, HostState
from zcloud.domain.instance import Instance
from zcloud.domain.reconcile import KEY, PENDING
from zcloud.observer import orphans
from zcloud.observer.chores import Chore, Chores
from zcloud.observer.health import record_state
from zcloud.observer.host import HostWatch, Looks
from zcloud.observer.lease import Lease
from zcloud.ports import DomainEvent, WatchedLink
from zcloud.store import Store

_log = logging.getLogger(__name__)

_QUICK, _SLOW = 4, 8  # threads
_BEAT_S = 0.25
_GATHER_S = 0.02

Unsubscribe = Callable[[], None]


class Health(Protocol):
    """A host's state and why."""

    @property
    def state(self) -> HostState: ...

    @property
    def reason(self) -> str: ...


class Links(Protocol):
    """What the observer needs of ``hosts.HostPool``."""

    def link(self, host_id: str) -> WatchedLink: ...

    def known(self, host_id: str) -> Health | None: ...

    def subscribe(self, callback: Callable[[str, HostState, str], None]) -> Unsubscribe: ...

    def events(self, host_id: str, callback: Callable[[DomainEvent], None]) -> Unsubscribe: ...

    def forget(self, host_id: str) -> None: ...


class Observer:
    """Watches every host of the store. ``start`` and ``stop`` it; of several in a cloud one is active at a time."""

    def __init__(
        self, store: Store, links: Links, settings: Settings, clock: Clock, chores: Sequence[Chore] = ()
    ) -> None:
        self._store, self._links, self._settings, self._clock = store, links, settings, clock
        self._looks = Looks(store, settings)
        self._lease = Lease(store, clock, settings.lease_s)
        self._hosts: dict[str, tuple[HostWatch, Unsubscribe]] = {}
        self._wake, self._stopping = threading.Event(), threading.Event()
        self._quick = ThreadPoolExecutor(_QUICK, thread_name_prefix="observer-quick")
        self._slow = ThreadPoolExecutor(_SLOW, thread_name_prefix="observer")
        self._thread = threading.Thread(target=self._run, name="observer", daemon=True)
        self._active = False
        self._chores = Chores(chores, self._slow)

    def start(self) -> None:
        """Begin to watch, or to wait until the present observer is gone."""
        self._unsubscribe = self._links.subscribe(lambda _host, _state, _why: self._wake.set())
        self._thread.start()

    def stop(self) -> None:
        """Stop watching, and let another observer take over at once."""
        self._stopping.set()
        self._wake.set()
        self._unsubscribe()
        self._thread.join(5)
        for executor in (self._quick, self._slow):
            executor.shutdown(wait=False, cancel_futures=True)
        self._active = False
        self._forget_all()
        self._lease.release()

    @property
    def active(self) -> bool:
        """Whether this is the observer that watches now."""
        return self._active

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._active = self._lease.hold()
                if self._active:
                    self._beat()
                else:
                    self._forget_all()
            except Exception:  # noqa: BLE001 - the only thread that keeps time must not end
                _log.exception("the observer stumbled")
            if self._wake.wait(_BEAT_S):
                self._stopping.wait(_GATHER_S)  # events come in groups
            self._wake.clear()

    def _beat(self) -> None:
        now = self._clock.monotonic()
        with self._store.read() as tx:
            hosts = {each.id: each for each in tx.hosts.all()}
            waiting = tx.instances.waiting()
            reconciling = tx.settings.get(KEY) is not None
            pending = set(tx.settings.get(PENDING, ()))
        for gone in self._hosts.keys() - {key for key, host in hosts.items() if host.state is not HostState.REMOVING}:
            self._unwatch(gone)
            self._links.forget(gone)
            orphans.forget(self._store, gone)
        for host in hosts.values():
            if host.state not in (HostState.ADDING, HostState.REMOVING):
                mine = [each for each in waiting if each.host_id == host.id]
                self._look(host, mine, now, reconciling=reconciling or host.id in pending)
        self._chores.begin_due(now)

    def _look(self, host: Host, waiting: list[Instance], now: float, *, reconciling: bool) -> None:
        """Write down whether the host answers, and where it does, begin what is due."""
        try:
            if host.id not in self._hosts:
                watch = HostWatch(host.id, self._looks, self._quick, self._slow)
                self._hosts[host.id] = watch, self._links.events(host.id, lambda event: self._note(watch, event))
            health = self._links.known(host.id)
        except NotFound:  # removed a moment ago
            return
        watch = self._hosts[host.id][0]
        if health is None:
            return
        if health.state is not host.state or (health.reason != host.state_reason and host.state is not HostState.UP):
            record_state(self._store, host.id, health.state, health.reason)
            if health.state is HostState.UP:
                watch.catch_up()
        if health.state is HostState.UP:
            watch.waiting = waiting
            watch.set_mode(reconciling=reconciling)
            watch.look(lambda: self._links.link(host.id), now)

    def _note(self, watch: HostWatch, event: DomainEvent) -> None:
        watch.note(event)
        self._wake.set()

    def _unwatch(self, host_id: str) -> None:
        _, unsubscribe = self._hosts.pop(host_id)
        unsubscribe()

    def _forget_all(self) -> None:
        for host_id in list(self._hosts):
            self._unwatch(host_id)
