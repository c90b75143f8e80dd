"""A NAT network on one host: libvirt's bridge, its forwarding rules and its dnsmasq.

zcloud owns the addresses: dnsmasq serves the ports that are entered here, for a day at a time, and nobody else.
https://libvirt.org/formatnetwork.html; dnsmasq(8); dhcp_release(1).
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
from typing import Any, ClassVar

from zcloud.domain.driver import Option, OptionType, check_options
from zcloud.domain.errors import CommandFailed, NetworkUnusable, ToolMissing
from zcloud.domain.network import Network, NetworkScope, Port
from zcloud.domain.plug import NicKind, NicPlug
from zcloud.drivers.network.base import NetworkInfo
from zcloud.drivers.network.guard import GUARD_OPTIONS, Guard, guarded_port
from zcloud.libvirtxml.network import DhcpHost, DnsHost, VirtualNetwork
from zcloud.ports import HostLink, NetworkSection

_LEASE_HOURS = 24


class NatNetwork:
    """A NAT network (see ``base.NetworkDriver`` for what the verbs promise)."""

    INFO: ClassVar = NetworkInfo(
        kind="nat",
        title="NAT",
        doc="A private network on one host with DHCP and DNS; guests reach the world through the host's address.",
        scope=NetworkScope.HOST,
        serves_dhcp=True,
        serves_dns=True,
    )
    OPTIONS: ClassVar[tuple[Option, ...]] = (
        *GUARD_OPTIONS,
        Option(
            "isolation",
            OptionType.CHOICE,
            "Whether guests on the network cannot reach each other; auto: yes where the network is for all projects.",
            "auto",
            ("auto", "on", "off"),
        ),
    )

    def __init__(self, network: Network, link: HostLink) -> None:
        options = check_options(self.OPTIONS, network.options)
        self._network = network
        self._name = f"zc-{network.id[:8]}"
        self._bridge = bridge_name(network)
        self._shell = link.shell
        self._hypervisor = link.hypervisor
        self._guard = Guard(link.shell)
        self._isolated = options["isolation"] == "on" or (options["isolation"] == "auto" and not network.project_id)

    def check(self) -> None:
        """Check the tools, that the subnet is free, and (once it runs) that the host forwards."""
        self._guard.check()
        try:
            self._shell.run(["dhcp_release"], check=False)
        except CommandFailed as error:
            raise ToolMissing("dhcp_release cannot be run on the host.", hint="Install dnsmasq-utils.") from error
        rival = find_rival(
            self._network.cidr,
            self._bridge,
            json.loads(self._shell.run(["ip", "-j", "addr", "show"]).stdout),
            json.loads(self._shell.run(["ip", "-j", "route", "show", "table", "all"]).stdout),
        )
        if rival:
            raise NetworkUnusable(
                f"The subnet {self._network.cidr} is in use on the host: {rival}.", hint="Choose another subnet."
            )
        if self._hypervisor.list_networks().get(self._name) and not self._forwards():
            raise NetworkUnusable(
                "The host does not forward IPv4, so guests on the network reach nothing beyond it.",
                hint="Run: sysctl -w net.ipv4.ip_forward=1 (and find out what switched it off).",
            )

    def ensure_network(self) -> None:
        """Make the anti-spoofing table and the libvirt network; libvirt switches forwarding on."""
        self._guard.ensure_table()
        self._hypervisor.ensure_network(build_network(self._network, self._bridge, self._name))

    def remove_network(self) -> None:
        """Remove the libvirt network with its leases; absent is fine."""
        self._hypervisor.remove_network(self._name)

    def ensure_port(self, port: Port) -> NicPlug:
        """Admit the port to the anti-spoofing table, then give it its lease and its names."""
        self._guard.admit(guarded_port(self._network, port))
        for section, entry in self._entries(port):
            self._hypervisor.ensure_network_entry(self._name, section, entry)
        return self.plug(port)

    def plug(self, port: Port) -> NicPlug:
        """Give how the port is plugged, without looking."""
        return NicPlug(
            port_id=port.id,
            mac=port.mac,
            tap=port.tap,
            kind=NicKind.NETWORK,
            source=self._name,
            isolated=self._isolated,
        )

    def remove_port(self, port: Port) -> None:
        """Forget the port: names, lease, and last its anti-spoofing elements, by which ``list_ports`` knows it."""
        for section, entry in self._entries(port):
            self._hypervisor.remove_network_entry(self._name, section, entry)
        if port.address:
            # Without the tool, or the bridge, the lease runs out by itself within a day.
            with contextlib.suppress(CommandFailed):
                self._shell.run(["dhcp_release", self._bridge, port.address, port.mac], check=False)
        self._guard.release(guarded_port(self._network, port))

    def list_ports(self) -> set[str]:
        """Give the taps of this network that the host has entries for."""
        return self._guard.taps(self._network.id)

    def _entries(self, port: Port) -> list[tuple[NetworkSection, str]]:
        if not port.address:
            return []
        entries = [(NetworkSection.DHCP_HOST, build_lease(port))]
        if port.hostname:
            entries.append((NetworkSection.DNS_HOST, build_names(port, self._network.search)))
        return entries

    def _forwards(self) -> bool:
        return self._shell.run(["sysctl", "-n", "net.ipv4.ip_forward"]).stdout.strip() == b"1"


def bridge_name(network: Network) -> str:
    """Give the name of the network's bridge (a device name has at most 15 bytes)."""
    return f"zcbr-{network.id[:8]}"


def build_network(network: Network, bridge: str, name: str) -> str:
    """Give the libvirt network's XML, without any port's entries."""
    document = VirtualNetwork.create()
    document.name, document.uuid = name, network.id
    document.forward.mode = "nat"
    document.bridge, document.bridge_stp, document.bridge_delay = bridge, False, 0
    if network.search:
        document.domain, document.domain_local_only = network.search, True
    for server in network.dns:
        document.dns.forwarders.add().address = server
    address = document.ips.add()
    address.address = network.gateway
    address.prefix = ipaddress.IPv4Network(network.cidr).prefixlen
    # dnsmasq's own address probe costs three seconds a lease, and nobody but us hands addresses out.
    document.dnsmasq_options.add().value = "no-ping"
    return document.to_xml()


def build_lease(port: Port) -> str:
    """Give the entry by which dnsmasq serves the port its address."""
    host = DhcpHost.create()
    host.mac, host.ip = port.mac, port.address
    host.lease_expiry, host.lease_unit = _LEASE_HOURS, "hours"
    return host.to_xml()


def build_names(port: Port, zone: str) -> str:
    """Give the entry by which dnsmasq knows the port's full name, and that name without the zone."""
    names = [port.hostname]
    if zone and port.hostname.endswith(f".{zone}"):
        names.append(port.hostname.removesuffix(f".{zone}"))
    host = DnsHost.create()
    host.ip, host.hostnames = port.address, tuple(names)
    return host.to_xml()


def find_rival(cidr: str, bridge: str, links: list[dict[str, Any]], routes: list[dict[str, Any]]) -> str:
    """Tell what on the host overlaps the subnet, our own bridge and the default route apart; empty for nothing.

    ``links`` and ``routes`` are the answers of ``ip -j addr show`` and ``ip -j route show table all``.
    """
    subnet = ipaddress.IPv4Network(cidr)
    for link in links:
        for address in link.get("addr_info", ()):
            if address.get("family") == "inet" and link.get("ifname") != bridge:
                used = f"{address['local']}/{address['prefixlen']}"
                if subnet.overlaps(ipaddress.IPv4Network(used, strict=False)):
                    return f"{link.get('ifname')} has {used}"
    for route in routes:
        target = str(route.get("dst", ""))
        if route.get("dev") != bridge and target != "default" and ":" not in target:
            with contextlib.suppress(ValueError):
                if subnet.overlaps(ipaddress.IPv4Network(target, strict=False)):
                    return f"a route to {target} goes by {route.get('dev', 'nowhere')}"
    return ""
