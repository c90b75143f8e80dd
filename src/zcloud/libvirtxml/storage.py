"""A libvirt storage pool, read for the inventory (https://libvirt.org/formatstorage.html)."""

from __future__ import annotations

from zcloud.libvirtxml.fields import Bytes, Text
from zcloud.libvirtxml.mapping import Node, Required


class StoragePool(Node):
    """A pool; sizes in bytes."""

    TAG = "pool"
    type = Required(Text("./@type"))
    name = Required(Text("./name"))
    uuid = Text("./uuid")
    capacity = Bytes("./capacity", unit="bytes", absent="bytes")
    allocation = Bytes("./allocation", unit="bytes", absent="bytes")
    available = Bytes("./available", unit="bytes", absent="bytes")
    source_host = Text("./source/host/@name")
    source_dir = Text("./source/dir/@path")
    source_name = Text("./source/name")
    path = Text("./target/path")
