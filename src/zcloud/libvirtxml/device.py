"""A domain's other devices (https://libvirt.org/formatdomain.html#devices)."""

from __future__ import annotations

from zcloud.libvirtxml.disk import Address
from zcloud.libvirtxml.fields import Bytes, Hex, Int, OnOff, Text, YesNo
from zcloud.libvirtxml.mapping import Children, Group, Node


class Controller(Node):
    TAG = "controller"
    type = Text("./@type")
    index = Int("./@index")
    model = Text("./@model")
    ports = Int("./@ports")
    queues = Int("./driver/@queues")
    iothread = Int("./driver/@iothread")
    hardware = Text("./model/@name")
    chassis = Int("./target/@chassis")
    port = Hex("./target/@port")
    node = Int("./target/node")
    alias = Text("./alias/@name")
    address = Group("./address", Address)


class Character(Node):
    """A serial port, console or channel: what the host has (``source``) and what the guest sees."""

    TAG = "serial"
    type = Text("./@type")
    source_path = Text("./source/@path")
    source_mode = Text("./source/@mode")
    log = Text("./log/@file")
    log_append = OnOff("./log/@append")
    target_type = Text("./target/@type")
    target_name = Text("./target/@name")
    target_port = Int("./target/@port")
    target_state = Text("./target/@state")
    target_model = Text("./target/model/@name")
    alias = Text("./alias/@name")
    address = Group("./address", Address)


class Console(Character):
    TAG = "console"
    tty = Text("./@tty")


class Channel(Character):
    TAG = "channel"


class Input(Node):
    TAG = "input"
    type = Text("./@type")
    bus = Text("./@bus")
    alias = Text("./alias/@name")
    address = Group("./address", Address)


class Tpm(Node):
    TAG = "tpm"
    model = Text("./@model")
    backend = Text("./backend/@type")
    version = Text("./backend/@version")
    persistent = YesNo("./backend/@persistent_state")
    encryption_secret = Text("./backend/encryption/@secret")
    device = Text("./backend/device/@path")


class Listen(Node):
    TAG = "listen"
    type = Text("./@type")
    address = Text("./@address")
    network = Text("./@network")
    socket = Text("./@socket")


class Graphics(Node):
    TAG = "graphics"
    type = Text("./@type")
    port = Int("./@port")
    auto_port = YesNo("./@autoport")
    websocket = Int("./@websocket")
    keymap = Text("./@keymap")
    socket = Text("./@socket")
    share_policy = Text("./@sharePolicy")
    listens = Children("./listen", Listen)


class Video(Node):
    TAG = "video"
    model = Text("./model/@type")
    vram = Int("./model/@vram")
    heads = Int("./model/@heads")
    primary = YesNo("./model/@primary")
    width = Int("./model/resolution/@x")
    height = Int("./model/resolution/@y")
    address = Group("./address", Address)


class Watchdog(Node):
    TAG = "watchdog"
    model = Text("./@model")
    action = Text("./@action")
    address = Group("./address", Address)


class Balloon(Node):
    TAG = "memballoon"
    model = Text("./@model")
    autodeflate = OnOff("./@autodeflate")
    free_page_reporting = OnOff("./@freePageReporting")
    stats_period = Int("./stats/@period")
    address = Group("./address", Address)


class Rng(Node):
    """A source of randomness; ``rate`` is bytes in ``period`` milliseconds."""

    TAG = "rng"
    model = Text("./@model")
    rate = Int("./rate/@bytes")
    period = Int("./rate/@period")
    backend = Text("./backend/@model")
    source = Text("./backend")
    address = Group("./address", Address)


class Panic(Node):
    TAG = "panic"
    model = Text("./@model")


class HostDevice(Node):
    """A device of the host given to the guest; its source is a PCI or mdev address or a USB device."""

    TAG = "hostdev"
    mode = Text("./@mode")
    type = Text("./@type")
    managed = YesNo("./@managed")
    model = Text("./@model")
    display = OnOff("./@display")
    driver = Text("./driver/@name")
    source_address = Group("./source/address", Address)
    mdev = Text("./source/address/@uuid")
    usb_vendor = Hex("./source/vendor/@id", digits=4)
    usb_product = Hex("./source/product/@id", digits=4)
    usb_bus = Int("./source/address/@bus")
    usb_device = Int("./source/address/@device")
    boot_order = Int("./boot/@order")
    rom = YesNo("./rom/@enabled")
    rom_bar = Text("./rom/@bar")
    rom_file = Text("./rom/@file")
    alias = Text("./alias/@name")
    address = Group("./address", Address)


class MemoryModule(Node):
    """Memory that can be plugged: a DIMM or virtio-mem; sizes in bytes."""

    TAG = "memory"
    model = Text("./@model")
    access = Text("./@access")
    discard = YesNo("./@discard")
    size = Bytes("./target/size")
    node = Int("./target/node")
    block = Bytes("./target/block")
    requested = Bytes("./target/requested")
    current = Bytes("./target/current")
    alias = Text("./alias/@name")
    address = Group("./address", Address)


class FileSystem(Node):
    TAG = "filesystem"
    type = Text("./@type")
    access_mode = Text("./@accessmode")
    driver = Text("./driver/@type")
    source = Text("./source/@dir")
    target = Text("./target/@dir")
    alias = Text("./alias/@name")
    address = Group("./address", Address)


class Iommu(Node):
    TAG = "iommu"
    model = Text("./@model")
    interrupt_remapping = OnOff("./driver/@intremap")
    caching_mode = OnOff("./driver/@caching_mode")
    extended_interrupts = OnOff("./driver/@eim")


class Vsock(Node):
    TAG = "vsock"
    model = Text("./@model")
    auto_cid = YesNo("./cid/@auto")
    cid = Int("./cid/@address")
    address = Group("./address", Address)
