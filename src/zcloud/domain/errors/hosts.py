"""What goes wrong on hosts, and between them and us."""

from __future__ import annotations

from zcloud.domain.errors.base import Failed, Kind, Refused


class HostUnreachable(Failed):
    """The host does not answer; the operation waits (*blocked*) until it is back or fenced."""

    code = "host_unreachable"
    kind = Kind.UNAVAILABLE
    default_left = "What was done so far is kept; the operation goes on when the host is back."


class HostForgotten(Failed):
    """The host was lost for good and an admin had it forgotten; whatever worked on something there has ended."""

    code = "host_forgotten"
    kind = Kind.CONFLICT
    default_left = "What it had done on the host is not zcloud's any more."
    default_hint = "Ask for it again on another host where it is still wanted."


class HostKeyUnknown(Refused):
    """The host's SSH key has not been approved."""

    code = "host_key_unknown"
    kind = Kind.CONFLICT
    default_hint = "Compare the fingerprint with the host's own and add the host with it."


class HostKeyChanged(Refused):
    """The host shows another SSH key than the approved one."""

    code = "host_key_changed"
    kind = Kind.CONFLICT
    default_hint = "If the host was reinstalled, approve its new key; otherwise somebody is in between."


class CommandFailed(Failed):
    """A command on a host ended with an error."""

    code = "command_failed"
    kind = Kind.UNAVAILABLE


class CommandForbidden(Refused):
    """A command is not in the closed list of what zcloud may run on a host."""

    code = "command_forbidden"


class HypervisorFailed(Failed):
    """libvirt refused or failed; its own words are in the message."""

    code = "hypervisor_failed"
    kind = Kind.UNAVAILABLE


class GuestSilent(Failed):
    """The guest agent does not answer."""

    code = "guest_silent"
    kind = Kind.UNAVAILABLE


class GuestRefused(Failed):
    """The guest did not give up what it was asked for, or did not take what it was given."""

    code = "guest_refused"
    kind = Kind.CONFLICT


class InstallFailed(Failed):
    """An installer did not begin, or did not come to its own end."""

    code = "install_failed"
    kind = Kind.CONFLICT


class StorageFailed(Failed):
    """A volume or base image could not be made, read or removed."""

    code = "storage_failed"
    kind = Kind.UNAVAILABLE


class PoolUnusable(Refused):
    """A pool's place on its host cannot be used as it is (permissions, a foreign directory, the file system)."""

    code = "pool_unusable"
    kind = Kind.CONFLICT


class PoolCannot(Refused):
    """A kind of pool does not have what was asked of it."""

    code = "pool_cannot"
    kind = Kind.CONFLICT


class NetworkUnusable(Refused):
    """A network cannot be used on its host as it is (no such bridge, a subnet that is in use, no forwarding)."""

    code = "network_unusable"
    kind = Kind.CONFLICT


class NotWholeDisk(Refused):
    """A partition, a volume or an array was named where a whole disk is needed."""

    code = "not_whole_disk"
    kind = Kind.CONFLICT


class SystemDisk(Refused):
    """The host's own system is on the disk."""

    code = "system_disk"
    kind = Kind.CONFLICT
    default_hint = "Name another disk: this one is never touched."


class DiskInUse(Refused):
    """A disk of a host is mounted, is swap, or belongs to LVM, RAID, a guest or something else; `uses` names them."""

    code = "disk_in_use"
    kind = Kind.CONFLICT
    default_hint = "Take it out of use on the host first (umount, swapoff, vgremove and pvremove, mdadm --stop, ...)."


class DiskNotEmpty(Refused):
    """A disk of a host has a partition table, a file system or another signature."""

    code = "disk_not_empty"
    kind = Kind.CONFLICT
    default_hint = "Look at what is on it. If that may be lost, say so with `--erase`."


class DiskChanged(Refused):
    """A disk of a host is not, or not with what was on it, what the plan was made for."""

    code = "disk_changed"
    kind = Kind.CONFLICT
    default_hint = "Look at the plan again."


class MountPointTaken(Refused):
    """A directory is not empty, something is mounted there, or fstab has a line for it."""

    code = "mount_point_taken"
    kind = Kind.CONFLICT
    default_hint = "Choose another place."
