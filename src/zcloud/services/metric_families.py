"""Every metric that comes from the store: its name, what it says, and how its value is had. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from zcloud.domain.claims import BYTES, MEMORY_MIB, VCPUS, ProviderView
from zcloud.domain.host import Accel, Host, HostState
from zcloud.domain.samples import Row
from zcloud.domain.storage import Pool, PoolState
from zcloud.services.exposition import Family

Values = Iterable[tuple[tuple[str, ...], float]]  # further labels' values, and the series' value

_COUNTER, _GAUGE = "counter", "gauge"


def _family(name: str, kind: str, help: str, *labels: str) -> Family:
    return Family(f"zcloud_{name}", kind, help, labels)


INFO = _family("info", _GAUGE, "Always 1; which zcloud this is.", "version", "zone")
CERTIFICATE = _family(
    "certificate_expiry_timestamp_seconds", _GAUGE, "When a certificate of the server ends.", "certificate"
)
OPERATIONS = _family("operations", _GAUGE, "Operations that have not ended, by their status.", "status")
OLDEST_QUEUED = _family("operation_queued_seconds", _GAUGE, "How long the oldest queued operation has waited.")
WORKERS = _family("workers", _GAUGE, "Registered processes that run operations.")
WORKER_BEAT = _family("worker_heartbeat_age_seconds", _GAUGE, "Time since the last heartbeat of any worker.")
OBSERVER_BEAT = _family("observer_age_seconds", _GAUGE, "Time since the observer last said that it watches.")
BACKUP_AGE = _family("backup_age_seconds", _GAUGE, "Time since the last scheduled backup that went well.")
BACKUP_EVERY = _family("backup_interval_seconds", _GAUGE, "Time from one scheduled backup to the next.")
BACKUP_FAILED = _family("backup_failed", _GAUGE, "1 where the last scheduled backup failed.")
RECONCILING = _family("reconciling", _GAUGE, "1 while a restored server compares records and hosts.")
INSTANCES = _family("instances", _GAUGE, "Instances by their status.", "status")
PAUSED = _family(
    "instance_paused_by_error", _GAUGE, "1 for a guest that an I/O error paused: space or disk.",
    "project", "name", "reason",
)  # fmt: skip
STATUS = _family("instance_status", _GAUGE, "1 for the status that an instance has.", "project", "name", "status")
INSTANCE_INFO = _family(
    "instance_info", _GAUGE, "Always 1; an instance's id and host.", "project", "name", "id", "host"
)  # fmt: skip
READY = _family("instance_ready", _GAUGE, "1 once the guest said that it is ready, 0 before.", "project", "name")


@dataclass(frozen=True, slots=True)
class HostView:
    """A host with what is claimed of it and its own counters of the last look, where there are any."""

    host: Host
    claims: ProviderView | None
    load: Row | None
    now: datetime

    def used(self, resource: str) -> int:
        """Give how much of a resource is claimed."""
        return self.claims.used.get(resource, 0) if self.claims else 0


def _host_load(view: HostView) -> Values:
    modes = ("user", "system", "iowait", "idle")
    return [((mode,), view.load[f"{mode}_ns"] / 1e9) for mode in modes] if view.load else []


def _host_available(view: HostView) -> Values:
    return [((), view.load["available_kib"] << 10)] if view.load else []


def _host_seen(view: HostView) -> Values:
    return [((), _age(view.now, view.host.seen_at))] if view.host.seen_at else []


def _one(value: Callable[[HostView], float]) -> Callable[[HostView], Values]:
    return lambda view: [((), value(view))]


_H = ("host",)
HOSTS: tuple[tuple[Family, Callable[[HostView], Values]], ...] = (
    (
        _family("host_info", _GAUGE, "Always 1; how a host is reached and what runs its guests.", *_H, "kind", "accel"),
        lambda view: [((view.host.kind.value, view.host.accel.value), 1)],
    ),
    (
        _family("host_state", _GAUGE, "1 for the state that a host is in, 0 for the others.", *_H, "state"),
        lambda view: [((state.value,), int(view.host.state is state)) for state in HostState],
    ),
    (
        _family("host_kvm", _GAUGE, "1 where guests run by KVM, 0 where they are emulated.", *_H),
        _one(lambda view: int(view.host.accel is Accel.KVM)),
    ),
    (_family("host_seen_seconds", _GAUGE, "Time since the observer last looked at a host.", *_H), _host_seen),
    (
        _family("host_cpus", _GAUGE, "Logical CPUs of a host.", *_H),
        _one(lambda view: int(view.host.inventory.get("cpus", 0))),
    ),
    (
        _family("host_memory_bytes", _GAUGE, "Memory of a host.", *_H),
        _one(lambda view: view.load["memory_kib"] << 10 if view.load else int(view.host.inventory.get("memory", 0))),
    ),
    (_family("host_memory_available_bytes", _GAUGE, "Memory of a host that is free or cache.", *_H), _host_available),
    (_family("host_cpu_seconds_total", _COUNTER, "Time of a host's CPUs by what they did.", *_H, "mode"), _host_load),
    (
        _family("host_vcpus_capacity", _GAUGE, "Virtual CPUs that can be claimed, overcommit applied.", *_H),
        _one(lambda view: view.host.capacity[VCPUS]),
    ),
    (
        _family("host_vcpus_claimed", _GAUGE, "Virtual CPUs that instances claim.", *_H),
        _one(lambda view: view.used(VCPUS)),
    ),
    (
        _family("host_memory_capacity_bytes", _GAUGE, "Memory that can be claimed, overcommit applied.", *_H),
        _one(lambda view: view.host.capacity[MEMORY_MIB] << 20),
    ),
    (
        _family("host_memory_claimed_bytes", _GAUGE, "Memory that instances claim.", *_H),
        _one(lambda view: view.used(MEMORY_MIB) << 20),
    ),
)


@dataclass(frozen=True, slots=True)
class PoolView:
    """A pool with what is promised of it."""

    pool: Pool
    claims: ProviderView | None
    now: datetime


_P = ("pool", "host")
POOLS: tuple[tuple[Family, Callable[[PoolView], float]], ...] = (
    (
        _family("pool_ready", _GAUGE, "1 for a pool that can be used.", *_P),
        lambda view: int(view.pool.state is PoolState.READY),
    ),
    (_family("pool_size_bytes", _GAUGE, "Size of a pool.", *_P), lambda view: view.pool.total),
    (_family("pool_free_bytes", _GAUGE, "What is free in a pool.", *_P), lambda view: view.pool.available),
    (
        _family("pool_promised_bytes", _GAUGE, "What volumes were promised, whether they take it yet or not.", *_P),
        lambda view: view.claims.used.get(BYTES, 0) if view.claims else 0,
    ),
    (
        _family("pool_promisable_bytes", _GAUGE, "What can be promised in all, overcommit applied.", *_P),
        lambda view: view.pool.capacity[BYTES],
    ),
    (_family("pool_overcommit_ratio", _GAUGE, "How often a pool may be promised.", *_P), lambda v: v.pool.overcommit),
    (
        _family("pool_seen_seconds", _GAUGE, "Time since a pool was last measured (-1: never).", *_P),
        lambda view: _age(view.now, view.pool.observed_at) if view.pool.observed_at else -1,
    ),
)


def _total(group: str, counter: str) -> Callable[[Row], float]:
    return lambda row: sum(device.get(counter, 0) for device in row[group].values())


_I = ("project", "name")
GUESTS: tuple[tuple[Family, Callable[[Row], float]], ...] = (
    (_family("instance_vcpus", _GAUGE, "Virtual CPUs that a guest has now.", *_I), lambda row: row["vcpus"]),
    (
        _family("instance_cpu_seconds_total", _COUNTER, "CPU time that a guest took.", *_I),
        lambda row: row["cpu_ns"] / 1e9,
    ),
    (
        _family("instance_memory_bytes", _GAUGE, "Memory that a guest was given.", *_I),
        lambda row: row["memory_kib"] << 10,
    ),
    (
        _family("instance_memory_resident_bytes", _GAUGE, "Memory of its host that a guest takes.", *_I),
        lambda row: row["rss_kib"] << 10,
    ),
    (_family("instance_disk_read_bytes_total", _COUNTER, "Read from disks.", *_I), _total("disks", "rd_bytes")),
    (_family("instance_disk_written_bytes_total", _COUNTER, "Written to disks.", *_I), _total("disks", "wr_bytes")),
    (_family("instance_disk_reads_total", _COUNTER, "Read requests to disks.", *_I), _total("disks", "rd_reqs")),
    (_family("instance_disk_writes_total", _COUNTER, "Write requests to disks.", *_I), _total("disks", "wr_reqs")),
    (_family("instance_network_received_bytes_total", _COUNTER, "Received.", *_I), _total("nics", "rx_bytes")),
    (_family("instance_network_sent_bytes_total", _COUNTER, "Sent.", *_I), _total("nics", "tx_bytes")),
    (_family("instance_network_received_packets_total", _COUNTER, "Received.", *_I), _total("nics", "rx_packets")),
    (_family("instance_network_sent_packets_total", _COUNTER, "Sent.", *_I), _total("nics", "tx_packets")),
)

SINGLE = (
    INFO, CERTIFICATE, OPERATIONS, OLDEST_QUEUED, WORKERS, WORKER_BEAT, OBSERVER_BEAT, BACKUP_AGE, BACKUP_EVERY,
    BACKUP_FAILED, RECONCILING, INSTANCES, PAUSED, STATUS,
    INSTANCE_INFO, READY,
)  # fmt: skip


def every_family() -> list[Family]:
    """Give every metric that comes from the store."""
    return [*SINGLE, *(each for each, _ in HOSTS), *(each for each, _ in POOLS), *(each for each, _ in GUESTS)]


def _age(now: datetime, then: datetime | None) -> float:
    return max(round((now - then).total_seconds(), 3), 0.0) if then else 0.0
