"""``ports.Hypervisor`` in memory: fake domains and networks, with a guest agent in every guest.

``silent`` holds the uuids of the guests whose agent does not answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from zcloud.domain.errors import GuestSilent, HostUnreachable, ZcloudError
from zcloud.libvirtxml.parser import parse_xml
from zcloud.ports import DomainFacts, DomainOutline, DomainState, InterfaceAddress, NodeFacts, NodeLoad
from zcloud.testing.fakedisk import FakeDisk
from zcloud.testing.fakedomains import FakeDomain
from zcloud.testing.fakehardware import FakeHardware
from zcloud.testing.fakemirroring import FakeMirroring
from zcloud.testing.fakenetworks import FakeNetworks
from zcloud.testing.fakescreen import FakeScreen
from zcloud.testing.fakesecrets import FakeSecrets


class FakeHypervisor(FakeMirroring, FakeHardware, FakeScreen, FakeNetworks, FakeSecrets):
    """libvirt on one host.

    ``calls`` counts every verb; ``unreachable`` makes all raise HostUnreachable; ``fail`` plans one error. The agent
    answers what ``domains[uuid].guest`` has for a command; addresses are those that DHCP gives.
    """

    def __init__(self, node: NodeFacts | None = None) -> None:
        FakeMirroring.__init__(self)
        self.copied, self.mirrors = set(), {}
        FakeHardware.__init__(self)
        FakeNetworks.__init__(self)
        self.calls: Counter[str] = Counter()
        self.unreachable = False
        self.secrets = {}
        self.silent: set[str] = set()
        self.disk = FakeDisk()
        self._node = node or NodeFacts(16, 64 << 20, "9.0.0", "7.2.0", "fake")
        self._planned: dict[str, list[ZcloudError]] = {}

    def enter(self, verb: str) -> None:
        """Count the call, and raise what is planned for it."""
        if self.unreachable:
            raise HostUnreachable("The host's libvirt does not answer.")
        self.calls[verb] += 1
        planned = self._planned.get(verb)
        if planned:
            raise planned.pop(0)

    def fail(self, verb: str, error: ZcloudError) -> None:
        """Make the next call of a verb raise an error."""
        self._planned.setdefault(verb, []).append(error)

    def node(self) -> NodeFacts:
        """Give the host's totals."""
        self.enter("node")
        return self._node

    def load(self) -> NodeLoad:
        """Give a host that has been idle for a thousand seconds, with half of its memory free."""
        self.enter("load")
        memory = self._node.memory_kib
        return NodeLoad(0, 0, 0, 1000 * 10**9 * self._node.cpus, memory, memory // 2)

    def capabilities_xml(self, *, fresh: bool = False) -> str:  # noqa: ARG002
        """Give the capabilities of a small x86-64 host whose QEMU runs as uid 64055."""
        self.enter("capabilities_xml")
        return _data("capabilities.xml")

    def domain_capabilities_xml(self, *, accel: str, machine: str = "q35") -> str:  # noqa: ARG002
        """Give the domain capabilities, the same for every machine."""
        self.enter("domain_capabilities_xml")
        return _data("domaincapabilities.xml").replace(
            "<domain>qemu<", f"<domain>{'kvm' if accel == 'kvm' else 'qemu'}<"
        )

    def agent(self, uuid: str, command: str, arguments: Mapping[str, Any], *, timeout_s: int = 5) -> Any:  # noqa: ARG002
        """Give what the guest was told to answer, else an empty answer; raises GuestSilent."""
        self.enter("agent")
        if command.startswith("guest-fsfreeze-"):
            return self._fsfreeze(self._awake(uuid), command.rpartition("-")[2])
        return self._awake(uuid).guest.get(command, [] if command == "guest-get-fsinfo" else {})

    def guest_addresses(self, uuid: str) -> list[InterfaceAddress]:
        """Give the addresses that the guest's NICs get by DHCP; raises GuestSilent."""
        self.enter("guest_addresses")
        macs = self._awake(uuid).macs
        found = [(slot, mac, address) for slot, mac in enumerate(macs) for address in self.addresses_of(mac)]
        return [InterfaceAddress(f"eth{slot}", mac, address, 24) for slot, mac, address in found]

    def outlines(self) -> list[DomainOutline]:
        """Give every domain with the size that it is defined with."""
        self.enter("outlines")
        return [_outline(each) for each in self.domains.values()]

    def disk_sizes(self, uuid: str) -> dict[str, int]:
        """Give a GiB for every disk that has a source."""
        self.enter("disk_sizes")
        disks = parse_xml(self._domain(uuid).xml).findall("devices/disk[source]/target")
        return {str(target.get("dev")): 1 << 30 for target in disks}

    def list_pools(self) -> list[tuple[str, str, str]]:
        """Give no libvirt pools."""
        self.enter("list_pools")
        return []

    def _fsfreeze(self, domain: FakeDomain, verb: str) -> Any:
        """Freeze or thaw the guest's one file system, and count it; or tell which it is."""
        if verb == "status":
            return "frozen" if domain.frozen else "thawed"
        changed = domain.frozen is not (verb == "freeze")
        domain.frozen = verb == "freeze"
        return int(changed)

    def _awake(self, uuid: str) -> FakeDomain:
        domain = self._domain(uuid)
        if domain.state is not DomainState.RUNNING or uuid in self.silent:
            raise GuestSilent("The guest agent does not answer.")
        return domain


@cache
def _data(name: str) -> str:
    return resources.files("zcloud.testing").joinpath("data", name).read_text()


def _outline(domain: FakeDomain) -> DomainOutline:
    facts = DomainFacts(domain.uuid, domain.name, domain.state, domain.reason, True)
    root = parse_xml(domain.xml)
    memory = root.find("currentMemory")
    memory = root.find("memory") if memory is None else memory
    unit = 1024 if memory is not None and memory.get("unit") == "MiB" else 1
    kib = int(memory.text or 0) * unit if memory is not None else 0
    return DomainOutline(facts, int(root.findtext("vcpu") or 1), kib)
