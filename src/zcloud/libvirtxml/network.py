"""A libvirt network (https://libvirt.org/formatnetwork.html), its lines in libvirt's own order."""

from __future__ import annotations

from zcloud.libvirtxml.fields import Flag, Int, OnOff, Text, Texts, YesNo
from zcloud.libvirtxml.mapping import Children, Group, Node, Required
from zcloud.libvirtxml.nic import Bandwidth, Vlan


class DhcpRange(Node):
    TAG = "range"
    start = Text("./@start")
    end = Text("./@end")
    lease_expiry = Int("./lease/@expiry")
    lease_unit = Text("./lease/@unit")


class DhcpHost(Node):
    """A static lease."""

    TAG = "host"
    mac = Text("./@mac")
    id = Text("./@id")
    name = Text("./@name")
    ip = Text("./@ip")
    lease_expiry = Int("./lease/@expiry")
    lease_unit = Text("./lease/@unit")


class Ip(Node):
    """An address of the network's bridge; with DHCP where ranges or hosts are given."""

    TAG = "ip"
    family = Text("./@family")
    address = Text("./@address")
    netmask = Text("./@netmask")
    prefix = Int("./@prefix")
    local_ptr = YesNo("./@localPtr")
    dhcp = Flag("./dhcp")
    dhcp_ranges = Children("./dhcp/range", DhcpRange)
    dhcp_hosts = Children("./dhcp/host", DhcpHost)


class DnsHost(Node):
    """Names for an address."""

    TAG = "host"
    ip = Text("./@ip")
    hostnames = Texts("./hostname")


class DnsForwarder(Node):
    TAG = "forwarder"
    address = Text("./@addr")
    domain = Text("./@domain")


class Dns(Node):
    TAG = "dns"
    enable = YesNo("./@enable")
    forward_plain_names = YesNo("./@forwardPlainNames")
    forwarders = Children("./forwarder", DnsForwarder)
    hosts = Children("./host", DnsHost)


class Forward(Node):
    """How the network reaches beyond its bridge; absent: not at all."""

    TAG = "forward"
    mode = Text("./@mode")
    dev = Text("./@dev")
    pf = Text("./pf/@dev")
    nat_ipv6 = YesNo("./nat/@ipv6")
    nat_start = Text("./nat/address/@start")
    nat_end = Text("./nat/address/@end")
    nat_port_start = Int("./nat/port/@start")
    nat_port_end = Int("./nat/port/@end")


class PortGroup(Node):
    TAG = "portgroup"
    name = Text("./@name")
    default = YesNo("./@default")
    vlan = Group("./vlan", Vlan)
    bandwidth = Group("./bandwidth", Bandwidth)


class DnsmasqOption(Node):
    """A line for dnsmasq's configuration, for what libvirt has no word for (such as ``no-ping``)."""

    TAG = "{http://libvirt.org/schemas/network/dnsmasq/1.0}option"
    value = Text("./@value")


class VirtualNetwork(Node):
    TAG = "network"
    ipv6 = YesNo("./@ipv6")
    trust_guest_rx_filters = YesNo("./@trustGuestRxFilters")
    name = Required(Text("./name"))
    uuid = Text("./uuid")
    title = Text("./title")
    description = Text("./description")
    forward = Group("./forward", Forward)
    bridge = Text("./bridge/@name")
    bridge_stp = OnOff("./bridge/@stp")
    bridge_delay = Int("./bridge/@delay")
    bridge_mac_table = Text("./bridge/@macTableManager")
    bridge_zone = Text("./bridge/@zone")
    mtu = Int("./mtu/@size")
    mac = Text("./mac/@address")
    domain = Text("./domain/@name")
    domain_local_only = YesNo("./domain/@localOnly")
    dns = Group("./dns", Dns)
    vlan = Group("./vlan", Vlan)
    bandwidth = Group("./bandwidth", Bandwidth)
    isolated = YesNo("./port/@isolated")
    ips = Children("./ip", Ip)
    port_groups = Children("./portgroup", PortGroup)
    virtualport = Text("./virtualport/@type")
    dnsmasq_options = Children("./dnsmasq:options/dnsmasq:option", DnsmasqOption)
