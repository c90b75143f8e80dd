"""libvirt's own QEMU driver takes every golden domain, in this process and without a daemon.

``qemu:///embed`` is the driver with a root directory of its own (https://libvirt.org/drvqemu.html#embedded-driver).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.compute.plans import CASES

from zcloud.domain.host import Accel
from zcloud.drivers.compute.capabilities import parse_capabilities
from zcloud.drivers.compute.design import SPARE_ROOT_PORTS, design_domain
from zcloud.drivers.compute.patch import patch_accel, patch_incarnation
from zcloud.libvirtxml.domain import Domain
from zcloud.libvirtxml.network import VirtualNetwork

libvirt = pytest.importorskip("libvirt")
Connection = Any  # libvirt has no types


@pytest.fixture(scope="module")
def hypervisor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    root = tmp_path_factory.mktemp("libvirt")
    (root / "etc").mkdir()
    # Who looks at /dev/kvm and who runs QEMU must agree, or libvirt probes QEMU anew at every call.
    (root / "etc" / "qemu.conf").write_text('user = "root"\ngroup = "root"\n')
    stopped = threading.Event()
    libvirt.virEventRegisterDefaultImpl()

    def turn() -> None:
        while not stopped.is_set():
            libvirt.virEventRunDefaultImpl()

    timer = libvirt.virEventAddTimeout(100, lambda *_: None, None)
    loop = threading.Thread(target=turn, daemon=True)
    loop.start()
    connection = libvirt.open(f"qemu:///embed?root={root}")
    yield connection
    connection.close()
    stopped.set()
    loop.join(5)
    libvirt.virEventRemoveTimeout(timer)


@pytest.mark.parametrize("name", CASES)
def test_libvirt_defines_it(hypervisor: Connection, name: str) -> None:
    plan = CASES[name]
    defined = hypervisor.defineXMLFlags(design_domain(plan), libvirt.VIR_DOMAIN_DEFINE_VALIDATE)
    try:
        domain = Domain.parse(defined.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
    finally:
        defined.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_NVRAM)
    assert domain.uuid == plan.instance_id
    assert domain.mark.name == plan.instance_name
    assert domain.mark.incarnation == plan.incarnation
    assert {each.target for each in domain.disks} >= {each.target for each in plan.disks}
    assert free_root_ports(domain) >= SPARE_ROOT_PORTS


def free_root_ports(domain: Domain) -> int:
    """Count the root ports that no device sits on, as libvirt placed the devices."""
    ports = {each.index for each in domain.controllers if each.model == "pcie-root-port"}
    lists = (domain.disks, domain.interfaces, domain.controllers, domain.rngs, domain.videos)
    taken = {each.address.bus for devices in lists for each in devices} | {domain.balloon.address.bus}
    return len(ports - taken)


@pytest.mark.parametrize("name", CASES)
def test_libvirt_takes_what_was_patched(hypervisor: Connection, name: str) -> None:
    defined = hypervisor.defineXMLFlags(design_domain(CASES[name]), libvirt.VIR_DOMAIN_DEFINE_VALIDATE)
    try:
        inactive = defined.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE)
        patched = patch_incarnation(patch_accel(inactive, Accel.TCG), 99)
        hypervisor.defineXMLFlags(patched, libvirt.VIR_DOMAIN_DEFINE_VALIDATE)
        domain = Domain.parse(defined.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
    finally:
        defined.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_NVRAM)
    before = Domain.parse(inactive)
    assert (domain.type, domain.mark.incarnation) == ("qemu", 99)
    assert domain.cpu.mode != "host-passthrough"
    assert [each.address.bus for each in domain.disks] == [each.address.bus for each in before.disks]


def test_qemu_gets_a_command_line_for_it(hypervisor: Connection) -> None:
    arguments = hypervisor.domainXMLToNative("qemu-argv", design_domain(CASES["bare"]), 0)
    assert "-accel tcg" in arguments or "accel=tcg" in arguments
    assert "werror=enospc" in arguments or '"werror":"enospc"' in arguments
    assert "pvpanic" in arguments


def test_this_hosts_capabilities_are_read(hypervisor: Connection) -> None:
    host = parse_capabilities(
        hypervisor.getCapabilities(), hypervisor.getDomainCapabilities(None, None, "q35", "qemu", 0)
    )
    assert host.machines["q35"].startswith("pc-q35-")
    assert host.cpus >= 1
    assert host.memory > 1 << 28
    assert "maximum" in host.cpu_modes[Accel.TCG]
    for image in host.firmware:
        assert Path(image.loader).exists()
        assert Path(image.nvram_template).exists()


def test_libvirt_takes_the_network() -> None:
    """The network driver has no embedded form; the test driver parses with the same code."""
    connection = libvirt.open("test:///default")
    try:
        network = VirtualNetwork.create()
        network.name = "zcloud-nat"
        network.forward.mode = "nat"
        network.bridge = "zcbr0"
        network.domain = "default.zone"
        ip = network.ips.add()
        ip.address, ip.prefix = "10.7.0.1", 24
        host = ip.dhcp_hosts.add()
        host.mac, host.ip, host.name = "52:54:00:00:00:01", "10.7.0.2", "demo"
        flags = libvirt.VIR_NETWORK_DEFINE_VALIDATE
        defined = connection.networkDefineXMLFlags(network.to_xml(), flags)
        assert VirtualNetwork.parse(defined.XMLDesc(0)).ips[0].dhcp_hosts[0].ip == "10.7.0.2"
        defined.undefine()
    finally:
        connection.close()
