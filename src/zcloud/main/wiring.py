"""Config -> everything wired, in the roles asked for."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from zcloud.backup.create import Site
from zcloud.backup.schedule import Schedule
from zcloud.base.clock import Clock, SystemClock
from zcloud.base.config import Config
from zcloud.domain.errors import ConfigInvalid
from zcloud.domain.host import Host, HostState
from zcloud.hosts import HostAddress, HostPool
from zcloud.hosts.commands import DEFAULT_ROOTS
from zcloud.observer.chores import Chore
from zcloud.observer.observer import Observer
from zcloud.observer.retention import prune
from zcloud.operations.engine import Engine, EngineSettings
from zcloud.operations.model import Control
from zcloud.services.arrivals import ArrivalLimits, Arrivals
from zcloud.services.context import Services
from zcloud.services.freezing import Freezing
from zcloud.services.guests import Guests
from zcloud.services.members import MemberPower
from zcloud.services.schedules import Schedules
from zcloud.services.trash import Trash
from zcloud.services.uploads import Uploads
from zcloud.store import Sealer, Store
from zcloud.workflows.context import Means, Run
from zcloud.workflows.registry import WORKFLOWS

ROLES = ("api", "worker", "observer")
_PRUNE_EVERY_S, _BACKUP_LOOK_S = 3600.0, 30.0
_SNAPSHOTS_LOOK_S = 30.0
_BOOTS_LOOK_S = _THAW_LOOK_S = 1.0
Fault = Callable[[str], None]

_log = logging.getLogger(__name__)


def no_fault(name: str) -> None:
    """Pass a fault point without a fault."""
    del name


def open_store(config: Config, clock: Clock) -> Store:
    """Open the store with its sealing key; raises ConfigInvalid where the key is missing."""
    try:
        key = config.key_file.read_bytes()
    except OSError as error:
        raise ConfigInvalid(
            f"The key that opens secrets cannot be read: {error}.",
            hint="Set the installation up first: `zcloud init`.",
        ) from error
    return Store(config.url, clock=clock, seal=Sealer(key))


def arrival_limits(config: Config) -> ArrivalLimits:
    """Give what uploads may take."""
    return ArrivalLimits(config.images.max_file, config.images.max_piece, config.images.keep_free)


def open_pool(config: Config, store: Store) -> HostPool:
    """Open the pool of host links; addresses come from the store's host records."""

    def lookup(host_id: str) -> HostAddress:
        with store.read() as tx:
            return host_address(tx.hosts.get(host_id), config)

    return HostPool(lookup, str(config.runtime_dir), roots=(*DEFAULT_ROOTS, *config.hosts.roots))


def host_address(host: Host, config: Config) -> HostAddress:
    """Give how a host is reached, from its record."""
    return HostAddress(
        id=host.id,
        kind=host.kind,
        address=host.address,
        port=host.port,
        user=host.user,
        key_path=str(config.ssh_key),
        host_key=host.host_key,
        libvirt_socket=host.libvirt_socket,
        name=host.name,
        patience=config.hosts.patience,
    )


@dataclass(slots=True)
class Runtime:
    """Everything of one process; ``start`` and ``stop`` go through its parts in order."""

    config: Config
    clock: Clock
    store: Store
    pool: HostPool
    services: Services
    config_file: Path | None = None
    engine: Engine[Run] | None = None
    stops: list[Callable[[], None]] = field(default_factory=list)

    def stop(self) -> None:
        """Stop all parts, the last started first."""
        while self.stops:
            part = self.stops.pop()
            try:
                part()
            except Exception:  # noqa: BLE001 - the other parts still have to stop
                _log.exception("a part did not stop cleanly")


def build(config: Config, *, clock: Clock | None = None, config_file: Path | None = None) -> Runtime:
    """Open store and links; nothing runs yet. Raises ConfigInvalid, SchemaMismatch."""
    clock = clock or SystemClock()
    store = open_store(config, clock)
    store.check_version()
    pool = open_pool(config, store)
    services = Services(store, clock, config.zone, config.instances.trash_days)
    runtime = Runtime(config, clock, store, pool, services, config_file)
    runtime.stops += [store.close, pool.close]
    return runtime


def start_workers(runtime: Runtime, roles: str, fault: Fault = no_fault) -> None:
    """Begin to run operations."""
    config = runtime.config
    means = Means(runtime.store, runtime.pool, config, runtime.clock, MemberPower(runtime.store))
    settings = EngineSettings(
        roles=roles,
        threads=config.workers.threads,
        heartbeat_s=config.workers.heartbeat_s,
        heartbeat_timeout_s=config.workers.heartbeat_timeout_s,
    )

    def context(control: Control) -> Run:
        return Run(control, means)

    engine = Engine(runtime.store, WORKFLOWS, context, settings, clock=runtime.clock, fault=fault)

    def wake(host_id: str, state: HostState, reason: str) -> None:
        del reason
        if state is HostState.UP:
            engine.wake_host(host_id)

    runtime.stops.append(runtime.pool.subscribe(wake))
    engine.start()
    runtime.engine = engine
    runtime.stops.append(engine.stop)


def start_observer(runtime: Runtime) -> None:
    """Begin to watch hosts and guests."""
    store, config = runtime.store, runtime.config
    backups = Schedule(Site(config, runtime.config_file), store, runtime.clock)
    uploads = Uploads(runtime.services, Arrivals(config.upload_dir, arrival_limits(config)), config.images.upload_h)
    chores = (
        Chore("retention", _PRUNE_EVERY_S, lambda: prune(store, config.retention)),
        Chore("boots", _BOOTS_LOOK_S, Guests(runtime.services).resume),
        Chore("thaw", _THAW_LOOK_S, Freezing(runtime.services).sweep),
        Chore("backup", _BACKUP_LOOK_S, backups.run_if_due),
        Chore("snapshots", _SNAPSHOTS_LOOK_S, Schedules(runtime.services).sweep),
        Chore("uploads", _PRUNE_EVERY_S, uploads.sweep),
        Chore("trash", _PRUNE_EVERY_S, Trash(runtime.services).sweep),
    )
    observer = Observer(store, runtime.pool, config.observer, runtime.clock, chores)
    observer.start()
    runtime.stops.append(observer.stop)
