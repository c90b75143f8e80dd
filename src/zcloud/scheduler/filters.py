"""Filters: each says why a host cannot take a demand, or nothing. Cheap and telling ones come first."""

from __future__ import annotations

from collections.abc import Callable

from zcloud.scheduler.hardware import fits_hardware
from zcloud.scheduler.model import Demand, HostView, Refusal

Filter = Callable[[HostView, Demand], Refusal | None]

# A pool keeps this much really free for what runs on it (bytes).
POOL_RESERVE = 256 << 20


def pinned(host: HostView, demand: Demand) -> Refusal | None:
    """Refuse every host but the one asked for."""
    if not demand.host or demand.host in (host.name, host.id):
        return None
    return Refusal(host.name, "pinned", f"The instance is pinned to {demand.host}.", "Launch without --host.")


def usable(host: HostView, demand: Demand) -> Refusal | None:
    """Refuse hosts that do not answer or are not to be used."""
    del demand
    if host.usable:
        return None
    return Refusal(host.name, "usable", host.unusable_reason)


def firmware(host: HostView, demand: Demand) -> Refusal | None:
    """Refuse hosts without the firmware asked for."""
    if demand.firmware in host.firmwares:
        return None
    return Refusal(
        host.name,
        "firmware",
        f"The host has no {demand.firmware.upper()} firmware.",
        "Install the package ovmf (edk2-ovmf) on the host, or launch with --firmware bios.",
    )


def networks(host: HostView, demand: Demand) -> Refusal | None:
    """Refuse hosts on which one of the networks is not."""
    for name in demand.networks:
        if name not in host.networks:
            wanted = f"The network {name}" if name else "A default network"
            return Refusal(host.name, "networks", f"{wanted} is not on this host.", "Choose a network of this host.")
    return None


def cpu(host: HostView, demand: Demand) -> Refusal | None:
    """Refuse hosts without enough unclaimed vCPUs."""
    if demand.vcpus <= host.vcpus_free:
        return None
    nearest = f"{host.vcpus_free} vCPUs would fit." if host.vcpus_free > 0 else "Stop an instance on it."
    return Refusal(
        host.name,
        "cpu",
        f"It has {max(host.vcpus_free, 0)} of {host.vcpus} vCPUs left; {demand.vcpus} are needed.",
        nearest,
    )


def memory(host: HostView, demand: Demand) -> Refusal | None:
    """Refuse hosts without enough unclaimed memory."""
    if demand.memory_mib <= host.memory_free_mib:
        return None
    nearest = f"{host.memory_free_mib} MiB would fit." if host.memory_free_mib > 0 else "Stop an instance on it."
    return Refusal(
        host.name,
        "memory",
        f"It has {max(host.memory_free_mib, 0)} of {host.memory_mib} MiB of memory left; "
        f"{demand.memory_mib} MiB are needed.",
        nearest,
    )


def pools(host: HostView, demand: Demand) -> Refusal | None:
    """Refuse hosts whose pools are missing or too full for the disks."""
    for name in (*demand.stores, *demand.disks):
        there = host.pools.get(name)
        if there is not None and there.unusable:
            reason = f"The pool {there.name} cannot be used on it: {there.unusable}"
            return Refusal(host.name, "pools", reason, f"See `zcloud pool show {there.name}`.")
    for name, size in demand.disks.items():
        pool = host.pools.get(name)
        if pool is None:
            wanted = f"The pool {name}" if name else "A default pool"
            return Refusal(host.name, "pools", f"{wanted} is not on this host.", "Choose a pool of this host.")
        if pool.closed:
            return Refusal(host.name, "pools", f"The pool {pool.name} {pool.closed}", "Choose another pool.")
        if size > pool.unclaimed:
            left = max(pool.unclaimed, 0) / (1 << 30)
            return Refusal(
                host.name,
                "pools",
                f"The pool {pool.name} can promise {left:.1f} GiB more; {size / (1 << 30):.1f} GiB are needed.",
                f"Disks of {left:.1f} GiB would fit, or raise the pool's overcommit.",
            )
        if pool.available < POOL_RESERVE:
            return Refusal(
                host.name,
                "pools",
                f"The pool {pool.name} is full: {pool.available >> 20} MiB are really free.",
                "Free space in the pool, or add another.",
            )
    return None


FILTERS: tuple[Filter, ...] = (pinned, usable, firmware, fits_hardware, networks, cpu, memory, pools)
