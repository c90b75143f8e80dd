"""Which drivers there are: an explicit map, and the only module that names a concrete driver.

A later kind of pool or network is one file beside the others and one line here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from zcloud.domain.driver import Option, OptionType, check_options, without_secrets
from zcloud.domain.errors import InvalidInput, PoolCannot
from zcloud.domain.network import Network, Port
from zcloud.domain.storage import Pool, Volume
from zcloud.drivers.network.base import NetworkDriver, NetworkInfo
from zcloud.drivers.network.bridge import BridgeNetwork
from zcloud.drivers.network.guard import Guard, guarded_port
from zcloud.drivers.network.guard_rules import GuardedPort
from zcloud.drivers.network.nat import NatNetwork
from zcloud.drivers.storage.base import Feature, StorageDriver, StorageInfo
from zcloud.drivers.storage.directory import DirectoryPool
from zcloud.drivers.storage.gluster import GlusterPool
from zcloud.drivers.storage.iscsi import IscsiPool
from zcloud.drivers.storage.lvm import LvmPool
from zcloud.drivers.storage.lvmthin import LvmThinPool
from zcloud.drivers.storage.nfs import NfsPool
from zcloud.drivers.storage.rbd import RbdPool
from zcloud.ports import HostLink

_STORAGE: Mapping[str, type[StorageDriver]] = {
    "directory": DirectoryPool,
    "lvm": LvmPool,
    "lvmthin": LvmThinPool,
    "nfs": NfsPool,
    "gluster": GlusterPool,
    "rbd": RbdPool,
    "iscsi": IscsiPool,
}
_NETWORK: Mapping[str, type[NetworkDriver]] = {"nat": NatNetwork, "bridge": BridgeNetwork}


def storage(pool: Pool, link: HostLink) -> StorageDriver:
    """Give the driver of a pool on a host; raises InvalidInput (kind or options)."""
    return _storage_class(pool.driver)(pool, link)


def network(net: Network, link: HostLink) -> NetworkDriver:
    """Give the driver of a network on a host; raises InvalidInput (kind or options)."""
    return _network_class(net.kind)(net, link)


def joins(networks: Iterable[Network], host_id: str) -> dict[tuple[str, str], tuple[str, str]]:
    """Give by what a NIC on a host may name (``network`` or ``bridge``, and which) the id and name of the network."""
    here = [each for each in networks if each.host_id in (host_id, None)]
    return {key: (each.id, each.name) for each in here for key in _network_class(each.kind).joins(each)}


def storage_kinds() -> dict[str, tuple[StorageInfo, tuple[Option, ...]]]:
    """Give what each kind of pool is and which options it takes."""
    return {kind: (driver.INFO, driver.OPTIONS) for kind, driver in _STORAGE.items()}


def can(pool: Pool, feature: Feature) -> bool:
    """Say whether a pool with its options can do something."""
    return feature in _storage_class(pool.driver).features(pool.options)


def check_feature(pool: Pool, feature: Feature, what: str) -> None:
    """Go on only where a pool's kind can do ``what``, in people's words; raises PoolCannot."""
    if not can(pool, feature):
        info = _storage_class(pool.driver).INFO
        able = [kind for kind, driver in _STORAGE.items() if feature in driver.INFO.features]
        raise PoolCannot(
            f"The pool {pool.name} is of the kind {info.kind}, which with its options cannot do {what}.",
            hint=f"Kinds that can: {', '.join(able) or 'none'}.",
        )


def check_whole(pool: Pool, volume: Volume) -> None:
    """Go on only where a copy in a pool is exactly as large as the disk: QEMU copies a running guest's to no other."""
    whole = whole_size(pool, volume.size)
    if whole != volume.size:
        raise PoolCannot(
            f"The disk {volume.name} has {volume.size} bytes, and the pool {pool.name} would have to make it {whole}.",
            hint=f"Grow it to {whole} bytes, or stop the guest, first.",
        )


def check_growing(pool: Pool) -> None:
    """Go on only where zcloud can make the pool itself larger; raises PoolCannot with what else does."""
    info = _storage_class(pool.driver).INFO
    if not can(pool, Feature.GROW_POOL):
        raise PoolCannot(
            f"The pool {pool.name} is of the kind {info.kind}, which zcloud cannot grow.", hint=info.growth
        )


def whole_size(pool: Pool, size: int) -> int:
    """Give how large a volume of so many bytes is in a pool, which may have to round it up."""
    unit = _storage_class(pool.driver).INFO.unit
    return -(-size // unit) * unit


def is_shared(kind: str) -> bool:
    """Say whether pools of a kind are for several hosts; raises InvalidInput (no such kind)."""
    return Feature.SHARED in _storage_class(kind).INFO.features


def same_place(pool: Pool, kind: str, options: Mapping[str, Any]) -> bool:
    """Say whether a pool lies where one of that kind with those options would, where they are on one host."""
    place = _storage_class(kind).INFO.place or tuple(options)
    return pool.driver == kind and all(pool.options.get(name) == options.get(name) for name in place)


def has_direct_io(pool: Pool) -> bool:
    """Say whether a pool's volumes can be opened around the page cache."""
    return bool(pool.options.get("direct_io", True))


def network_kinds() -> dict[str, tuple[NetworkInfo, tuple[Option, ...]]]:
    """Give what each kind of network is and which options it takes."""
    return {kind: (driver.INFO, driver.OPTIONS) for kind, driver in _NETWORK.items()}


def check_storage_options(kind: str, given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Give a pool's options with the defaults filled in, and its secrets apart from them; raises InvalidInput."""
    options = _storage_class(kind).OPTIONS
    return without_secrets(options, check_options(options, given))


def keeps_secrets(kind: str) -> bool:
    """Say whether a pool's driver has to be given secrets that are not among its options."""
    return any(option.type is OptionType.SECRET for option in _storage_class(kind).OPTIONS)


def check_network_options(kind: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Give a network's options with the defaults filled in; raises InvalidInput."""
    return check_options(_network_class(kind).OPTIONS, given)


def guard(link: HostLink) -> Guard:
    """Give a host's anti-spoofing table (healing, and removal with the last network)."""
    return Guard(link.shell)


def guarded(net: Network, port: Port) -> GuardedPort:
    """Give what the anti-spoofing table should hold for a port."""
    return guarded_port(net, port)


def _storage_class(kind: str) -> type[StorageDriver]:
    if kind not in _STORAGE:
        raise InvalidInput(f"There is no kind of pool {kind[:40]!r}.", hint=f"Kinds: {', '.join(_STORAGE)}.")
    return _STORAGE[kind]


def _network_class(kind: str) -> type[NetworkDriver]:
    if kind not in _NETWORK:
        raise InvalidInput(f"There is no kind of network {kind[:40]!r}.", hint=f"Kinds: {', '.join(_NETWORK)}.")
    return _NETWORK[kind]
