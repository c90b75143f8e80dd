"""Records for the conformance suites, and the cases: one line for each driver that is registered."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from zcloud.domain.network import Network, NetworkKind, NetworkScope, NetworkState, Port, tap_name
from zcloud.domain.storage import Pool, PoolState

STORAGE: dict[str, tuple[str, dict[str, Any]]] = {
    "directory": ("directory", {}),
    "directory-raw": ("directory", {"format": "raw"}),
    "directory-preallocated": ("directory", {"preallocation": "falloc"}),
    "rbd": ("rbd", {"monitors": "192.0.2.1", "pool": "vms"}),
    "iscsi": ("iscsi", {"portal": "192.0.2.9", "target": "iqn.2026-01.test:disks", "luns": "1-24", "user": "zcloud"}),
    "nfs": ("nfs", {"server": "files.test"}),
    "nfs-raw": ("nfs", {"server": "files.test", "version": "4.1", "mount_options": "nconnect=4", "format": "raw"}),
    "gluster": ("gluster", {"server": "g1.test", "more_servers": "g2.test"}),
    "lvm": ("lvm", {"volume_group": "vg0"}),
    "lvmthin": ("lvmthin", {"volume_group": "vg0"}),
}
NEEDS_KERNEL = frozenset({"nfs", "lvm", "lvmthin"})  # kinds of which a namespace host has only the fake
NETWORK: dict[str, tuple[str, dict[str, Any]]] = {
    "nat": ("nat", {}),
    "nat-open": ("nat", {"port_security": "off", "isolation": "off"}),
    "bridge": ("bridge", {"bridge": "br0"}),
    "bridge-ipv6": ("bridge", {"bridge": "br0", "ipv6": "unfiltered"}),
}

_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
_subnets: Iterator[str] = itertools.cycle(f"10.{high}.{low}" for high in range(100, 200) for low in range(256))


def new_pool(case: str, **changes: Any) -> Pool:
    """Give a pool of a case, in a directory of its own where it has one."""
    driver, options = STORAGE[case]
    identity = str(uuid4())
    places: dict[str, dict[str, Any]] = {
        "directory": {"path": f"/var/lib/libvirt/images/pool-{identity[:8]}"},
        "nfs": {"export": f"/{identity}"},
        "rbd": {},
        "gluster": {"volume": identity},
    }
    secrets = {"rbd": {"key": "A" * 38 + "=="}, "iscsi": {"password": "secretsecret12"}}
    return Pool(
        id=identity,
        name=case,
        driver=driver,
        host_id=None if driver in ("nfs", "rbd", "iscsi", "gluster") else "host",
        options={**places.get(driver, {}), **options, **changes},
        overcommit=1.0,
        state=PoolState.READY,
        total=0,
        available=0,
        observed_at=None,
        is_default=False,
        operation_id=None,
        created_at=_EPOCH,
        revision=1,
        secrets=secrets.get(driver, {}),
    )


def new_network(case: str, **changes: Any) -> Network:
    """Give a network of a case with a subnet of its own."""
    kind, options = NETWORK[case]
    subnet = next(_subnets)
    return Network(
        id=str(uuid4()),
        name=case,
        kind=NetworkKind(kind),
        scope=NetworkScope.HOST,
        host_id="host",
        project_id=None,
        cidr=f"{subnet}.0/24",
        gateway=f"{subnet}.1",
        dns=("192.0.2.53",),
        search="cloud.test",
        ranges=(),
        options={**options, **changes},
        state=NetworkState.READY,
        is_default=False,
        operation_id=None,
        created_at=_EPOCH,
        revision=1,
    )


def new_port(network: Network, number: int, **changes: Any) -> Port:
    """Give a port of a network with the address that ends in ``number``."""
    identity = str(uuid4())
    values: dict[str, Any] = {
        "id": identity,
        "instance_id": str(uuid4()),
        "network_id": network.id,
        "slot": 0,
        "mac": "52:54:00:" + ":".join(identity[at : at + 2] for at in (0, 2, 4)),
        "address": f"{network.cidr.rpartition('.')[0]}.{number}",
        "tap": tap_name(identity),
        "hostname": f"web{number}.team.cloud.test",
        "created_at": _EPOCH,
    }
    return Port(**{**values, **changes})
