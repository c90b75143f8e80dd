"""One look at one host: counters in one bulk call, and guests that can go on."""

from __future__ import annotations

import logging
from typing import Any

from zcloud.domain.errors import HostUnreachable, ZcloudError
from zcloud.domain.instance import Instance, InstanceStatus
from zcloud.domain.samples import pack
from zcloud.ports import DomainStats, HostLink, NodeLoad
from zcloud.scheduler.filters import POOL_RESERVE
from zcloud.store import Store, Tx

_log = logging.getLogger(__name__)


class Tick:
    """What is done for a host at every interval."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def run(self, host_id: str, link: HostLink) -> None:
        """Sample counters, and let guests go on that had paused for want of space."""
        blob = pack([node_row(host_id, link.hypervisor.load()), *map(to_row, link.hypervisor.stats())])

        def work(tx: Tx) -> None:
            tx.samples.add(host_id, tx.now, blob)
            tx.hosts.update(host_id, seen_at=tx.now)

        self._store.transact(work)
        self._let_go_on(host_id, link)

    def _let_go_on(self, host_id: str, link: HostLink) -> None:
        with self._store.read() as tx:
            held = [row.id for row in tx.instances.powers(host_id) if row.status is InstanceStatus.PAUSED]
            paused = [each for each in tx.instances.many(held).values() if _waits_for_space(each)]
            volumes = tx.volumes.for_instances([each.id for each in paused])
            available = {each.id: each.available for each in tx.pools.all()} if paused else {}
        for instance in paused:
            if all(available.get(volume.pool_id, 0) > POOL_RESERVE for volume in volumes.get(instance.id, ())):
                try:
                    link.hypervisor.resume(instance.id)
                    _log.info("%s goes on: there is space again", instance.name)
                except HostUnreachable:
                    raise
                except ZcloudError:
                    _log.warning("%s could not go on", instance.name, exc_info=True)


def node_row(host_id: str, load: NodeLoad) -> dict[str, Any]:
    """Give a host's own counters as they are kept, under its id."""
    return {"id": host_id, **load._asdict()}


def to_row(stats: DomainStats) -> dict[str, Any]:
    """Give one guest's counters as they are kept."""
    return {
        "id": stats.uuid,
        "cpu_ns": stats.cpu_time_ns,
        "vcpus": stats.vcpus,
        "memory_kib": stats.memory_kib,
        "rss_kib": stats.rss_kib,
        "disks": {name: dict(values) for name, values in stats.disks.items()},
        "nics": {name: dict(values) for name, values in stats.nics.items()},
    }


def _waits_for_space(instance: Instance) -> bool:
    return instance.operation_id is None and instance.observed.get("paused_for") == "space"
