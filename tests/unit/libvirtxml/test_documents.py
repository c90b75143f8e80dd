"""Documents as libvirt writes them, read whole."""

from __future__ import annotations

from pathlib import Path

import pytest
from lxml import etree
from tests.schemas import needs_schemas, schema

from zcloud.libvirtxml.capabilities import Capabilities, DomainCapabilities
from zcloud.libvirtxml.domain import Domain
from zcloud.libvirtxml.mapping import Node
from zcloud.libvirtxml.network import VirtualNetwork
from zcloud.libvirtxml.storage import StoragePool

DATA = Path(__file__).parent / "data"

KINDS: dict[str, tuple[type[Node], str]] = {
    "domain-libvirt-9.0": (Domain, "domain"),
    "network-nat": (VirtualNetwork, "network"),
    "pool-dir": (StoragePool, "storagepool"),
    "capabilities-debian-12": (Capabilities, "capability"),
    "capabilities-two-nodes": (Capabilities, "capability"),
    "domaincapabilities-debian-12": (DomainCapabilities, "domaincaps"),
}


def read(name: str) -> str:
    return (DATA / f"{name}.xml").read_text()


def test_every_document_has_its_case() -> None:
    assert {path.stem for path in DATA.glob("*.xml")} == set(KINDS)


@pytest.mark.parametrize("name", KINDS)
def test_written_as_read(name: str) -> None:
    kind, _ = KINDS[name]
    written = kind.parse(read(name)).to_xml()
    assert etree.canonicalize(written) == etree.canonicalize(read(name))


@needs_schemas
# The capabilities of real hosts have elements that libvirt's own schema does not know.
@pytest.mark.parametrize("name", [name for name in KINDS if not name.startswith("cap")])
def test_libvirts_schema_accepts_it(name: str) -> None:
    schema(KINDS[name][1]).assertValid(etree.fromstring(read(name)))


def test_domain() -> None:
    domain = Domain.parse(read("domain-libvirt-9.0"))
    assert (domain.type, domain.name, domain.vcpus, domain.current_vcpus) == ("kvm", "zc-5a2e6a4d", 8, 2)
    assert domain.memory == 4 << 30
    assert domain.os.machine == "pc-q35-7.2"
    assert (domain.features.acpi, domain.features.vmport) == (True, False)
    assert [disk.source.dev is not None for disk in domain.disks] == [False, True, False, False]
    assert domain.disks[0].address.bus == 5
    assert [nic.source_network or nic.source_bridge for nic in domain.interfaces] == ["zcloud-nat", "br0"]
    assert (domain.interfaces[1].isolated, domain.interfaces[1].mtu) == (True, 9000)
    assert domain.consoles[0].target_type == "serial"
    assert domain.emulator == "/usr/bin/qemu-system-x86_64"


def make_network() -> VirtualNetwork:
    network = VirtualNetwork.create()
    option = network.dnsmasq_options.add()
    option.value = "no-ping"
    ip = network.ips.add()
    ip.address, ip.prefix = "10.7.0.1", 24
    host = ip.dhcp_hosts.add()
    host.mac, host.name, host.ip = "52:54:00:00:00:01", "demo", "10.7.0.2"
    span = ip.dhcp_ranges.add()
    span.start, span.end = "10.7.0.2", "10.7.0.254"
    network.isolated = True
    name = network.dns.hosts.add()
    name.ip, name.hostnames = "10.7.0.2", ("demo.default.zone", "demo")
    network.dns.forwarders.add().address = "192.0.2.53"
    network.domain, network.domain_local_only = "default.zone", True
    network.mac, network.mtu = "52:54:00:aa:bb:cc", 1500
    network.bridge, network.bridge_stp, network.bridge_delay = "zcbr0", True, 0
    network.forward.mode = "nat"
    network.forward.nat_port_start, network.forward.nat_port_end = 1024, 65535
    network.uuid = "0a3c52fe-5b07-4f2f-a9c6-ff4fbd5e46e4"
    network.name = "zcloud-nat"
    return network


def test_network() -> None:
    made, known = make_network(), VirtualNetwork.parse(read("network-nat"))
    assert made.ips[0].dhcp
    assert known.ips[0].dhcp
    assert known.ips[0].dhcp_hosts[0].ip == "10.7.0.2"
    assert known.dns.hosts[0].hostnames == ("demo.default.zone", "demo")
    # The same lines, whatever order they were set in; only the prefix's declaration is elsewhere.
    tags = [[element.tag for element in each.ensure().iter(etree.Element)] for each in (made, known)]
    assert tags[0] == tags[1]


@needs_schemas
def test_a_network_of_ours_is_valid() -> None:
    schema("network").assertValid(etree.fromstring(make_network().to_xml()))


def test_pool() -> None:
    pool = StoragePool.parse(read("pool-dir"))
    assert (pool.type, pool.name, pool.path) == ("dir", "default", "/var/lib/libvirt/images")
    assert pool.capacity == 105089261568
    assert pool.available == 99720552448
