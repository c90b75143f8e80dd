"""From what an owner chose of the hardware to a domain's XML, at birth and later: what did not change is not touched.

The design (``design.py``) makes a domain with the table's defaults; everything else is a change of it, made here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from zcloud.domain.cpuset import format_cpuset, parse_cpuset, parse_pins
from zcloud.domain.hardware import CPU_MODES, PAGES_MIB, Hardware, parse_boot, parse_topology
from zcloud.domain.host import Accel
from zcloud.domain.size import Size, modules
from zcloud.libvirtxml.disk import Disk
from zcloud.libvirtxml.domain import Domain
from zcloud.libvirtxml.nic import Interface

MEMORY_SLOTS = 16
"""Places for memory modules in a guest whose memory can grow: how often it can."""

SPINLOCK_RETRIES = 8191
_RATE_PERIOD_MS = 1000
_HYPERV = ("relaxed", "vapic", "spinlocks")
_HYPERV_OF_KVM = ("vpindex", "runtime", "synic", "stimer", "reset", "frequencies", "tlbflush", "ipi")


@dataclass(frozen=True, slots=True)
class Frame:
    """What the choices are fitted into: the size, and what runs the CPU on the host."""

    size: Size
    accel: Accel


def set_hardware(domain: Domain, old: Hardware, new: Hardware, frame: Frame) -> None:
    """Change a domain that has the hardware ``old`` to ``new``; raises InvalidInput for what cannot be read."""
    for names, change in _CHANGES.items():
        if any(getattr(old, name) != getattr(new, name) for name in names):
            change(domain, new, frame)


def domain_type(accel: Accel) -> str:
    """Give libvirt's word for what runs the CPU; a host without a probe's word gets what works anywhere."""
    return "kvm" if accel is Accel.KVM else "qemu"


def set_cpu(domain: Domain, accel: Accel, cpu: str) -> None:
    """Choose the CPU; ``auto`` is the host's model under KVM, and all that QEMU can emulate otherwise.

    Model and features that libvirt or others filled in for another choice go; topology and guest NUMA stay.
    """
    mode = cpu_mode(accel, cpu)
    del domain.cpu.model_fallback, domain.cpu.model, domain.cpu.vendor, domain.cpu.match
    del domain.cpu.check, domain.cpu.migratable
    for feature in domain.cpu.features:
        domain.cpu.features.remove(feature)
    domain.type, domain.cpu.mode = domain_type(accel), mode
    if mode == "custom":
        domain.cpu.match, domain.cpu.check = "exact", "partial"
        domain.cpu.model, domain.cpu.model_fallback = cpu, "forbid"
    elif mode != "host-model":
        domain.cpu.check, domain.cpu.migratable = "none", "on"


def cpu_mode(accel: Accel, cpu: str) -> str:
    """Give libvirt's mode of a choice (https://libvirt.org/formatdomain.html#cpu-model-and-topology)."""
    if cpu == "auto":
        return "host-model" if accel is Accel.KVM else "maximum"
    return cpu if cpu in CPU_MODES else "custom"


def set_size(domain: Domain, size: Size, hardware: Hardware) -> None:
    """Give the domain its vCPUs and memory, how the guest sees them, and the room to grow while it runs."""
    domain.memory = domain.current_memory = size.memory_mib << 20
    domain.vcpus = size.max_vcpus
    domain.vcpu_placement = "static"
    domain.current_vcpus = size.vcpus if size.vcpus != size.max_vcpus else None
    domain.cpu.sockets, domain.cpu.cores, domain.cpu.threads = parse_topology(hardware.cpu_topology, size)
    del domain.max_memory, domain.memory_slots
    room = modules(size.memory_mib, size.max_memory_mib)
    if room:
        domain.max_memory, domain.memory_slots = (size.memory_mib + room) << 20, MEMORY_SLOTS
    _set_cells(domain, size, hardware.numa_cells or int(room > 0))  # memory modules have a place only in a cell


def _set_cells(domain: Domain, size: Size, count: int) -> None:
    for cell in domain.cpu.numa_cells:
        domain.cpu.numa_cells.remove(cell)
    for number in range(count):
        cell, share = domain.cpu.numa_cells.add(), size.max_vcpus // count
        cell.id, cell.cpus = number, format_cpuset(range(number * share, (number + 1) * share))
        cell.memory, cell.unit = (size.memory_mib << 10) // count, "KiB"
    if not count and (numa := domain.ensure().find("cpu/numa")) is not None and len(numa) == 0:
        numa.getparent().remove(numa)  # type: ignore[union-attr]


def _size(domain: Domain, new: Hardware, frame: Frame) -> None:
    set_size(domain, frame.size, new)


def _cpu(domain: Domain, new: Hardware, frame: Frame) -> None:
    set_cpu(domain, frame.accel, new.cpu)


def _pins(domain: Domain, new: Hardware, frame: Frame) -> None:
    tune = domain.cpu_tune
    for pin in tune.vcpu_pins:
        tune.vcpu_pins.remove(pin)
    for vcpu, cpus in sorted(parse_pins(new.cpu_pin, frame.size.max_vcpus, "cpu_pin").items()):
        pin = tune.vcpu_pins.add()
        pin.vcpu, pin.cpuset = vcpu, format_cpuset(cpus)
    tune.emulator_cpuset = format_cpuset(parse_cpuset(new.emulator_pin, "emulator_pin")) if new.emulator_pin else None
    tune.prune()


def _memory(domain: Domain, new: Hardware, _frame: Frame) -> None:
    nodes = format_cpuset(parse_cpuset(new.memory_nodes, "memory_nodes")) if new.memory_nodes else None
    domain.numa_tune.mode, domain.numa_tune.nodeset = "strict" if nodes else None, nodes
    backing = domain.memory_backing
    for page in backing.huge_pages:
        backing.huge_pages.remove(page)
    domain.huge_pages = False
    if new.huge_pages in PAGES_MIB:
        page = backing.huge_pages.add()
        page.size, page.unit = PAGES_MIB[new.huge_pages] << 10, "KiB"


def _tpm(domain: Domain, new: Hardware, _frame: Frame) -> None:
    for tpm in domain.tpms:
        domain.tpms.remove(tpm)
    if new.tpm != "off":
        tpm = domain.tpms.add()
        tpm.model, tpm.backend, tpm.version = "tpm-crb", "emulator", new.tpm


def _boot(domain: Domain, new: Hardware, _frame: Frame) -> None:
    set_boot(domain, new.boot)


def set_boot(domain: Domain, order: str) -> None:
    """Each device has its own place in the order: the root disk, the first network card, every CD-ROM."""
    bootable: list[Disk | Interface] = [*domain.disks, *domain.interfaces]
    for device in bootable:
        device.boot_order = None
    kinds: dict[str, Sequence[Disk | Interface]] = {
        "disk": [each for each in domain.disks if each.device in ("disk", None)][:1],
        "network": list(domain.interfaces)[:1],
        "cdrom": [each for each in domain.disks if each.device == "cdrom"],
    }
    for place, device in enumerate((each for kind in parse_boot(order) for each in kinds[kind]), start=1):
        device.boot_order = place
    for nic in domain.interfaces:
        nic.rom = None if nic.boot_order else False  # without a boot ROM the firmware is through sooner


def _screen(domain: Domain, new: Hardware, _frame: Frame) -> None:
    if new.screen == "none":
        _remove_screen(domain)
        return
    if not any(each.type == new.screen for each in domain.graphics):
        _remove_screen(domain)
        add_screen(domain, new.screen)
    for video in list(domain.videos)[:1]:
        if video.model != new.video:
            domain.videos.remove(video)  # its memory and place were another card's
            domain.videos.add().model = new.video


def _remove_screen(domain: Domain) -> None:
    for screen in domain.graphics:
        domain.graphics.remove(screen)
    for video in domain.videos:
        domain.videos.remove(video)
    for pointer in domain.inputs:
        if pointer.type == "tablet":
            domain.inputs.remove(pointer)
    for channel in domain.channels:
        if channel.type == "spicevmc":
            domain.channels.remove(channel)


def add_screen(domain: Domain, kind: str = "vnc") -> None:
    """VNC or SPICE on a Unix socket, never on TCP.

    Each run has a socket of its own: libvirt puts it into the run's private directory, which only root and QEMU's
    user may enter, tells its path in the live XML, and removes it
    (https://libvirt.org/formatdomain.html#graphical-framebuffers).
    """
    tablet = domain.inputs.add()
    tablet.type, tablet.bus = "tablet", "usb"
    screen = domain.graphics.add()
    screen.type = kind
    screen.listens.add().type = "socket"
    if kind == "spice":  # clipboard and resolution, by spice-vdagent in the guest
        channel = domain.channels.add()
        channel.type, channel.target_type, channel.target_name = "spicevmc", "virtio", "com.redhat.spice.0"
    domain.videos.add().model = "virtio"


def _watchdog(domain: Domain, new: Hardware, _frame: Frame) -> None:
    for watchdog in domain.watchdogs:
        domain.watchdogs.remove(watchdog)
    if new.watchdog != "off":
        watchdog = domain.watchdogs.add()
        watchdog.model, watchdog.action = new.watchdog, new.watchdog_action


def _rng(domain: Domain, new: Hardware, _frame: Frame) -> None:
    for rng in list(domain.rngs)[1:] if new.rng else domain.rngs:
        domain.rngs.remove(rng)
    if not new.rng:
        return
    if not domain.rngs:
        add_rng(domain)
    rng = domain.rngs[0]
    rng.rate, rng.period = (new.rng_rate, _RATE_PERIOD_MS) if new.rng_rate else (None, None)


def add_rng(domain: Domain) -> None:
    """Randomness of the host's kernel, which never runs out."""
    rng = domain.rngs.add()
    rng.model, rng.backend, rng.source = "virtio", "random", "/dev/urandom"


def _clock(domain: Domain, new: Hardware, _frame: Frame) -> None:
    domain.clock.offset = new.clock


def _hyperv(domain: Domain, new: Hardware, frame: Frame) -> None:
    set_hyperv(domain, frame.accel, wanted=new.hyperv)


def set_hyperv(domain: Domain, accel: Accel, *, wanted: bool) -> None:
    """Give or take what Windows looks for (https://libvirt.org/formatdomain.html#hypervisor-features).

    All but what only some CPUs have; most of it KVM does, and QEMU does not start with it otherwise.
    """
    hyperv = domain.hyperv
    hyperv.mode = "custom" if wanted else None
    for name in _HYPERV:
        setattr(hyperv, name, True if wanted else None)
    for name in _HYPERV_OF_KVM:
        setattr(hyperv, name, True if wanted and accel is Accel.KVM else None)
    hyperv.spinlock_retries = SPINLOCK_RETRIES if wanted else None
    for timer in domain.clock.timers:
        if timer.name == "hypervclock":
            domain.clock.timers.remove(timer)
    if wanted:
        timer = domain.clock.timers.add()
        timer.name, timer.present = "hypervclock", True


def _nics(domain: Domain, new: Hardware, _frame: Frame) -> None:
    for nic in domain.interfaces:
        nic.model = new.nic_model


_CHANGES: dict[tuple[str, ...], Callable[[Domain, Hardware, Frame], None]] = {
    ("cpu",): _cpu,
    ("cpu_topology", "numa_cells"): _size,
    ("cpu_pin", "emulator_pin"): _pins,
    ("memory_nodes", "huge_pages"): _memory,
    ("tpm",): _tpm,
    ("boot",): _boot,
    ("screen", "video"): _screen,
    ("watchdog", "watchdog_action"): _watchdog,
    ("rng", "rng_rate"): _rng,
    ("clock",): _clock,
    ("hyperv",): _hyperv,
    ("nic_model",): _nics,
}
"""Which choices are written by whom; ``os`` only sets defaults, ``secure_boot`` is ``patch_loader``'s."""
