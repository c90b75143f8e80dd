"""From an instance's plan to libvirt's domain XML: every decision about virtual hardware is made here.

Pure: records in, text out. A domain is designed once, when its instance is born; later changes patch the XML
that libvirt has (``patch.py``), so what libvirt filled in (addresses, aliases) and what others added stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from zcloud.domain.attachment import SEED_SLOT, IoLimits
from zcloud.domain.host import Accel
from zcloud.domain.plug import DiskFormat, DiskKind, DiskPlug, DiskSource, NicKind, NicPlug
from zcloud.domain.size import Size, modules
from zcloud.libvirtxml.device import MemoryModule
from zcloud.libvirtxml.disk import Disk
from zcloud.libvirtxml.domain import Domain
from zcloud.libvirtxml.nic import Interface

SPARE_ROOT_PORTS = 12
"""PCI Express places left for hot-plug: q35 itself has one."""

MEMORY_SLOTS = 16
"""Places for memory modules in a guest whose memory can grow: how often it can."""

BALLOON_PERIOD_S = 10
AGENT_CHANNEL = "org.qemu.guest_agent.0"


class CpuMode(StrEnum):
    """Which CPU the guest sees (https://libvirt.org/formatdomain.html#cpu-model-and-topology)."""

    HOST_MODEL = "host-model"
    HOST_PASSTHROUGH = "host-passthrough"
    MAXIMUM = "maximum"  # the only one for TCG, which refuses host-passthrough


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

    ``disks`` have the root in slot 0. ``machine`` is a canonical q35 type, such as
    pc-q35-7.2. ``cpu_mode`` counts where KVM is. ``uefi`` None boots by BIOS; without ``screen`` there is no
    graphics; ``seed`` empty means no cloud-init disk.
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
    cpu_mode: CpuMode = CpuMode.HOST_MODEL
    uefi: UefiFirmware | None = None
    disks: tuple[DiskPlug, ...]
    seed: str = ""
    nics: tuple[NicPlug, ...] = ()
    console_log: str
    screen: bool = False
    free_page_reporting: bool = True


def design_domain(plan: DomainPlan) -> str:
    """Give the domain's XML. Raises InvalidXml if a text holds characters that XML does not allow."""
    domain = Domain.create()
    _identify(domain, plan)
    set_size(domain, plan.size)
    _boot(domain, plan)
    set_cpu(domain, plan.accel, plan.cpu_mode)
    _run(domain)
    for disk in plan.disks:
        _fill_disk(domain.disks.add(), disk)
    if plan.seed:
        _fill_seed(domain.disks.add(), plan.seed)
    for plug in plan.nics:
        _fill_nic(domain.interfaces.add(), plug)
    _add_controllers(domain, plan)
    _add_consoles(domain, plan)
    _add_helpers(domain, plan)
    return domain.to_xml(pretty=True)


def design_disk(plug: DiskPlug) -> str:
    """Give the XML of a disk that is attached to a domain later."""
    disk = Disk.create()
    _fill_disk(disk, plug)
    return disk.to_xml(pretty=True)


def design_nic(plug: NicPlug) -> str:
    """Give the XML of a NIC that is attached to a domain later."""
    nic = Interface.create()
    _fill_nic(nic, plug)
    return nic.to_xml(pretty=True)


def domain_type(accel: Accel) -> str:
    """Give libvirt's word for what runs the CPU; a host without a probe's word gets what works anywhere."""
    return "kvm" if accel is Accel.KVM else "qemu"


def set_cpu(domain: Domain, accel: Accel, mode: CpuMode) -> None:
    """Choose the CPU: ``mode`` under KVM, all that QEMU can emulate otherwise."""
    chosen = mode if accel is Accel.KVM else CpuMode.MAXIMUM
    domain.type = domain_type(accel)
    domain.cpu.mode = chosen
    if chosen is CpuMode.HOST_MODEL:
        del domain.cpu.check, domain.cpu.migratable
    else:
        domain.cpu.check = "none"
        domain.cpu.migratable = "on"


def set_size(domain: Domain, size: Size) -> None:
    """Give the domain its vCPUs and memory, and the room to grow while it runs."""
    domain.memory = domain.current_memory = size.memory_mib << 20
    domain.vcpus = size.max_vcpus
    domain.vcpu_placement = "static"
    domain.current_vcpus = size.vcpus if size.vcpus != size.max_vcpus else None
    # One socket: licences count sockets, and each core can be plugged by itself.
    domain.cpu.sockets, domain.cpu.cores, domain.cpu.threads = 1, size.max_vcpus, 1
    _set_memory_room(domain, size)


def _set_memory_room(domain: Domain, size: Size) -> None:
    """Memory modules have a place only beside a guest NUMA cell; without room there is neither."""
    del domain.max_memory, domain.memory_slots
    for cell in domain.cpu.numa_cells:
        domain.cpu.numa_cells.remove(cell)
    room = modules(size.memory_mib, size.max_memory_mib)
    if not room:
        return
    domain.max_memory, domain.memory_slots = (size.memory_mib + room) << 20, MEMORY_SLOTS
    cell = domain.cpu.numa_cells.add()
    cell.id, cell.cpus = 0, f"0-{size.max_vcpus - 1}" if size.max_vcpus > 1 else "0"
    cell.memory, cell.unit = size.memory_mib << 10, "KiB"


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
    disk.type, disk.device = source.kind.value, "disk"
    disk.driver, disk.format = "qemu", source.format.value
    disk.cache = "none" if source.direct_io else "writeback"
    # Native I/O needs O_DIRECT and blocks where a file's blocks are yet to be allocated.
    disk.io = "native" if block and source.direct_io else "threads"
    if not read_only:
        disk.error_policy = "enospace"  # a full pool pauses the guest
        disk.read_error_policy = "report"
        disk.discard = disk.detect_zeroes = "unmap"
    disk.source.dev = source.path if block else None
    disk.source.file = None if block else source.path
    disk.target, disk.bus = plug.target, plug.attachment.bus.value
    disk.read_only = read_only
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


def _fill_seed(disk: Disk, path: str) -> None:
    """A read-only virtio disk: cloud kernels have no AHCI and would never see a CD-ROM on q35."""
    seed = DiskSource(volume_id="seed", path=path, format=DiskFormat.RAW, read_only=True, direct_io=False)
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
    if plan.screen:
        _add_screen(domain)


def _add_screen(domain: Domain) -> None:
    """VNC on a Unix socket, never on TCP.

    Each run has a socket of its own: libvirt puts it into the run's private directory, which only root and QEMU's
    user may enter, tells its path in the live XML, and removes it
    (https://libvirt.org/formatdomain.html#graphical-framebuffers).
    """
    tablet = domain.inputs.add()
    tablet.type, tablet.bus = "tablet", "usb"
    screen = domain.graphics.add()
    screen.type = "vnc"
    screen.listens.add().type = "socket"
    domain.videos.add().model = "virtio"


def _add_helpers(domain: Domain, plan: DomainPlan) -> None:
    domain.balloon.model = "virtio"
    domain.balloon.free_page_reporting = True if plan.free_page_reporting else None
    domain.balloon.stats_period = BALLOON_PERIOD_S
    rng = domain.rngs.add()
    rng.model, rng.backend, rng.source = "virtio", "random", "/dev/urandom"
    domain.panics.add().model = "isa"
