"""The hardware half of the fake libvirt: running domains that grow and shrink, with guests that obey or not."""

from __future__ import annotations

from zcloud.domain.errors import GuestRefused, HypervisorFailed
from zcloud.libvirtxml.device import MemoryModule
from zcloud.libvirtxml.domain import Domain
from zcloud.ports import DomainSize, DomainState
from zcloud.testing.fakedomains import FakeDomains

_OFF = (DomainState.SHUTOFF, DomainState.CRASHED)


class FakeHardware(FakeDomains):
    """Sizes of running domains; the guests in ``greedy`` give nothing back."""

    def __init__(self) -> None:
        super().__init__()
        self.greedy: set[str] = set()
        self._runs: dict[str, tuple[DomainSize, DomainSize]] = {}  # uuid -> what the run has, and the most it can

    def start(self, uuid: str) -> None:
        """Start a domain as it is defined."""
        begun = self._domain(uuid).state in _OFF
        super().start(uuid)
        if begun:
            self._runs[uuid] = _defined(self._domain(uuid).xml)

    def domain_size(self, uuid: str) -> DomainSize | None:
        """Give what a running domain has."""
        self.enter("domain_size")
        domain = self.domains.get(uuid)
        return None if domain is None or domain.state in _OFF else self._runs[uuid][0]

    def set_vcpus(self, uuid: str, count: int) -> None:
        """Change the vCPUs; raises GuestRefused, HypervisorFailed."""
        self.enter("set_vcpus")
        now, most = self._run(uuid)
        if count > most.vcpus:
            raise HypervisorFailed(f"requested vcpus is greater than max allowable vcpus: {count} > {most.vcpus}")
        if count < now.vcpus and uuid in self.greedy:
            raise GuestRefused("The guest keeps its vCPUs.")
        self._runs[uuid] = (now._replace(vcpus=count), most)

    def set_balloon(self, uuid: str, memory_mib: int) -> None:
        """Inflate or deflate the balloon; a greedy guest takes no notice of the first."""
        self.enter("set_balloon")
        now, most = self._run(uuid)
        if memory_mib > now.plugged_mib:
            raise HypervisorFailed("cannot set memory higher than max memory")
        if memory_mib > now.memory_mib or uuid not in self.greedy:
            self._runs[uuid] = (now._replace(memory_mib=memory_mib), most)

    def plug_memory(self, uuid: str, xml: str, total_mib: int) -> None:
        """Attach a memory module, unless the domain has ``total_mib`` by now."""
        self.enter("plug_memory")
        now, most = self._run(uuid)
        if now.plugged_mib >= total_mib:
            return
        size = (MemoryModule.parse(xml).size or 0) >> 20
        if now.plugged_mib + size > most.plugged_mib:
            raise HypervisorFailed("attaching memory device would exceed domain's maxMemory config")
        grown = now._replace(memory_mib=now.memory_mib + size, plugged_mib=now.plugged_mib + size)
        self._runs[uuid] = (grown, most)

    def _run(self, uuid: str) -> tuple[DomainSize, DomainSize]:
        if self._domain(uuid).state in _OFF:
            raise HypervisorFailed("domain is not running")
        return self._runs[uuid]


def _defined(xml: str) -> tuple[DomainSize, DomainSize]:
    domain = Domain.parse(xml)
    memory = (domain.memory or 0) >> 20
    most = (domain.max_memory or domain.memory or 0) >> 20
    now = DomainSize(domain.current_vcpus or domain.vcpus, memory, memory)
    return now, DomainSize(domain.vcpus, most, most)
