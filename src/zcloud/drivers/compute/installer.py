"""A domain that boots an installer, and what becomes of it when the installer has ended. Pure.

https://libvirt.org/formatdomain.html#direct-kernel-boot, and #events-configuration for ``on_reboot``.
"""

from __future__ import annotations

from dataclasses import dataclass

from zcloud.domain.attachment import SEED_SLOT, DiskBus, Drive, disk_target
from zcloud.domain.hardware import Hardware
from zcloud.drivers.compute.drives import set_disc
from zcloud.drivers.compute.hardware import set_boot
from zcloud.libvirtxml.domain import Domain


@dataclass(frozen=True, slots=True, kw_only=True)
class Installer:
    """What boots: a kernel among the host's files, or without one the CD in the owner's drive."""

    kernel: str = ""
    initrd: str = ""
    cmdline: str = ""


def boot_installer(domain: Domain, installer: Installer) -> None:
    """Let the next run boot an installer, and end where that reboots: then the disk has what was installed."""
    domain.on_reboot = "destroy"
    if installer.kernel:
        domain.os.kernel, domain.os.initrd, domain.os.cmdline = installer.kernel, installer.initrd, installer.cmdline
    else:
        set_boot(domain, "cdrom,disk")


def patch_installed(xml: str, hardware: Hardware) -> str:
    """Give the next run the disk to boot from, in place of an installer, its answers and its CD; raises InvalidXml."""
    domain = Domain.parse(xml)
    domain.on_reboot = "restart"
    del domain.os.kernel, domain.os.initrd, domain.os.cmdline
    seeds = {disk_target(SEED_SLOT, bus) for bus in (DiskBus.VIRTIO, DiskBus.SATA)}
    for disk in domain.disks:
        if disk.target in seeds:
            domain.disks.remove(disk)
        elif (disk.device, disk.target) == ("cdrom", Drive.CD.target):
            set_disc(disk, None)
    set_boot(domain, hardware.boot)
    return domain.to_xml()
