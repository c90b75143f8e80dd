"""A NAT network on one host: libvirt's bridge, its forwarding rules and its dnsmasq.

zcloud owns the addresses: dnsmasq serves the ports that are entered here, for a day at a time, and nobody else.
A port's lease is a file in a directory that dnsmasq watches, not an entry of libvirt's: for each of those libvirt
takes all of the network's firewall rules away and puts them back (0.35 s, and NAT is cut meanwhile). Its name is an
entry of libvirt's (5 ms), which also makes dnsmasq read the directory anew, so that a removed lease is forgotten.

Sources: https://libvirt.org/formatnetwork.html; dnsmasq(8), ``dhcp-hostsdir``; dhcp_release(1).
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import posixpath
from collections.abc import Sequence
from typing import Any, ClassVar

from zcloud.domain.driver import Option, OptionType, check_options
from zcloud.domain.errors import CommandFailed, NetworkUnusable, ToolMissing
from zcloud.domain.network import Network, NetworkScope, Port
from zcloud.domain.plug import NicKind, NicPlug
from zcloud.drivers.network.base import NetworkInfo
from zcloud.drivers.network.guard import GUARD_OPTIONS, Guard, guarded_port
from zcloud.libvirtxml.network import DnsHost, VirtualNetwork
from zcloud.ports import HostLink, NetworkSection

_LEASES = "/var/lib/libvirt/dnsmasq/zcloud"  # where dnsmasq's own user may read
_LEASE_TIME = "24h"


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
        (_, self._name), (_, self._bridge) = self.joins(network)
        self._leases = f"{_LEASES}/{network.id}"
        self._shell = link.shell
        self._hypervisor = link.hypervisor
        self._guard = Guard(link.shell)
        self._isolated = options["isolation"] == "on" or (options["isolation"] == "auto" and not network.project_id)

    @classmethod
    def joins(cls, network: Network) -> tuple[tuple[str, str], ...]:
        """Give the names of libvirt's network and of its bridge."""
        name = network.id[:8]
        return ("network", f"zc-{name}"), ("bridge", f"zbr-{name}")  # <= 15 bytes; the guard knows taps by "zc"

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
        for directory in (_LEASES, self._leases):
            self._shell.run(["mkdir", "-p", "-m", "0755", "--", directory])
        self._hypervisor.ensure_network(build_network(self._network, self._name, self._bridge, self._leases))
        # The bridge learns from LLDP frames before any rule sees them; so a guest could cut its neighbours off.
        self._shell.run(["ip", "link", "set", "dev", self._bridge, "type", "bridge", "no_linklocal_learn", "1"])

    def remove_network(self) -> None:
        """Remove the libvirt network with its leases; absent is fine."""
        self._hypervisor.remove_network(self._name)
        for lease in self._shell.list_files(self._leases):
            self._shell.remove(lease.path)
        for directory in (self._leases, _LEASES):
            self._shell.run(["rmdir", "--", directory], check=False)  # absent, or another network's

    def ensure_port(self, port: Port) -> NicPlug:
        """Admit the port to the anti-spoofing table, then give it its lease and its names."""
        guarded = guarded_port(self._network, port)
        if not self._hypervisor.list_networks().get(self._name):
            self.ensure_network()
        self._guard.admit(guarded)
        if port.address:
            self._shell.write_file(self._lease(port), build_lease(port), mode=0o644)
            self._hypervisor.ensure_network_entry(self._name, NetworkSection.DNS_HOST, self._names(port))
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
            link_up=port.link_up,
        )

    def remove_port(self, port: Port) -> None:
        """Forget the port: lease, names, and last its anti-spoofing elements; absent is fine."""
        guarded = guarded_port(self._network, port)
        if port.address:
            self._shell.remove(self._lease(port))
            self._hypervisor.remove_network_entry(self._name, NetworkSection.DNS_HOST, self._names(port))
            # Else dnsmasq keeps the address from its next owner. Without tool or bridge it does so for a day.
            with contextlib.suppress(CommandFailed):
                self._shell.run(["dhcp_release", self._bridge, port.address, port.mac], check=False)
        self._guard.release(guarded)

    def lacking(self, ports: Sequence[Port]) -> list[Port]:
        """Give the ports whose lease or names are not there; all of them where the network itself is not as made."""
        served = [port for port in ports if port.address]
        if not self._hypervisor.list_networks().get(self._name) or self._learns_link_local():
            return served
        document = VirtualNetwork.parse(self._hypervisor.network_xml(self._name) or "")
        names = {host.ip: tuple(host.hostnames) for host in document.dns.hosts}
        leases = {posixpath.basename(lease.path): lease.size for lease in self._shell.list_files(self._leases)}
        return [
            port
            for port in served
            if leases.get(port.tap) != len(build_lease(port)) or names.get(port.address) != self._host_names(port)
        ]

    def served(self) -> dict[str, str]:
        """Give the addresses that dnsmasq gives to taps: of all, also those that no record knows."""
        found = {}
        for lease in self._shell.list_files(self._leases):
            tap = posixpath.basename(lease.path)
            fields = self._shell.read_file(lease.path, limit=256).decode(errors="replace").split(",")
            if not tap.startswith(".") and len(fields) > 1:
                found[tap] = fields[1]
        return found

    @property
    def lease_file(self) -> str:
        """Give the file of libvirt's lease helper (src/network/leaseshelper.c)."""
        return f"{posixpath.dirname(_LEASES)}/{self._bridge}.status"

    def list_ports(self) -> set[str]:
        """Give the taps of this network that the host has entries for."""
        leases = {posixpath.basename(lease.path) for lease in self._shell.list_files(self._leases)}
        return self._guard.taps(self._network.id) | {tap for tap in leases if not tap.startswith(".")}

    def _learns_link_local(self) -> bool:
        """Say whether the bridge lacks what ``ensure_network`` set: somebody restarted the libvirt network."""
        links = json.loads(self._shell.run(["ip", "-j", "-d", "link", "show", "dev", self._bridge]).stdout)
        return any(link.get("linkinfo", {}).get("info_data", {}).get("no_linklocal_learn") == 0 for link in links)

    def _lease(self, port: Port) -> str:
        return posixpath.join(self._leases, port.tap)

    def _names(self, port: Port) -> str:
        return build_names(port, self._network.search)

    def _host_names(self, port: Port) -> tuple[str, ...]:
        return tuple(DnsHost.parse(self._names(port)).hostnames)

    def _forwards(self) -> bool:
        return self._shell.run(["sysctl", "-n", "net.ipv4.ip_forward"]).stdout.strip() == b"1"


def build_network(network: Network, name: str, bridge: str, leases: str) -> str:
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
    for option in (
        f"dhcp-range={network.gateway},static",  # nobody but the ports in the directory
        f"dhcp-hostsdir={leases}",
        "dhcp-no-override",
        "dhcp-authoritative",
        "no-ping",  # the probe costs three seconds a lease, and nobody but us hands addresses out
        "no-hosts",  # the host's /etc/hosts is not the guests' business
    ):
        document.dnsmasq_options.add().value = option
    return document.to_xml()


def build_lease(port: Port) -> bytes:
    """Give the line by which dnsmasq serves the port its address (the port's fields are checked by the guard)."""
    return f"{port.mac},{port.address},{_LEASE_TIME}\n".encode()


def build_names(port: Port, zone: str) -> str:
    """Give the entry by which dnsmasq knows the port: its full name, and that without the zone.

    A port without a name is known by its tap's, so that every port has an entry.
    """
    names = [port.hostname or f"{port.tap}.{zone}".rstrip(".")]
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
