"""What drivers hand to the compute driver: plain records of how a disk or a NIC is plugged in.

They state facts about the host; how the guest sees the device is decided in ``drivers/compute/design``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from zcloud.domain.attachment import PLAIN, SERIAL_LENGTH, Attachment, disk_target


class DiskKind(StrEnum):
    """What a disk's path is: a file or a device of the host, or a name on a server that QEMU itself talks to."""

    FILE = "file"
    BLOCK = "block"
    NETWORK = "network"


class DiskFormat(StrEnum):
    """How the bytes are laid out."""

    RAW = "raw"
    QCOW2 = "qcow2"


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkDisk:
    """How QEMU reaches a disk on the network (https://libvirt.org/formatdomain.html#hard-drives-floppy-disks-cdroms).

    ``hosts`` are names or addresses with their ports, none where the server is known otherwise; ``secret`` is the uuid
    of libvirt's secret of the kind ``secret_kind`` with which ``user`` signs in, empty where nobody does. ``initiator``
    is as whom an iSCSI target sees QEMU. ``size`` is how many bytes of what is there are the disk's, 0 for all.
    ``tool`` is how qemu-img names the same disk on this host, and ``key_file`` has there what it signs in with.
    """

    protocol: str
    hosts: tuple[tuple[str, int], ...]
    tool: str
    user: str = ""
    secret: str = ""
    secret_kind: str = ""
    initiator: str = ""
    size: int = 0
    key_file: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskSource:
    """Where a volume is on its host. ``direct_io`` is False where the file system has no O_DIRECT.

    ``network`` goes with a path on the network, and only with it.
    """

    volume_id: str
    path: str
    format: DiskFormat = DiskFormat.QCOW2
    kind: DiskKind = DiskKind.FILE
    read_only: bool = False
    direct_io: bool = True
    network: NetworkDisk | None = None

    @property
    def image(self) -> str:
        """Give how qemu-img names it on its host."""
        return self.network.tool if self.network else self.path


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskPlug:
    """A volume in its place in an instance: slot 0 is the root, from which it boots."""

    source: DiskSource
    slot: int
    attachment: Attachment = PLAIN

    @property
    def target(self) -> str:
        """Give the disk's name in libvirt."""
        return disk_target(self.slot, self.attachment.bus)

    @property
    def serial(self) -> str:
        """Give what the guest sees as the disk's serial."""
        return self.attachment.serial or self.source.volume_id[:SERIAL_LENGTH]


class NicKind(StrEnum):
    """What a NIC is plugged into: a Linux bridge, or a network of libvirt's."""

    BRIDGE = "bridge"
    NETWORK = "network"


@dataclass(frozen=True, slots=True, kw_only=True)
class NicPlug:
    """How a port is plugged in on its host.

    ``source`` is the bridge's or the libvirt network's name, ``tap`` the host device (chosen by zcloud, at
    most 15 bytes). ``isolated`` ports of one bridge cannot talk to each other. ``mtu`` None is the network's
    own. ``boot_order`` None never boots from the NIC; the root disk has order 1. ``link_up`` False: as if the cable
    were pulled.
    """

    port_id: str
    mac: str
    tap: str
    kind: NicKind
    source: str
    isolated: bool = False
    mtu: int | None = None
    boot_order: int | None = None
    link_up: bool = True
