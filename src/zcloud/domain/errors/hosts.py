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
