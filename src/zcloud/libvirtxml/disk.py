"""A domain's disks (https://libvirt.org/formatdomain.html#hard-drives-floppy-disks-cdroms)."""

from __future__ import annotations

from zcloud.libvirtxml.fields import Flag, Hex, Int, OnOff, Text
from zcloud.libvirtxml.mapping import Children, Group, Node


class Address(Node):
    """Where a device sits in the guest: a PCI place, or a controller's port."""

    TAG = "address"
    type = Text("./@type")
    domain = Hex("./@domain", digits=4)
    bus = Hex("./@bus", digits=2)
    slot = Hex("./@slot", digits=2)
    function = Hex("./@function")
    multifunction = OnOff("./@multifunction")
    controller = Int("./@controller")
    target = Int("./@target")
    unit = Int("./@unit")
    port = Text("./@port")


class SourceHost(Node):
    TAG = "host"
    name = Text("./@name")
    port = Int("./@port")
    transport = Text("./@transport")
    socket = Text("./@socket")


class IoTune(Node):
    """Limits of a disk: bytes and operations a second, and for how many seconds a burst may last."""

    TAG = "iotune"
    total_bytes = Int("./total_bytes_sec")
    read_bytes = Int("./read_bytes_sec")
    write_bytes = Int("./write_bytes_sec")
    total_iops = Int("./total_iops_sec")
    read_iops = Int("./read_iops_sec")
    write_iops = Int("./write_iops_sec")
    total_bytes_max = Int("./total_bytes_sec_max")
    read_bytes_max = Int("./read_bytes_sec_max")
    write_bytes_max = Int("./write_bytes_sec_max")
    total_iops_max = Int("./total_iops_sec_max")
    read_iops_max = Int("./read_iops_sec_max")
    write_iops_max = Int("./write_iops_sec_max")
    group = Text("./group_name")
    total_bytes_max_length = Int("./total_bytes_sec_max_length")
    read_bytes_max_length = Int("./read_bytes_sec_max_length")
    write_bytes_max_length = Int("./write_bytes_sec_max_length")
    total_iops_max_length = Int("./total_iops_sec_max_length")
    read_iops_max_length = Int("./read_iops_sec_max_length")
    write_iops_max_length = Int("./write_iops_sec_max_length")


class DiskOrigin(Node):
    """Where a disk's bytes are: a file, a device, or an image on the network."""

    TAG = "source"
    file = Text("./@file")
    dev = Text("./@dev")
    dir = Text("./@dir")
    pool = Text("./@pool")
    volume = Text("./@volume")
    protocol = Text("./@protocol")
    name = Text("./@name")
    startup_policy = Text("./@startupPolicy")
    index = Int("./@index")
    hosts = Children("./host", SourceHost)
    snapshot = Text("./snapshot/@name")
    config = Text("./config/@file")
    auth_user = Text("./auth/@username")
    auth_secret_type = Text("./auth/secret/@type")
    auth_secret_uuid = Text("./auth/secret/@uuid")
    initiator_iqn = Text("./initiator/iqn/@name")
    slice_type = Text("./slices/slice/@type")
    slice_offset = Int("./slices/slice/@offset")
    slice_size = Int("./slices/slice/@size")
    encryption_format = Text("./encryption/@format")
    encryption_secret_uuid = Text("./encryption/secret/@uuid")


class BackingStore(Node):
    """The next image of a chain, as libvirt reports it for a running domain."""

    TAG = "backingStore"
    type = Text("./@type")
    format = Text("./format/@type")
    source = Group("./source", DiskOrigin)


class Disk(Node):
    TAG = "disk"
    type = Text("./@type")
    device = Text("./@device")
    snapshot = Text("./@snapshot")
    driver = Text("./driver/@name")
    format = Text("./driver/@type")
    cache = Text("./driver/@cache")
    error_policy = Text("./driver/@error_policy")
    read_error_policy = Text("./driver/@rerror_policy")
    io = Text("./driver/@io")
    iothread = Int("./driver/@iothread")
    queues = Int("./driver/@queues")
    discard = Text("./driver/@discard")
    detect_zeroes = Text("./driver/@detect_zeroes")
    auth_user = Text("./auth/@username")
    auth_secret_type = Text("./auth/secret/@type")
    auth_secret_uuid = Text("./auth/secret/@uuid")
    source = Group("./source", DiskOrigin)
    backing = Group("./backingStore", BackingStore)
    mirror_ready = Text("./mirror/@ready")
    target = Text("./target/@dev")
    bus = Text("./target/@bus")
    rotation_rate = Int("./target/@rotation_rate")
    tray = Text("./target/@tray")
    iotune = Group("./iotune", IoTune)
    read_only = Flag("./readonly")
    shareable = Flag("./shareable")
    serial = Text("./serial")
    wwn = Text("./wwn")
    boot_order = Int("./boot/@order")
    alias = Text("./alias/@name")
    address = Group("./address", Address)
