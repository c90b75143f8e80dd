"""The only door to libvirt: ``ports.Hypervisor`` over two connections of one host."""

from zcloud.hosts.libvirt.connection import (
    JOBS_KEEPALIVE,
    WATCH_IN_FLIGHT,
    WATCH_KEEPALIVE,
    Connection,
    Keepalive,
    Timer,
)
from zcloud.hosts.libvirt.events import listen
from zcloud.hosts.libvirt.hypervisor import LibvirtHypervisor

__all__ = [
    "JOBS_KEEPALIVE",
    "WATCH_IN_FLIGHT",
    "WATCH_KEEPALIVE",
    "Connection",
    "Keepalive",
    "LibvirtHypervisor",
    "Timer",
    "listen",
]
