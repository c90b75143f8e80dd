"""``/metrics``: what this process counted, and what the store knows of hosts, pools and instances.

No host is asked: counters of guests are those of the observer's last look. All is read in one transaction and then
written in pieces, so that ten thousand instances neither hold the store up nor fill the memory with text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from zcloud.backup.schedule import State
from zcloud.base import meters
from zcloud.domain import reconcile
from zcloud.domain.claims import ProviderKind, ProviderView
from zcloud.domain.host import Host
from zcloud.domain.instance import InstanceStatus, Ready
from zcloud.domain.operation import ENDED, OperationStatus
from zcloud.domain.samples import Row, find_row, unpack
from zcloud.domain.storage import Pool
from zcloud.services import metric_families as families
from zcloud.services.context import Services
from zcloud.services.exposition import Family, label_set, render
from zcloud.services.metric_families import GUESTS, HOSTS, POOLS, READY, HostView, PoolView
from zcloud.store import GaugeRow, QueueFacts, Tx

STALE = timedelta(minutes=2)  # older counters are not given: their host does not answer


def _no_certificates() -> Mapping[str, datetime]:
    return {}


@dataclass(frozen=True, slots=True)
class MetricsOptions:
    """What is given: series for every instance or not, and when certificates end, by their name."""

    version: str = ""
    instances: bool = True
    certificates: Callable[[], Mapping[str, datetime]] = _no_certificates


@dataclass(slots=True)
class _Picture:
    """What the store says at one moment; ``rows`` are the counters of guests and hosts by id."""

    now: datetime
    hosts: list[Host]
    pools: list[Pool]
    providers: Mapping[str, ProviderView]
    projects: Mapping[str, str]
    instances: list[GaugeRow]
    paused_for: Mapping[str, str]
    queue: QueueFacts
    beats: list[datetime]
    observer_beat: datetime | None
    backups: State
    reconciling: bool
    rows: dict[str, Row] = field(default_factory=dict)


class Metrics:
    """The service behind ``/metrics``."""

    def __init__(self, services: Services, options: MetricsOptions) -> None:
        self._store, self._zone, self._options = services.store, services.zone, options

    def read(self) -> Iterator[str]:
        """Read what there is to tell, and give it in pieces; raises StoreUnreachable before the first."""
        with self._store.read() as tx:
            picture = _look(tx, guests=self._options.instances)
        return self._tell(picture)

    def _tell(self, it: _Picture) -> Iterator[str]:
        yield meters.own_text().decode()
        yield from render(families.INFO, [(families.INFO.at(self._options.version, self._zone), 1)])
        ends = self._options.certificates().items()
        yield from render(families.CERTIFICATE, [(families.CERTIFICATE.at(name), at.timestamp()) for name, at in ends])
        yield from _tell_work(it)
        yield from _tell_care(it)
        yield from _tell_machines(it)
        yield from _tell_held(it)
        if self._options.instances:
            yield from _tell_instances(it)


def _look(tx: Tx, *, guests: bool) -> _Picture:
    instances = tx.instances.gauges()
    paused = tx.instances.many([row.id for row in instances if row.status is InstanceStatus.PAUSED])
    views = [*tx.claims.views(ProviderKind.HOST), *tx.claims.views(ProviderKind.POOL)]
    picture = _Picture(
        now=tx.now,
        hosts=tx.hosts.all(),
        pools=tx.pools.all(),
        providers={view.ref.id: view for view in views},
        projects={project.id: project.name for project in tx.projects.all()},
        instances=instances,
        paused_for={id: str(each.observed.get("paused_for") or "") for id, each in paused.items()},
        queue=tx.operations.queue(),
        beats=[worker.heartbeat_at for worker in tx.workers.all()],
        observer_beat=tx.settings.observer_beat(),
        backups=State.read(tx),
        reconciling=tx.settings.get(reconcile.KEY) is not None,
    )
    for host in picture.hosts:
        blob = tx.samples.latest(host.id, tx.now - STALE)
        if blob is not None:
            found = unpack(blob) if guests else [find_row(blob, host.id)]
            picture.rows |= {row["id"]: row for row in found if row is not None}
    return picture


def _tell_work(it: _Picture) -> Iterator[str]:
    """Tell of operations, workers and the observer."""
    parked = [status for status in OperationStatus if status not in ENDED]
    counted = [(families.OPERATIONS.at(status.value), it.queue.counts.get(status, 0)) for status in parked]
    yield from render(families.OPERATIONS, counted)
    yield from _single(families.OLDEST_QUEUED, _since(it, it.queue.oldest) if it.queue.oldest else 0.0)
    yield from _single(families.WORKERS, len(it.beats))
    yield from _single(families.WORKER_BEAT, _since(it, max(it.beats)) if it.beats else None)
    yield from _single(families.OBSERVER_BEAT, _since(it, it.observer_beat) if it.observer_beat else None)
    found = Counter(row.status for row in it.instances)
    yield from render(families.INSTANCES, [(families.INSTANCES.at(each.value), found[each]) for each in InstanceStatus])


def _tell_care(it: _Picture) -> Iterator[str]:
    """Tell of scheduled backups, where there are any, and of a restore that is not over."""
    state = it.backups
    if state.every_h and state.directory:
        last = datetime.fromisoformat(state.last_at) if state.last_at else None
        yield from _single(families.BACKUP_AGE, _since(it, last) if last else None)
        yield from _single(families.BACKUP_EVERY, state.every_h * 3600)
        yield from _single(families.BACKUP_FAILED, int(bool(state.failed_at)))
    yield from _single(families.RECONCILING, int(it.reconciling))


def _tell_machines(it: _Picture) -> Iterator[str]:
    hosts = [HostView(host, it.providers.get(host.id), it.rows.get(host.id), it.now) for host in it.hosts]
    for family, values in HOSTS:
        told = [(family.at(view.host.name, *more), value) for view in hosts for more, value in values(view)]
        yield from render(family, told)
    names = {host.id: host.name for host in it.hosts}
    pools = [PoolView(pool, it.providers.get(pool.id), it.now) for pool in it.pools]
    for pool_family, value_of in POOLS:
        series = [
            (pool_family.at(view.pool.name, names.get(view.pool.host_id or "", "")), value_of(view)) for view in pools
        ]
        yield from render(pool_family, series)


def _tell_held(it: _Picture) -> Iterator[str]:
    """Tell of guests that an error holds: few, so each has its series in any case."""
    held = [(row, it.paused_for[row.id]) for row in it.instances if it.paused_for.get(row.id)]
    yield from render(families.PAUSED, [(families.PAUSED.at(_project(it, row), row.name, why), 1) for row, why in held])


def _tell_instances(it: _Picture) -> Iterator[str]:
    """Tell of every instance, a metric at a time as the format wants it; labels are written once for all."""
    hosts = {host.id: host.name for host in it.hosts}
    named = [(label_set(READY.labels, (_project(it, row), row.name)), row) for row in it.instances]
    yield from render(
        families.INSTANCE_INFO,
        (
            (families.INSTANCE_INFO.at(_project(it, row), row.name, row.id, hosts.get(row.host_id, "")), 1)
            for row in it.instances
        ),
    )
    status = families.STATUS
    yield from render(status, ((status.at(_project(it, row), row.name, row.status.value), 1) for row in it.instances))
    awaited = ((labels, row) for labels, row in named if row.ready is not Ready.NONE)
    yield from render(READY, ((f"{READY.name}{labels}", int(row.ready is Ready.READY)) for labels, row in awaited))
    counted = [(labels, it.rows[row.id]) for labels, row in named if row.id in it.rows]
    for family, value_of in GUESTS:
        yield from render(family, ((f"{family.name}{labels}", value_of(row)) for labels, row in counted))


def _single(family: Family, value: float | None) -> Iterator[str]:
    return render(family, [] if value is None else [(family.at(), value)])


def _project(it: _Picture, row: GaugeRow) -> str:
    return it.projects.get(row.project_id, row.project_id)


def _since(it: _Picture, then: datetime) -> float:
    return max(round((it.now - then).total_seconds(), 3), 0.0)
