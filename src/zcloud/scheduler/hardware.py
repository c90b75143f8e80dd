"""Whether a host has what an instance's hardware takes: each check gives its reason and what would do. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from zcloud.domain.cpuset import format_cpuset, parse_cpuset, parse_pins
from zcloud.domain.hardware import CPU_MODES, PAGES_MIB, Hardware
from zcloud.domain.size import MAX_VCPUS
from zcloud.scheduler.model import Demand, HostView, Refusal

_ITCO_SINCE = (9, 1)
_REFRESH = "Run `zcloud host refresh` if it has it by now."
Check = Callable[[HostView, Demand, Hardware], Iterator[tuple[str, str]]]


def fits_hardware(host: HostView, demand: Demand) -> Refusal | None:
    """Refuse hosts that lack something of the hardware asked for."""
    if demand.hardware is None:
        return None
    for check in _CHECKS:
        for reason, nearest in check(host, demand, demand.hardware):
            return Refusal(host.name, "hardware", reason, nearest)
    return None


def _cpu(host: HostView, _demand: Demand, wanted: Hardware) -> Iterator[tuple[str, str]]:
    if wanted.cpu == "auto":
        return
    accel = "kvm" if host.accel == "kvm" else "tcg"
    modes = host.inventory.get("cpu_modes", {}).get(accel, ())
    models = host.inventory.get("cpu_models", {}).get(accel, ())
    if wanted.cpu in modes or (wanted.cpu not in CPU_MODES and wanted.cpu in models):
        return
    how = "under KVM" if accel == "kvm" else "without KVM"
    can = [mode for mode in CPU_MODES if mode in modes]
    yield (
        f"It cannot give a guest the CPU {wanted.cpu} {how}.",
        f"It can: auto, {', '.join([*can, *list(models)[:5]])}.",
    )


def _secure_boot(host: HostView, _demand: Demand, wanted: Hardware) -> Iterator[tuple[str, str]]:
    if wanted.secure_boot and not host.inventory.get("uefi_secure"):
        yield "It has no UEFI firmware with Secure Boot.", f"Install the package ovmf (edk2-ovmf). {_REFRESH}"


def _tpm(host: HostView, _demand: Demand, wanted: Hardware) -> Iterator[tuple[str, str]]:
    if wanted.tpm != "off" and not host.inventory.get("tpm"):
        yield "It cannot emulate a TPM.", f"Install the packages swtpm and swtpm-tools. {_REFRESH}"


def _pins(host: HostView, _demand: Demand, wanted: Hardware) -> Iterator[tuple[str, str]]:
    nodes = host.inventory.get("numa", ())
    cpus = {cpu for node in nodes for cpu in node["cpus"]} or set(range(int(host.inventory.get("cpus", 0))))
    asked = set().union(*parse_pins(wanted.cpu_pin, MAX_VCPUS, "cpu_pin").values())
    if wanted.emulator_pin:
        asked |= parse_cpuset(wanted.emulator_pin, "emulator_pin")
    if asked - cpus:
        yield f"It has no CPU {format_cpuset(asked - cpus)}.", f"Its CPUs are {format_cpuset(cpus)}."
    known = {int(node["id"]) for node in nodes}
    if wanted.memory_nodes and (away := parse_cpuset(wanted.memory_nodes, "memory_nodes") - known):
        yield f"It has no NUMA node {format_cpuset(away)}.", f"Its nodes are {format_cpuset(known) or 'not known'}."


def _huge_pages(host: HostView, demand: Demand, wanted: Hardware) -> Iterator[tuple[str, str]]:
    size_mib = PAGES_MIB.get(wanted.huge_pages)
    if size_mib is None:
        return
    name = str(size_mib << 20)
    have = sum(int(node.get("pages", {}).get(name, 0)) for node in host.inventory.get("numa", ())) * size_mib
    if have < max(demand.memory_mib, 1):
        yield f"It has {have} MiB in huge pages of {wanted.huge_pages}.", f"Reserve some (vm.nr_hugepages). {_REFRESH}"


def _devices(host: HostView, _demand: Demand, wanted: Hardware) -> Iterator[tuple[str, str]]:
    videos = host.inventory.get("videos", ())
    if wanted.screen != "none" and videos and wanted.video not in videos:
        yield f"It has no video card {wanted.video}.", f"It has {', '.join(videos)}."
    screens = host.inventory.get("screens", ())
    if wanted.screen != "none" and screens and wanted.screen not in screens:
        yield f"Its QEMU was built without {wanted.screen.upper()}.", "Take another screen, or none."
    version = tuple(int(part) for part in str(host.inventory.get("libvirt", "")).split(".") if part.isdigit())
    if wanted.watchdog == "itco" and version < _ITCO_SINCE:
        yield "Its libvirt does not know the watchdog itco (9.1 does).", "Take the watchdog i6300esb."


_CHECKS: tuple[Check, ...] = (_cpu, _secure_boot, _tpm, _pins, _huge_pages, _devices)
