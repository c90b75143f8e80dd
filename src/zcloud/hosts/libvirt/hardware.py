"""The part of ``ports.Hypervisor`` that changes what running domains are made of."""

from __future__ import annotations

from collections.abc import Callable

import libvirt

from zcloud.domain.errors import GuestRefused, NotFound
from zcloud.hosts.libvirt.connection import Connection
from zcloud.hosts.libvirt.domains import find_domain
from zcloud.hosts.libvirt.errors import GUEST_REFUSES, code_of
from zcloud.ports import DomainSize

_LIVE = libvirt.VIR_DOMAIN_AFFECT_LIVE


class Hardware:
    """Live changes; those that need a domain raise NotFound where libvirt has none of that uuid."""

    _jobs: Connection
    _watch: Connection

    def domain_size(self, uuid: str) -> DomainSize | None:
        """Give what a domain has at this moment; None for one that is off or not there."""

        def read(raw: libvirt.virConnect) -> DomainSize | None:
            try:
                domain = find_domain(raw, uuid)
            except NotFound:
                return None
            return _size(domain) if domain.isActive() else None

        return self._watch.call(read)

    def set_vcpus(self, uuid: str, count: int) -> None:
        """Plug or unplug vCPUs; raises GuestRefused where a guest does not let one go."""

        def work(domain: libvirt.virDomain) -> None:
            if _size(domain).vcpus == count:
                return
            try:
                domain.setVcpusFlags(count, _LIVE)
            except libvirt.libvirtError as error:
                if code_of(error) not in GUEST_REFUSES or _size(domain).vcpus < count:
                    raise
                raise GuestRefused(f"The guest keeps its vCPUs: {error.get_error_message()}.") from error

        self._change(uuid, work)

    def set_balloon(self, uuid: str, memory_mib: int) -> None:
        """Ask the guest to live with that much of its memory."""
        self._change(uuid, lambda domain: domain.setMemoryFlags(memory_mib << 10, _LIVE))

    def plug_memory(self, uuid: str, xml: str, total_mib: int) -> None:
        """Attach a memory module, unless the domain has ``total_mib`` in all by now."""

        def work(domain: libvirt.virDomain) -> None:
            if _size(domain).plugged_mib < total_mib:
                domain.attachDeviceFlags(xml, _LIVE)

        self._change(uuid, work)

    def _change(self, uuid: str, work: Callable[[libvirt.virDomain], object]) -> None:
        self._jobs.call(lambda raw: work(find_domain(raw, uuid)))


def _size(domain: libvirt.virDomain) -> DomainSize:
    _state, plugged_kib, memory_kib, vcpus, _time = domain.info()
    return DomainSize(int(vcpus), int(memory_kib) >> 10, int(plugged_kib) >> 10)
