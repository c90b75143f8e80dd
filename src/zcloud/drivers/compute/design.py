"""From an instance's plan to libvirt's domain XML: every decision about virtual hardware is made here.

Pure: records in, text out. A domain is designed once, when its instance is born; later changes patch the XML
that libvirt has (``patch.py``), so what libvirt filled in (addresses, aliases) and what others added stays.
"""

from __future__ import annotations

from dataclasses import dataclass

from zcloud.domain.attachment import (
    DIRECT,
    SATA_PLACES,
    SEED_SLOT,
    DiskBus,
    Drive,
    IoLimits,
    disk_target,
)
from zcloud.domain.hardware import DEFAULT, Hardware
from zcloud.domain.host import Accel
from zcloud.domain.plug import DiskFormat, DiskKind, DiskPlug, DiskSource, NicKind, NicPlug
from zcloud.domain.size import Size
from zcloud.drivers.compute.drives import add_drive, fill_source
from zcloud.drivers.compute.hardware import (
    Frame,
    add_rng,
    add_screen,
    set_cpu,
    set_hardware,
    set_size,
)
from zcloud.drivers.compute.installer import Installer, boot_installer
from zcloud.libvirtxml.device import MemoryModule
from zcloud.libvirtxml.disk import Disk
from zcloud.libvirtxml.domain import Domain
from zcloud.libvirtxml.nic import Interface

SPARE_ROOT_PORTS = 12
"""PCI Express places left for hot-plug: q35 itself has one."""

_SEED_PLACE, _DRIVERS_PLACE = (SATA_PLACES,), (SATA_PLACES + 1,)
"""The SATA controller's places for these CD-ROMs, after those of disks."""

BALLOON_PERIOD_S = 10
AGENT_CHANNEL = "org.qemu.guest_agent.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class UefiFirmware:
    """UEFI's images on the host: code, the template of its variables, and the instance's own variables."""

    loader: str
    nvram_template: str
    nvram: str
    secure_boot: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainPlan:
    """All that the design needs. Paths are absolute paths on the host.

    ``disks`` have the root in slot 0; ``drivers`` is a CD with drivers, ``cd`` one in the owner's drive. With an
    ``installer`` the domain ends where its guest reboots, instead of booting again. ``machine`` is a canonical q35
    type, such as pc-q35-7.2. ``uefi`` None boots by BIOS; ``seed`` empty means no cloud-init disk.
    """

    instance_id: str
    domain_name: str
    instance_name: str
    project: str
    incarnation: int
    title: str = ""
    description: str = ""
    size: Size
    accel: Accel
    machine: str
    hardware: Hardware = DEFAULT
    uefi: UefiFirmware | None = None
    disks: tuple[DiskPlug, ...]
    seed: str = ""
    drivers: DiskSource | None = None
    cd: DiskSource | None = None
    installer: Installer | None = None
    nics: tuple[NicPlug, ...] = ()
    console_log: str
    free_page_reporting: bool = True


def design_domain(plan: DomainPlan) -> str:
    """Give the domain's XML. Raises InvalidXml if a text holds characters that XML does not allow."""
    domain = Domain.create()
    _identify(domain, plan)
    set_size(domain, plan.size, plan.hardware)
    _boot(domain, plan)
    set_cpu(domain, plan.accel, plan.hardware.cpu)
    _run(domain)
    for disk in plan.disks:
        _fill_disk(domain.disks.add(), disk)
    if plan.seed:
        seed = DiskSource(volume_id="seed", path=plan.seed, format=DiskFormat.RAW, read_only=True, direct_io=False)
        if (plan.hardware.os, plan.hardware.disk_bus) == ("linux", "virtio"):
            _fill_seed(domain.disks.add(), seed)
        else:
            add_drive(domain, disk_target(SEED_SLOT, DiskBus.SATA), seed, _SEED_PLACE)
    if plan.drivers:
        add_drive(domain, Drive.DRIVERS.target, plan.drivers, _DRIVERS_PLACE)
    if plan.cd:
        add_drive(domain, Drive.CD.target, plan.cd)
    for plug in plan.nics:
        _fill_nic(domain.interfaces.add(), plug)
    _add_controllers(domain, plan)
    _add_consoles(domain, plan)
    _add_helpers(domain, plan)
    set_hardware(domain, DEFAULT, plan.hardware, Frame(plan.size, plan.accel))
    if plan.installer is not None:
        boot_installer(domain, plan.installer)
    return domain.to_xml(pretty=True)


def design_disk(plug: DiskPlug) -> str:
    """Give the XML of a disk that is attached to a domain later."""
    disk = Disk.create()
    _fill_disk(disk, plug)
    return disk.to_xml(pretty=True)


def move_disk(xml: str, plug: DiskPlug) -> str:
    """Have a domain's disk (by its serial) be where another source says; its place in the guest stays."""
    domain = Domain.parse(xml)
    for disk in domain.disks:
        if disk.serial == plug.serial:
            del disk.source
            _fill_disk(disk, plug)
    return domain.to_xml()


def design_nic(plug: NicPlug, model: str = DEFAULT.nic_model) -> str:
    """Give the XML of a NIC that is attached to a domain later."""
    nic = Interface.create()
    _fill_nic(nic, plug)
    nic.model = model
    return nic.to_xml(pretty=True)


def design_memory(mib: int) -> str:
    """Give the XML of a memory module of so many MiB."""
    module = MemoryModule.create()
    module.model, module.size, module.node = "dimm", mib << 20, 0
    return module.to_xml(pretty=True)


def _identify(domain: Domain, plan: DomainPlan) -> None:
    domain.name = plan.domain_name
    domain.uuid = plan.instance_id
    domain.title = " ".join(plan.title.split()) or None  # libvirt refuses a title of several lines
    domain.description = plan.description or None
    domain.mark.name = plan.instance_name
    domain.mark.project = plan.project
    domain.mark.incarnation = plan.incarnation


def _boot(domain: Domain, plan: DomainPlan) -> None:
    domain.os.type = "hvm"
    domain.os.arch = "x86_64"
    domain.os.machine = plan.machine
    domain.features.acpi = True
    domain.features.apic = True
    domain.features.vmport = False
    if plan.uefi is None:
        return
    domain.os.loader = plan.uefi.loader
    domain.os.loader_type = "pflash"
    domain.os.loader_readonly = True
    domain.os.nvram = plan.uefi.nvram
    domain.os.nvram_template = plan.uefi.nvram_template
    if plan.uefi.secure_boot:
        domain.os.loader_secure = True
        domain.features.smm = True  # guards the variables; secure boot is refused without it


def _run(domain: Domain) -> None:
    domain.clock.offset = "utc"
    for name, policy in (("rtc", "catchup"), ("pit", "delay")):
        timer = domain.clock.timers.add()
        timer.name, timer.tick_policy = name, policy
    hpet = domain.clock.timers.add()
    hpet.name, hpet.present = "hpet", False
    domain.on_poweroff = "destroy"
    domain.on_reboot = "restart"
    domain.on_crash = "destroy"  # the observer records the crash; what follows is its decision
    domain.power_management.suspend_to_mem = False
    domain.power_management.suspend_to_disk = False


def _fill_disk(disk: Disk, plug: DiskPlug) -> None:
    source = plug.source
    block, read_only = source.kind is DiskKind.BLOCK, source.read_only or plug.attachment.read_only
    fill_source(disk, source)
    disk.device = "disk"
    chosen = plug.attachment
    disk.cache = chosen.cache.value or ("none" if source.direct_io else "writeback")
    # Native I/O needs O_DIRECT and blocks where a file's blocks are yet to be allocated.
    direct = disk.cache in DIRECT
    disk.io = chosen.io.value or ("native" if block and direct else "threads")
    if not read_only:
        disk.error_policy = "enospace"  # a full pool pauses the guest
        disk.read_error_policy = "report"
        disk.discard = chosen.discard.value or "unmap"
        disk.detect_zeroes = "unmap" if disk.discard == "unmap" else None
    disk.target, disk.bus = plug.target, plug.attachment.bus.value
    disk.read_only = read_only
    disk.shareable = chosen.shared  # libvirt leaves owner and label of a file that others have open
    disk.serial = plug.serial
    disk.boot_order = 1 if plug.slot == 0 else None
    fill_limits(disk, plug.attachment.limits)


def fill_limits(disk: Disk, limits: IoLimits) -> None:
    """Write a disk's limits in place of those that it had; without any, none are written."""
    del disk.iotune
    for name, (rate, burst) in limits.rates().items():
        setattr(disk.iotune, name, rate or None)
        setattr(disk.iotune, f"{name}_max", burst or None)
        setattr(disk.iotune, f"{name}_max_length", (limits.burst_s or None) if burst else None)


def _fill_seed(disk: Disk, seed: DiskSource) -> None:
    """A read-only virtio disk: cloud kernels have no AHCI and would never see a CD-ROM on q35."""
    _fill_disk(disk, DiskPlug(source=seed, slot=SEED_SLOT))
    disk.snapshot = "no"


def _fill_nic(nic: Interface, plug: NicPlug) -> None:
    bridge = plug.kind is NicKind.BRIDGE
    nic.type = plug.kind.value
    nic.mac = plug.mac
    nic.source_bridge = plug.source if bridge else None
    nic.source_network = None if bridge else plug.source
    nic.tap = plug.tap
    nic.model = "virtio"
    nic.isolated = True if plug.isolated else None
    nic.mtu = plug.mtu
    nic.link = None if plug.link_up else "down"
    nic.boot_order = plug.boot_order
    if plug.boot_order is None:
        nic.rom = False  # without a boot ROM the firmware is through sooner


def _add_controllers(domain: Domain, plan: DomainPlan) -> None:
    """One PCI Express root port per device and the spare ones; libvirt gives them their places."""
    helpers = 4  # USB, virtio-serial, balloon, RNG
    used = len(plan.disks) + bool(plan.seed) + len(plan.nics) + helpers
    for index in range(used + SPARE_ROOT_PORTS):
        port = domain.controllers.add()
        port.type, port.index, port.model = "pci", index + 1, "pcie-root-port"
    usb = domain.controllers.add()
    usb.type, usb.model = "usb", "qemu-xhci"
    serial = domain.controllers.add()
    serial.type = "virtio-serial"


def _add_consoles(domain: Domain, plan: DomainPlan) -> None:
    serial = domain.serials.add()
    serial.type = "pty"
    serial.log, serial.log_append = plan.console_log, True
    agent = domain.channels.add()
    agent.type, agent.target_type, agent.target_name = "unix", "virtio", AGENT_CHANNEL
    add_screen(domain)


def _add_helpers(domain: Domain, plan: DomainPlan) -> None:
    domain.balloon.model = "virtio"
    domain.balloon.free_page_reporting = True if plan.free_page_reporting else None
    domain.balloon.stats_period = BALLOON_PERIOD_S
    add_rng(domain)
    domain.panics.add().model = "isa"
