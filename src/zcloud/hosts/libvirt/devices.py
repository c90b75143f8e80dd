"""The part of ``ports.Hypervisor`` that changes the devices of domains that are there: on the jobs connection."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import libvirt

from zcloud.hosts.libvirt.connection import Connection
from zcloud.hosts.libvirt.domains import find_domain
from zcloud.ports import Layer

_FLAGS = {Layer.LIVE: libvirt.VIR_DOMAIN_AFFECT_LIVE, Layer.DEFINITION: libvirt.VIR_DOMAIN_AFFECT_CONFIG}
_ASKED_ALREADY = "already in the process of unplug"  # QEMU's own words; libvirt has no code for it
_GONE = "no device found with alias"  # libvirt, src/conf/domain_conf.c: the guest let go of it since somebody looked
_SECTOR = 512


class Devices:
    """Calls that change devices. All raise NotFound where libvirt has no domain of that uuid."""

    _jobs: Connection

    def attach_device(self, uuid: str, xml: str, layer: Layer) -> None:
        """Add a device."""
        self._with(uuid, lambda domain: domain.attachDeviceFlags(xml, _FLAGS[layer]))

    def detach_device(self, uuid: str, xml: str) -> None:
        """Take a device out of the definition."""
        self._with(uuid, lambda domain: domain.detachDeviceFlags(xml, _FLAGS[Layer.DEFINITION]))

    def unplug_device(self, uuid: str, alias: str) -> None:
        """Ask the guest to let go of a device; libvirt's call by alias is the one that does not wait for it."""

        def ask(domain: libvirt.virDomain) -> None:
            try:
                domain.detachDeviceAlias(alias, _FLAGS[Layer.LIVE])
            except libvirt.libvirtError as error:
                if not any(words in str(error) for words in (_ASKED_ALREADY, _GONE)):
                    raise

        self._with(uuid, ask)

    def update_device(self, uuid: str, xml: str, layer: Layer) -> None:
        """Change a device in place."""
        self._with(uuid, lambda domain: domain.updateDeviceFlags(xml, _FLAGS[layer]))

    def resize_disk(self, uuid: str, target: str, size: int) -> None:
        """Let the running guest see a larger disk; QEMU takes whole sectors."""
        whole = -(-size // _SECTOR) * _SECTOR
        self._with(uuid, lambda domain: domain.blockResize(target, whole, libvirt.VIR_DOMAIN_BLOCK_RESIZE_BYTES))

    def limit_disk(self, uuid: str, target: str, limits: Mapping[str, int], layer: Layer) -> None:
        """Set a disk's limits."""
        self._with(uuid, lambda domain: domain.setBlockIoTune(target, dict(limits), _FLAGS[layer]))

    def _with(self, uuid: str, work: Callable[[libvirt.virDomain], object]) -> None:
        self._jobs.call(lambda raw: work(find_domain(raw, uuid)))
