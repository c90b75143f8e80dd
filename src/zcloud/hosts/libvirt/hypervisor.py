"""``ports.Hypervisor`` over libvirt."""

from __future__ import annotations

import threading

from zcloud.hosts.libvirt.connection import Connection
from zcloud.hosts.libvirt.copying import Copying
from zcloud.hosts.libvirt.devices import Devices
from zcloud.hosts.libvirt.facts import Facts
from zcloud.hosts.libvirt.hardware import Hardware
from zcloud.hosts.libvirt.memory import Memory
from zcloud.hosts.libvirt.mirroring import Mirroring
from zcloud.hosts.libvirt.networks import Networks
from zcloud.hosts.libvirt.power import Power
from zcloud.hosts.libvirt.screen import Reach, Screen
from zcloud.hosts.libvirt.secrets import Secrets
from zcloud.hosts.libvirt.snapshots import Snapshots


class LibvirtHypervisor(
    Facts, Power, Devices, Copying, Mirroring, Snapshots, Memory, Hardware, Screen, Networks, Secrets
):
    """libvirt on one host: ``watch`` for looking and events, ``jobs`` for changing (they may be the same).

    ``reach`` leads to the Unix sockets of a host that is another machine.
    """

    def __init__(self, watch: Connection, jobs: Connection, reach: Reach | None = None) -> None:
        self._watch, self._jobs, self._reach = watch, jobs, reach
        self._agents = threading.BoundedSemaphore(1)
