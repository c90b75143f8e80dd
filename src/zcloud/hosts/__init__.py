"""How hosts are reached: the only place where processes start and libvirt is imported."""

from zcloud.hosts.address import HostAddress
from zcloud.hosts.pool import HostPool
from zcloud.hosts.session import Health
from zcloud.hosts.ssh import ScannedKey, scan_host_key

__all__ = ["Health", "HostAddress", "HostPool", "ScannedKey", "scan_host_key"]
