"""The looks at one host: each kind in a lane of its own, so that a slow one never keeps the others waiting."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from datetime import datetime

from zcloud.base.config import Observer as Settings
from zcloud.domain.errors import HostUnreachable, NotFound, ZcloudError
from zcloud.domain.instance import Instance
from zcloud.observer.addresses import AddressWatch
from zcloud.observer.boot import note_boot, settle
from zcloud.observer.foreign import ForeignWatch
from zcloud.observer.heal import Healer
from zcloud.observer.orphans import OrphanWatch
from zcloud.observer.pools import PoolWatch
from zcloud.observer.ready import ReadyWatch, is_due
from zcloud.observer.reconcile import ReconcileWatch
from zcloud.observer.sync import PowerSync
from zcloud.observer.tick import Tick
from zcloud.ports import DomainEvent, WatchedLink
from zcloud.store import Store

_log = logging.getLogger(__name__)

_SPACING_S = 0.1  # a guest that reboots without end must not keep us listing
_AGAIN_S = 1.0
_QUICK = frozenset({"power", "devices"})


class Looks:
    """What is done at a look, for all hosts."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self.store, self.settings = store, settings
        self.sync, self.ready, self.tick = PowerSync(store), ReadyWatch(store), Tick(store)
        self.pools = PoolWatch(store)
        self.healer, self.orphans = Healer(store), OrphanWatch(store)
        self.addresses = AddressWatch(store)
        self.reconcile, self.foreign = ReconcileWatch(store), ForeignWatch(store)


@dataclass(slots=True)
class Lane:
    """One kind of look: how often (seconds), when the next is due (monotonic), and the one that is under way."""

    work: Callable[[WatchedLink], object]
    every_s: float
    at: float = 0.0
    begun: float = float("-inf")
    running: Future[None] | None = None

    def is_due(self, now: float) -> bool:
        """Tell whether to look now."""
        idle = self.running is None or self.running.done()
        return idle and now >= self.at and now >= self.begun + _SPACING_S

    def begin(self, executor: Executor, look: Callable[[], None], now: float) -> None:
        """Look in a thread; what asks for another look from now on is not forgotten."""
        self.begun, self.at = now, now + self.every_s
        self.running = executor.submit(look)


@dataclass(slots=True)
class HostWatch:
    """One host's timetable. ``quick`` runs what must be seen within seconds, ``slow`` the rest."""

    host_id: str
    looks: Looks
    quick: Executor
    slow: Executor
    waiting: Sequence[Instance] = ()
    _normal: dict[str, Lane] = field(init=False)
    _comparing: dict[str, Lane] = field(init=False)
    _defined: set[str] = field(default_factory=set)
    _looked_at: dict[str, datetime] = field(default_factory=dict)  # waiting instances
    _released: set[str] = field(default_factory=set)
    _all_definitions: bool = True
    _reconciling: bool = False
    _boot_noted_on: int | None = None  # the connection

    def __post_init__(self) -> None:
        settings = self.looks.settings
        # Of a restored server: nothing else is done, for other lanes change hosts or take what they see as true.
        compare = Lane(lambda link: self.looks.reconcile.run(self.host_id, link), settings.interval_s)
        self._comparing = {"reconcile": compare}
        self._normal = {
            "power": Lane(self._power, settings.interval_s),
            "definitions": Lane(self._definitions, float("inf")),
            "devices": Lane(self._devices, float("inf")),
            "ready": Lane(self._ready, settings.readiness_interval_s),
            "tick": Lane(lambda link: self.looks.tick.run(self.host_id, link), settings.interval_s),
            "pools": Lane(lambda link: self.looks.pools.run(self.host_id, link), settings.interval_s),
            "addresses": Lane(lambda link: self.looks.addresses.run(self.host_id, link), settings.addresses_interval_s),
            "foreign": Lane(lambda link: self.looks.foreign.run(self.host_id, link), settings.interval_s),
            "heal": Lane(lambda link: self.looks.healer.run(self.host_id, link), settings.heal_interval_s),
            "orphans": Lane(lambda link: self.looks.orphans.run(self.host_id, link), settings.orphans_interval_s),
        }

    @property
    def lanes(self) -> dict[str, Lane]:
        """Give the lanes that are gone through now."""
        return self._comparing if self._reconciling else self._normal

    def set_mode(self, *, reconciling: bool) -> None:
        """Only compare, or look as always; at a change everything is looked at anew."""
        if reconciling is not self._reconciling:
            self._reconciling = reconciling
            self.catch_up()

    def note(self, event: DomainEvent) -> None:
        """Take an event of the host's libvirt; what it means is read from the next listing."""
        if event.kind == "io_error":
            self.looks.sync.note_io_error(event.uuid, event.detail)
        # Of devices libvirt tells only that a running domain has others now; its definition may have as well.
        defined = event.kind == "definition" and event.detail.startswith("defined")
        if defined or event.kind in ("device_added", "device_removed"):
            self._defined.add(event.uuid)
            self._normal["definitions"].at = 0.0
        if event.kind == "device_removed":
            self._released.add(event.uuid)
            self._normal["devices"].at = 0.0
        if event.kind != "connection_lost":
            self._normal["power"].at = self._comparing["reconcile"].at = 0.0

    def catch_up(self) -> None:
        """Look at everything anew: the host was away, and events may have been missed."""
        self._all_definitions = True
        for lane in self.lanes.values():
            lane.at = 0.0

    def look(self, link: Callable[[], WatchedLink], now: float) -> None:
        """Begin what is due."""
        for name, lane in self.lanes.items():
            if lane.is_due(now) and (name != "ready" or self.waiting):
                executor = self.quick if name in _QUICK else self.slow
                lane.begin(executor, lambda name=name, lane=lane: self._do(name, lane, link), now)  # type: ignore[misc]

    def _do(self, name: str, lane: Lane, link: Callable[[], WatchedLink]) -> None:
        try:
            lane.work(link())
        except HostUnreachable:
            lane.at = 0.0  # done as soon as the host is back
        except ZcloudError:
            _log.warning("host %s: the look at %s failed", self.host_id, name, exc_info=True)
        except Exception:  # noqa: BLE001 - one host's trouble must not stop the looks at it for ever
            _log.exception("host %s: the look at %s failed", self.host_id, name)

    def _power(self, link: WatchedLink) -> None:
        connection = link.connection
        new = connection != self._boot_noted_on
        if new:
            note_boot(self.looks.store, self.host_id, link)
        if self.looks.sync.run(self.host_id, link.hypervisor, lambda: link.connection == connection):
            lane = self._normal["power"]
            lane.at = min(lane.at, lane.begun + _AGAIN_S)
        elif new:  # only now do the records tell of this boot
            settle(self.looks.store, self.host_id)
            self._boot_noted_on = connection

    def _definitions(self, link: WatchedLink) -> None:
        if self._all_definitions:
            self._all_definitions = False
            self._defined |= self.looks.sync.definitions(self.host_id)
        again = set()
        while self._defined:
            uuid = self._defined.pop()
            try:
                if self.looks.sync.check_definition(uuid, link.hypervisor):
                    again.add(uuid)
            except ZcloudError:
                self._all_definitions = True
                raise
        if again:
            self._defined |= again
            lane = self._normal["definitions"]
            lane.at = min(lane.at, lane.begun + _AGAIN_S)

    def _devices(self, _link: WatchedLink) -> None:
        """Wake the operations that wait until guests have let go of a device."""
        while self._released:
            self.looks.sync.wake(self._released.pop())

    def _ready(self, link: WatchedLink) -> None:
        waiting, now = self.waiting, self.looks.ready.now()
        due = [each for each in waiting if is_due(each, self._looked_at.get(each.id), now)]
        self._looked_at = {each.id: self._looked_at.get(each.id, now) for each in waiting} | {
            each.id: now for each in due
        }
        for instance in due:
            with contextlib.suppress(NotFound):  # deleted meanwhile: the look at power tells
                self.looks.ready.look(instance, link)
