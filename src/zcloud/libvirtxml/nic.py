"""A domain's network interfaces (https://libvirt.org/formatdomain.html#network-interfaces)."""

from __future__ import annotations

from zcloud.libvirtxml.disk import Address
from zcloud.libvirtxml.fields import Int, Text, YesNo
from zcloud.libvirtxml.mapping import Children, Group, Node


class Rate(Node):
    """A limit in KiB a second (``burst`` in KiB)."""

    TAG = "inbound"
    average = Int("./@average")
    peak = Int("./@peak")
    burst = Int("./@burst")
    floor = Int("./@floor")


class Bandwidth(Node):
    TAG = "bandwidth"
    inbound = Group("./inbound", Rate)
    outbound = Group("./outbound", Rate)


class VlanTag(Node):
    TAG = "tag"
    id = Int("./@id")
    native_mode = Text("./@nativeMode")


class Vlan(Node):
    TAG = "vlan"
    trunk = YesNo("./@trunk")
    tags = Children("./tag", VlanTag)


class FilterParameter(Node):
    TAG = "parameter"
    name = Text("./@name")
    value = Text("./@value")


class Interface(Node):
    TAG = "interface"
    type = Text("./@type")
    managed = YesNo("./@managed")
    mac = Text("./mac/@address")
    source_bridge = Text("./source/@bridge")
    source_network = Text("./source/@network")
    source_portgroup = Text("./source/@portgroup")
    source_dev = Text("./source/@dev")
    source_mode = Text("./source/@mode")
    source_address = Group("./source/address", Address)
    vlan = Group("./vlan", Vlan)
    virtualport = Text("./virtualport/@type")
    virtualport_id = Text("./virtualport/parameters/@interfaceid")
    bandwidth = Group("./bandwidth", Bandwidth)
    tap = Text("./target/@dev")
    filter = Text("./filterref/@filter")
    filter_parameters = Children("./filterref/parameter", FilterParameter)
    model = Text("./model/@type")
    driver = Text("./driver/@name")
    queues = Int("./driver/@queues")
    isolated = YesNo("./port/@isolated")
    boot_order = Int("./boot/@order")
    rom = YesNo("./rom/@enabled")
    rom_bar = Text("./rom/@bar")
    link = Text("./link/@state")
    mtu = Int("./mtu/@size")
    alias = Text("./alias/@name")
    address = Group("./address", Address)
