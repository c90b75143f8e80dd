"""The observer's threads: one that keeps time, a few that look, and the events that wake them."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from zcloud.base.clock import Clock
from zcloud.base.config import Observer as Settings
from zcloud.domain.errors import HostUnreachable, ZcloudError
from zcloud.domain.host import HostState
from zcloud.domain.instance import Instance
from zcloud.hosts import HostPool
from zcloud.observer.health import record_state
from zcloud.observer.ready import ReadyWatch
from zcloud.observer.retention import prune
from zcloud.observer.sync import PowerSync
from zcloud.observer.tick import Tick
from zcloud.ports import DomainEvent
from zcloud.store import Store

_log = logging.getLogger(__name__)

_THREADS = 8
_BEAT_S = 0.25
_HEAL_EVERY_S = 60.0
_PRUNE_EVERY_S = 3600.0


@dataclass(slots=True)
class _Watched:
    """One host's timetable, in monotonic seconds."""

    tick_at: float = 0.0
    heal_at: float = 0.0
    ready_at: float = 0.0
    dirty: bool = True
    definitions: set[str] = field(default_factory=set)
    running: Future[None] | None = None
    unsubscribe: object = None


class Observer:
    """Watches every host of the store. ``start`` and ``stop`` it; one at a time is active in a cloud."""

    def __init__(self, store: Store, pool: HostPool, settings: Settings, clock: Clock) -> None:
        self._store, self._pool, self._settings, self._clock = store, pool, settings, clock
        self._sync, self._ready, self._tick = PowerSync(store), ReadyWatch(store), Tick(store)
        self._hosts: dict[str, _Watched] = {}
        self._wake, self._stopping = threading.Event(), threading.Event()
        self._work = ThreadPoolExecutor(_THREADS, thread_name_prefix="observer")
        self._thread = threading.Thread(target=self._run, name="observer", daemon=True)
        self._prune_at = 0.0
        self._unsubscribe = pool.subscribe(self._host_changed)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Stop watching."""
        self._stopping.set()
        self._wake.set()
        self._unsubscribe()
        self._thread.join(5)
        self._work.shutdown(wait=False, cancel_futures=True)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._beat()
            except Exception:  # noqa: BLE001 - the only thread that keeps time must not end
                _log.exception("the observer stumbled")
            self._wake.wait(_BEAT_S)
            self._wake.clear()

    def _beat(self) -> None:
        now = self._clock.monotonic()
        with self._store.read() as tx:
            hosts = {each.id: each for each in tx.hosts.all() if each.state is not HostState.REMOVING}
            waiting = tx.instances.waiting()
        for host_id in hosts.keys() - self._hosts.keys():
            if hosts[host_id].state is not HostState.ADDING:
                self._watch(host_id)
        for host_id in self._hosts.keys() - hosts.keys():
            del self._hosts[host_id]
            self._pool.forget(host_id)
        for host_id, watched in self._hosts.items():
            mine = [each for each in waiting if each.host_id == host_id]
            if self._pool.health(host_id).state is HostState.UP and self._is_due(watched, bool(mine), now):
                watched.running = self._work.submit(self._look, host_id, watched, mine, now)
        if now >= self._prune_at:
            self._prune_at = now + _PRUNE_EVERY_S
            self._work.submit(prune, self._store, self._settings)

    def _watch(self, host_id: str) -> None:
        watched = self._hosts[host_id] = _Watched()

        def event(seen: DomainEvent) -> None:
            if seen.kind == "io_error":
                self._sync.note_io_error(seen.uuid, seen.detail)
            if seen.kind == "definition":
                watched.definitions.add(seen.uuid)
            watched.dirty = True
            self._wake.set()

        watched.unsubscribe = self._pool.events(host_id, event)
        health = self._pool.health(host_id)
        record_state(self._store, host_id, health.state, health.reason)

    def _host_changed(self, host_id: str, state: HostState, reason: str) -> None:
        record_state(self._store, host_id, state, reason)
        watched = self._hosts.get(host_id)
        if watched is not None and state is HostState.UP:
            watched.dirty, watched.heal_at = True, 0.0  # events may have been missed
        self._wake.set()

    def _is_due(self, watched: _Watched, someone_waits: bool, now: float) -> bool:
        if watched.running is not None and not watched.running.done():
            return False
        ready = someone_waits and now >= watched.ready_at
        return watched.dirty or ready or now >= watched.tick_at or now >= watched.heal_at

    def _look(self, host_id: str, watched: _Watched, waiting: list[Instance], now: float) -> None:
        """Do what is due for one host; a host that went away is picked up again when it is back."""
        try:
            self._do_due(host_id, watched, waiting, now)
        except HostUnreachable:
            watched.dirty = True
        except ZcloudError:
            _log.warning("looking at host %s failed", host_id, exc_info=True)
        except Exception:  # noqa: BLE001 - one host's trouble must not stop the looks at it for ever
            _log.exception("looking at host %s failed", host_id)

    def _do_due(self, host_id: str, watched: _Watched, waiting: list[Instance], now: float) -> None:
        link = self._pool.link(host_id)
        ticking = now >= watched.tick_at
        if watched.dirty or ticking:
            watched.dirty = False
            self._sync.run(host_id, link.hypervisor)
        while watched.definitions:
            self._sync.check_definition(watched.definitions.pop(), link.hypervisor)
        if now >= watched.ready_at:
            watched.ready_at = now + self._settings.readiness_interval_s
            for instance in waiting:
                self._ready.look(instance, link)
        if ticking:
            watched.tick_at = now + self._settings.interval_s
            self._tick.run(host_id, link)
        if now >= watched.heal_at:
            watched.heal_at = now + _HEAL_EVERY_S
            self._tick.heal(host_id, link)
