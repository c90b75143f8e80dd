"""A libvirt snapshot (https://libvirt.org/formatsnapshot.html), as far as it is one of the memory."""

from __future__ import annotations

from zcloud.libvirtxml.fields import Text
from zcloud.libvirtxml.mapping import Children, Node


class SnapshotDisk(Node):
    """A disk by its target's name."""

    TAG = "disk"
    name = Text("./@name")
    snapshot = Text("./@snapshot")


class DomainSnapshot(Node):
    """The snapshot."""

    TAG = "domainsnapshot"
    memory = Text("./memory/@snapshot")
    memory_file = Text("./memory/@file")
    disks = Children("./disks/disk", SnapshotDisk)
