"""libvirt's errors in our words (https://libvirt.org/html/libvirt-virterror.html)."""

from __future__ import annotations

import libvirt

from zcloud.domain.errors import HostUnreachable, HypervisorFailed, ZcloudError

NO_DOMAIN = libvirt.VIR_ERR_NO_DOMAIN
NO_NETWORK = libvirt.VIR_ERR_NO_NETWORK
WRONG_STATE = libvirt.VIR_ERR_OPERATION_INVALID
UNSUPPORTED_FLAGS = libvirt.VIR_ERR_INVALID_ARG

AGENT_SILENT = frozenset(
    {
        libvirt.VIR_ERR_AGENT_UNRESPONSIVE,
        libvirt.VIR_ERR_AGENT_UNSYNCED,
        libvirt.VIR_ERR_ARGUMENT_UNSUPPORTED,  # no agent channel
        libvirt.VIR_ERR_OPERATION_TIMEOUT,
        libvirt.VIR_ERR_OPERATION_INVALID,  # not running
    }
)

GUEST_REFUSES = frozenset(
    {
        libvirt.VIR_ERR_OPERATION_FAILED,
        libvirt.VIR_ERR_OPERATION_TIMEOUT,
        libvirt.VIR_ERR_OPERATION_INVALID,
        libvirt.VIR_ERR_CONFIG_UNSUPPORTED,  # what was there at the start cannot be unplugged
        libvirt.VIR_ERR_INTERNAL_ERROR,  # what QEMU said
    }
)

_OF_THE_WIRE = frozenset({libvirt.VIR_FROM_RPC, libvirt.VIR_FROM_REMOTE})


def code_of(error: libvirt.libvirtError) -> int:
    """Give libvirt's error code, -1 where there is none."""
    code = error.get_error_code()
    return -1 if code is None else code


def translate(error: libvirt.libvirtError, *, alive: bool = True, host_id: str = "") -> ZcloudError:
    """Give our error for libvirt's: a broken connection is HostUnreachable, all else HypervisorFailed."""
    words = error.get_error_message() or str(error)
    if not alive or error.get_error_domain() in _OF_THE_WIRE:
        return HostUnreachable(f"libvirt does not answer: {words}.", host_id=host_id)
    return HypervisorFailed(f"libvirt: {words}.", libvirt_code=code_of(error))
