"""The part of ``ports.Hypervisor`` that only looks: on the watch connection, so that slow jobs never delay it."""

from __future__ import annotations

import contextlib
import time
from typing import NamedTuple

import libvirt

from zcloud.hosts.libvirt.connection import Connection
from zcloud.hosts.libvirt.errors import NO_DOMAIN, NO_NETWORK, code_of
from zcloud.hosts.libvirt.stats import to_facts, to_outline, to_stats
from zcloud.libvirtxml.domain import Domain
from zcloud.libvirtxml.parser import parse_xml
from zcloud.ports import DomainFacts, DomainOutline, DomainStats, NodeFacts, NodeLoad

_KNOWN_S = 60.0
_LISTED = libvirt.VIR_DOMAIN_STATS_STATE
_OUTLINED = _LISTED | libvirt.VIR_DOMAIN_STATS_VCPU | libvirt.VIR_DOMAIN_STATS_BALLOON
_COUNTED = (
    libvirt.VIR_DOMAIN_STATS_STATE
    | libvirt.VIR_DOMAIN_STATS_CPU_TOTAL
    | libvirt.VIR_DOMAIN_STATS_BALLOON
    | libvirt.VIR_DOMAIN_STATS_VCPU
    | libvirt.VIR_DOMAIN_STATS_INTERFACE
    | libvirt.VIR_DOMAIN_STATS_BLOCK
)
_NOWAIT = libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT
_ALL = -1  # VIR_NODE_CPU_STATS_ALL_CPUS, VIR_NODE_MEMORY_STATS_ALL_CELLS
_ACTIVE = libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE


class _Known(NamedTuple):
    """Capabilities, the connection that they are from, and when (monotonic)."""

    source: libvirt.virConnect
    read_at: float
    text: str


class Facts:
    """Read-only calls.

    What asks QEMU itself goes by the connection for jobs: it hangs as long as a guest's storage does, and the one that
    watches must not.
    """

    _watch: Connection
    _jobs: Connection
    _known: _Known | None = None

    def node(self) -> NodeFacts:
        """Give the host's totals and versions."""
        return self._watch.call(_node)

    def load(self) -> NodeLoad:
        """Give what the host's CPUs and memory do (virNodeGetCPUStats, virNodeGetMemoryStats)."""
        return self._watch.call(_load)

    def capabilities_xml(self, *, fresh: bool = False) -> str:
        """Give the host's capabilities; unless ``fresh``, as this connection gave them at most a minute ago.

        Every launch asks who runs QEMU, and libvirt writes the whole answer anew each time.
        """

        def read(raw: libvirt.virConnect) -> _Known:
            known = None if fresh else self._known
            if known is None or known.source is not raw or time.monotonic() - known.read_at > _KNOWN_S:
                known = self._known = _Known(raw, time.monotonic(), raw.getCapabilities())
            return known

        return self._watch.call(read).text

    def domain_capabilities_xml(self, *, accel: str, machine: str = "q35") -> str:
        """Give the domain capabilities for ``accel`` (``kvm`` or ``tcg``)."""
        kind = "kvm" if accel == "kvm" else "qemu"
        return self._watch.call(lambda raw: raw.getDomainCapabilities(None, "x86_64", machine, kind))

    def list_domains(self) -> list[DomainFacts]:
        """Give every domain: one bulk call for the states, one for which of them are transient."""
        return self._watch.call(_list_domains)

    def outlines(self) -> list[DomainOutline]:
        """Give every domain with its size: as ``list_domains``."""
        return self._jobs.call(_outline)

    def disk_sizes(self, uuid: str) -> dict[str, int]:
        """Give the bytes of a domain's disks by target (virDomainGetBlockInfo), but for those that cannot be read."""

        def read(raw: libvirt.virConnect) -> dict[str, int]:
            domain, sizes = raw.lookupByUUIDString(uuid), dict[str, int]()
            for disk in Domain.parse(domain.XMLDesc(0)).disks:
                with contextlib.suppress(libvirt.libvirtError):  # an empty drive, a file that is gone
                    sizes[disk.target or ""] = int(domain.blockInfo(disk.target or "")[0])
            return sizes

        return self._watch.call(read)

    def stats(self) -> list[DomainStats]:
        """Give the counters of all running domains in one bulk call that never waits for a busy domain."""
        records = self._jobs.call(lambda raw: raw.getAllDomainStats(_COUNTED, _ACTIVE | _NOWAIT))
        return [to_stats(domain.UUIDString(), record) for domain, record in records]

    def domain_xml(self, uuid: str, *, inactive: bool = True) -> str | None:
        """Give a domain's XML, with its secrets left out, or None where there is no such domain."""

        def read(raw: libvirt.virConnect) -> str | None:
            try:
                return raw.lookupByUUIDString(uuid).XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE if inactive else 0)
            except libvirt.libvirtError as error:
                if code_of(error) == NO_DOMAIN:
                    return None
                raise

        return self._watch.call(read)

    def list_networks(self) -> dict[str, bool]:
        """Give the libvirt networks by name and whether each is active."""
        return self._watch.call(lambda raw: {net.name(): bool(net.isActive()) for net in raw.listAllNetworks()})

    def network_xml(self, name: str) -> str | None:
        """Give a network's definition, or None where there is no such network."""

        def read(raw: libvirt.virConnect) -> str | None:
            try:
                return raw.networkLookupByName(name).XMLDesc(libvirt.VIR_NETWORK_XML_INACTIVE)
            except libvirt.libvirtError as error:
                if code_of(error) == NO_NETWORK:
                    return None
                raise

        return self._watch.call(read)

    def list_pools(self) -> list[tuple[str, str, str]]:
        """Give the libvirt storage pools: name, type, target path (inventory only)."""
        texts = self._watch.call(lambda raw: [pool.XMLDesc() for pool in raw.listAllStoragePools()])
        roots = [parse_xml(text) for text in texts]
        return [(root.findtext("name", ""), root.get("type", ""), root.findtext("target/path", "")) for root in roots]


def _node(raw: libvirt.virConnect) -> NodeFacts:
    info = raw.getInfo()
    return NodeFacts(
        cpus=int(info[2]),
        memory_kib=int(info[1]) * 1024,
        libvirt_version=_dotted(raw.getLibVersion()),
        hypervisor_version=_dotted(raw.getVersion()),
        hostname=raw.getHostname(),
    )


def _load(raw: libvirt.virConnect) -> NodeLoad:
    cpu, memory = raw.getCPUStats(_ALL, 0), raw.getMemoryStats(_ALL, 0)
    available = sum(memory.get(name, 0) for name in ("free", "buffers", "cached"))
    user, system, iowait, idle = (cpu.get(name, 0) for name in ("user", "kernel", "iowait", "idle"))
    return NodeLoad(user, system, iowait, idle, memory.get("total", 0), available)


def _dotted(number: int) -> str:
    """Give libvirt's version number (major * 1,000,000 + minor * 1,000 + release) in its usual form."""
    return f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"


def _list_domains(raw: libvirt.virConnect) -> list[DomainFacts]:
    transient = _transient(raw)
    return [
        to_facts(uuid, domain.name(), record, persistent=uuid not in transient)
        for domain, record in raw.getAllDomainStats(_LISTED, _NOWAIT)
        for uuid in (domain.UUIDString(),)
    ]


def _outline(raw: libvirt.virConnect) -> list[DomainOutline]:
    transient = _transient(raw)
    return [
        to_outline(uuid, domain.name(), record, persistent=uuid not in transient)
        for domain, record in raw.getAllDomainStats(_OUTLINED, _NOWAIT)
        for uuid in (domain.UUIDString(),)
    ]


def _transient(raw: libvirt.virConnect) -> set[str]:
    return {domain.UUIDString() for domain in raw.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_TRANSIENT)}
