"""The whole cloud on one page: what there is, what is used, what runs now, and what is the matter.

All of it comes from the store: sums where there are thousands, and at most ``MAX_CELLS`` instances by name.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from zcloud.domain.claims import BYTES, MEMORY_MIB, VCPUS, ProviderKind, ProviderRef, ProviderView
from zcloud.domain.foreign import Others
from zcloud.domain.host import Host, HostState
from zcloud.domain.instance import TEMPLATE, Instance, InstanceStatus
from zcloud.domain.network import Network, count_addresses
from zcloud.domain.operation import ENDED, Event, Operation, OperationStatus
from zcloud.domain.people import Actor, Project, Usage
from zcloud.domain.storage import FILLING, JoinState, Pool, PoolState
from zcloud.services.context import Services, visible_projects
from zcloud.services.load import Load, Loads
from zcloud.store import InstanceFilter, OperationQuery, Tx
from zcloud.store.picture import Cell, PortCount, StatusCount

MAX_CELLS = 280
_FEWEST_CELLS, _MOST_CELLS = 3, 40
_SHOWN = 6
RECENT = timedelta(days=1)
_ILL = (InstanceStatus.ERROR, InstanceStatus.MISSING, InstanceStatus.UNKNOWN)
_UNFINISHED = tuple(each for each in OperationStatus if each not in ENDED)


@dataclass(frozen=True, slots=True)
class Fill:
    """How much of something is taken."""

    used: int
    total: int

    @property
    def share(self) -> float:
        """Give the part that is taken, 0 to 1 and more."""
        return self.used / self.total if self.total else 0.0


@dataclass(frozen=True, slots=True)
class HostPicture:
    """A host on the map: what is claimed of it, marks of its instances, how many more there are, ports by network."""

    host: Host
    vcpus: Fill
    memory_mib: Fill
    cells: tuple[Cell, ...]
    more: int
    ports: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class PoolPicture:
    """A pool: bytes that are taken on it, and bytes that are promised."""

    pool: Pool
    taken: Fill
    promised: Fill


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that somebody should look at, and what to do; ``kind`` and ``id`` say what it is about."""

    kind: str
    id: str
    name: str
    status: str
    message: str
    code: str = ""
    hint: str = ""
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Overview:
    """What one person may see of the whole; ``hosts``, ``pools`` and ``networks`` are empty for who may see none.

    ``quotas`` are the projects of who belongs to some only, ``cells`` then their instances.
    """

    counts: Mapping[str, int]  # by status as it is shown
    hosts: tuple[HostPicture, ...]
    pools: tuple[PoolPicture, ...]
    networks: tuple[tuple[Network, Fill], ...]
    quotas: tuple[tuple[Project, Usage], ...]
    cells: tuple[Cell, ...]
    operations: tuple[Operation, ...]
    events: tuple[Event, ...]
    problems: tuple[Problem, ...]
    load: Load
    top: tuple[tuple[Instance, float, int], ...]  # with CPUs that it keeps busy, and bytes of memory that it takes

    @property
    def vcpus(self) -> Fill:
        """Give the vCPUs that are claimed of all hosts."""
        return Fill(sum(each.vcpus.used for each in self.hosts), sum(each.vcpus.total for each in self.hosts))

    @property
    def memory_mib(self) -> Fill:
        """Give the memory that is claimed of all hosts."""
        return Fill(sum(each.memory_mib.used for each in self.hosts), sum(each.memory_mib.total for each in self.hosts))

    @property
    def threads(self) -> int:
        """Give the CPUs that the hosts have."""
        return sum(int(each.host.inventory.get("cpus", 0)) for each in self.hosts)


class Overviews:
    """The service behind the console's first page."""

    def __init__(self, services: Services) -> None:
        self._store = services.store
        self._loads = Loads(services)

    def read(self, actor: Actor) -> Overview:
        """Give what the actor may see; no host is asked."""
        load = self._loads.read()
        with self._store.read() as tx:
            return _look(tx, actor, load)


def _look(tx: Tx, actor: Actor, load: Load) -> Overview:
    visible, looks = visible_projects(actor), actor.role is not None
    counts = tx.pictures.counts(visible)
    hosts = tx.hosts.all() if looks else []
    views = {view.ref: view for kind in ProviderKind for view in tx.claims.views(kind)} if looks else {}
    per_host = max(_FEWEST_CELLS, min(_MOST_CELLS, MAX_CELLS // max(len(hosts), 1)))
    cells = tx.pictures.cells(visible, per_host)
    pools = tuple(_pool(pool, views) for pool in (tx.pools.all() if looks else ()))
    ports = tx.pictures.ports() if looks else []
    running = OperationQuery(_projects(visible), _UNFINISHED)
    operations = tx.operations.page(running, limit=_SHOWN, sort="-created_at").items
    projects = [each for each in tx.projects.all() if visible and each.id in visible]
    return Overview(
        counts=_sums(counts),
        hosts=tuple(_hosts(hosts, views, tx.foreign.others(), _Marks.build(counts, cells, ports))),
        pools=pools,
        networks=tuple(_networks(tx.networks.all(), ports)) if looks else (),
        quotas=tuple((each, tx.claims.totals_by_project(each.id)) for each in projects[:_SHOWN]),
        cells=() if looks else tuple(cells[:MAX_CELLS]),
        operations=operations,
        events=tuple(tx.events.newest(8, project_ids=visible)),
        problems=(
            *_ill_hosts(hosts),
            *_full(pools),
            *_unjoined(tx, hosts, pools),
            *(ill := tuple(_ill(tx, visible))),
            *_failed(tx, visible, {each.id for each in ill}),
        ),
        load=load,
        top=tuple(_top(tx, load, visible)),
    )


def _sums(counts: list[StatusCount]) -> Mapping[str, int]:
    found = Counter[str]()
    for _, status, count in counts:
        found[status] += count
    return {status: found[status] for status in (*map(str, InstanceStatus), TEMPLATE) if found[status]}


class _Marks(NamedTuple):
    """What the map shows of each host, by its id: marks, how many instances there are, and ports by network."""

    cells: defaultdict[str, list[Cell]]
    amounts: Counter[str]
    ports: defaultdict[str, dict[str, int]]

    @classmethod
    def build(cls, counts: list[StatusCount], cells: list[Cell], ports: list[PortCount]) -> _Marks:
        marks = cls(defaultdict(list), Counter(), defaultdict(dict))
        for cell in cells:
            marks.cells[cell.host_id].append(cell)
        for host_id, _, amount in counts:
            marks.amounts[host_id] += amount
        for network_id, host_id, amount in ports:
            marks.ports[host_id][network_id] = amount
        return marks


def _hosts(
    hosts: list[Host], views: Mapping[ProviderRef, ProviderView], others: Mapping[str, Others], marks: _Marks
) -> Iterator[HostPicture]:
    for host in hosts:
        view = views.get(host.ref) or ProviderView(host.ref, 0, {}, {})
        extra = others.get(host.id)
        yield HostPicture(
            host,
            Fill(view.used.get(VCPUS, 0) + (extra.vcpus if extra else 0), view.capacity.get(VCPUS, 0)),
            Fill(view.used.get(MEMORY_MIB, 0) + (extra.memory_mib if extra else 0), view.capacity.get(MEMORY_MIB, 0)),
            tuple(marks.cells[host.id]),
            marks.amounts[host.id] - len(marks.cells[host.id]),
            marks.ports[host.id],
        )


def _pool(pool: Pool, views: Mapping[ProviderRef, ProviderView]) -> PoolPicture:
    view = views.get(pool.ref) or ProviderView(pool.ref, 0, {}, {})
    return PoolPicture(
        pool, Fill(pool.total - pool.available, pool.total), Fill(view.used.get(BYTES, 0), view.capacity.get(BYTES, 0))
    )


def _networks(networks: list[Network], ports: list[PortCount]) -> Iterator[tuple[Network, Fill]]:
    used = Counter[str]()
    for network_id, _, count in ports:
        used[network_id] += count
    for network in networks:
        yield network, Fill(used[network.id], count_addresses(network))


def _top(tx: Tx, load: Load, visible: Collection[str] | None) -> Iterator[tuple[Instance, float, int]]:
    known = tx.instances.many([id for id, _, _ in load.top])
    shown = 0
    for id, cpus, memory in load.top:
        instance = known.get(id)
        if instance and (visible is None or instance.project_id in visible) and shown < _SHOWN:
            shown += 1
            yield instance, cpus, memory


def _ill_hosts(hosts: list[Host]) -> Iterator[Problem]:
    for host in hosts:
        if host.state in (HostState.LOST, HostState.DEGRADED):
            hint = "Nothing of it is moved or lost by itself; see what its page says, and whether it answers by SSH."
            told = host.state_reason or "It does not answer."
            yield Problem("host", host.id, host.name, host.state, told, "", hint, host.state_since)


def _full(pools: Sequence[PoolPicture]) -> Iterator[Problem]:
    for each in pools:
        pool = each.pool
        if pool.state is PoolState.ERROR:
            yield Problem("pool", pool.id, pool.name, pool.state, "It could not be made, or is not there any more.")
        elif pool.state is PoolState.READY and each.taken.share >= FILLING:
            told = f"It is {each.taken.share:.0%} full."
            hint = "Guests are paused when it is full. Delete volumes that nobody needs, or add space or another pool."
            yield Problem("pool", pool.id, pool.name, "degraded", told, "", hint, pool.observed_at)


def _unjoined(tx: Tx, hosts: Sequence[Host], pools: Sequence[PoolPicture]) -> Iterator[Problem]:
    """Give where shared pools cannot be used."""
    names, up = {each.pool.id: each.pool.name for each in pools}, {each.id: each.name for each in hosts}
    joins = tx.pool_hosts.all().values() if names else ()
    for each in joins:
        if each.state is JoinState.ERROR and each.pool_id in names and each.host_id in up:
            told = f"It cannot be used on {up[each.host_id]}: {each.reason}"
            hint = "Guests that have it open wait. It is tried again by itself; see to its server and the network."
            yield Problem("pool", each.pool_id, names[each.pool_id], "degraded", told, "", hint, each.since)


def _ill(tx: Tx, visible: Collection[str] | None) -> Iterator[Problem]:
    found = tx.instances.page(InstanceFilter(project_ids=visible, status=_ILL), limit=_SHOWN, sort="name").items
    for each in found:
        error = each.error or {}
        told = error.get("message") or _REASONS.get(each.status, "")
        hint = error.get("hint", "")
        yield Problem("instance", each.id, each.name, each.status, told, error.get("code", ""), hint, each.updated_at)


_REASONS = {
    InstanceStatus.UNKNOWN: "Its host does not answer, so nobody knows whether it runs.",
    InstanceStatus.MISSING: "Its domain was deleted on its host.",
}


def _failed(tx: Tx, visible: Collection[str] | None, told_already: Collection[str]) -> Iterator[Problem]:
    """Give what failed in the last day and was not asked for again, and what is blocked; not what is told already."""
    which = OperationQuery(_projects(visible), (OperationStatus.FAILED, OperationStatus.BLOCKED), last=True)
    for each in tx.operations.page(which, limit=_SHOWN, sort="-created_at").items:
        old = each.status is OperationStatus.FAILED and tx.now - each.created_at > RECENT
        if old or each.resource_id in told_already:
            continue
        error = each.error or {}
        told = error.get("message") or each.wait_reason
        hint = error.get("hint", "")
        name = f"{each.verb} {each.resource_name}"
        yield Problem("operation", each.id, name, each.status, told, error.get("code", ""), hint, each.created_at)


def _projects(visible: Collection[str] | None) -> frozenset[str] | None:
    return None if visible is None else frozenset(visible)
