"""``ports.Hypervisor`` over libvirt."""

from __future__ import annotations

import threading

from zcloud.hosts.libvirt.connection import Connection
from zcloud.hosts.libvirt.devices import Devices
from zcloud.hosts.libvirt.facts import Facts
from zcloud.hosts.libvirt.hardware import Hardware
from zcloud.hosts.libvirt.networks import Networks
from zcloud.hosts.libvirt.power import Power
from zcloud.hosts.libvirt.screen import Screen


class LibvirtHypervisor(Facts, Power, Devices, Hardware, Screen, Networks):
    """libvirt on one host: ``watch`` for looking and events, ``jobs`` for changing (they may be the same)."""

    def __init__(self, watch: Connection, jobs: Connection) -> None:
        self._watch, self._jobs = watch, jobs
        self._agents = threading.BoundedSemaphore(1)
