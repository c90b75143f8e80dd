"""What the store knows to be on a host, and what works on it."""

from __future__ import annotations

from dataclasses import dataclass

from zcloud.domain.host import Host
from zcloud.domain.instance import Instance
from zcloud.domain.network import Network
from zcloud.domain.operation import ENDED, Operation
from zcloud.domain.storage import Pool, Volume
from zcloud.store.store import Tx


@dataclass(frozen=True, slots=True)
class Holdings:
    """All that is on one host and nowhere else; ``operations`` have not ended and work on some of it."""

    instances: tuple[Instance, ...]
    volumes: tuple[Volume, ...]
    pools: tuple[Pool, ...]
    networks: tuple[Network, ...]
    operations: tuple[Operation, ...]


def holdings(tx: Tx, host_id: str) -> Holdings:
    """Read what is on a host; raises NotFound."""
    host, instances = tx.hosts.get(host_id), tx.instances.on_host(host_id)
    pools = [each for each in tx.pools.all() if each.host_id == host_id]
    networks = [each for each in tx.networks.all() if each.host_id == host_id]
    volumes = [volume for pool in pools for volume in tx.volumes.in_pool(pool.id)]
    things: list[Host | Instance | Volume | Pool | Network] = [host, *instances, *volumes, *pools, *networks]
    locks = sorted({each.operation_id for each in things if each.operation_id is not None})
    working = [each for each in tx.operations.many(locks).values() if each.status not in ENDED]
    return Holdings(tuple(instances), tuple(volumes), tuple(pools), tuple(networks), tuple(working))
