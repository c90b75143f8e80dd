"""Weighers: each gives a host 0 to 1 for a demand; more is better. The sum, weighted, ranks the hosts."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from zcloud.scheduler.model import Demand, HostView

Weigher = Callable[[HostView, Demand], float]


def spread_memory(host: HostView, demand: Demand) -> float:
    """Prefer the host that has most memory left afterwards."""
    return max(host.memory_free_mib - demand.memory_mib, 0) / max(host.memory_mib, 1)


def spread_cpu(host: HostView, demand: Demand) -> float:
    """Prefer the host that has most vCPUs left afterwards."""
    return max(host.vcpus_free - demand.vcpus, 0) / max(host.vcpus, 1)


def accelerated(host: HostView, demand: Demand) -> float:
    """Prefer a host on which KVM really runs a guest."""
    del demand
    return 1.0 if host.accel == "kvm" else 0.0


WEIGHERS: Mapping[str, tuple[float, Weigher]] = {
    "memory": (1.0, spread_memory),
    "cpu": (1.0, spread_cpu),
    "kvm": (4.0, accelerated),
}
