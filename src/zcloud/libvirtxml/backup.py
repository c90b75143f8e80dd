"""A libvirt backup job (https://libvirt.org/formatbackup.html), as far as disks are pushed somewhere."""

from __future__ import annotations

from zcloud.libvirtxml.fields import Text, YesNo
from zcloud.libvirtxml.mapping import Children, Node


class BackupDisk(Node):
    """A disk by its target's name, and the file or device that it is copied into."""

    TAG = "disk"
    name = Text("./@name")
    backup = YesNo("./@backup")
    type = Text("./@type")
    target = Text("./target/@file")
    device = Text("./target/@dev")
    format = Text("./driver/@type")


class Backup(Node):
    """The job."""

    TAG = "domainbackup"
    mode = Text("./@mode")
    disks = Children("./disks/disk", BackupDisk)
