"""The hardware that an owner may choose for an instance: one table, from which wire, CLI and reference come.

``Hardware`` is the table: a field's default and meaning are written once, its choices too. What an owner chose is kept
by name (``Instance.options``); what is not chosen comes from the system's profile, or else from the table.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import lru_cache
from typing import Any

from zcloud.domain.cpuset import parse_cpuset, parse_pins
from zcloud.domain.driver import Option, OptionType, check_options
from zcloud.domain.errors import InvalidInput
from zcloud.domain.instance import Firmware
from zcloud.domain.size import Size

PAGES_MIB: Mapping[str, int] = {"2M": 2, "1G": 1024}
BOOT_DEVICES = ("disk", "network", "cdrom")
CPU_MODES = ("auto", "host-model", "host-passthrough", "maximum")
MAX_CELLS = 8
_CPU = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_TOPOLOGY = re.compile(r"([1-9][0-9]{0,2}):([1-9][0-9]{0,2}):([1-9][0-9]{0,2})", re.ASCII)


def _option(default: Any, doc: str, *choices: str) -> Any:
    return field(default=default, metadata={"doc": doc, "choices": choices})


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """What the guest's hardware is like; the defaults are those of a Linux guest."""

    os: str = _option(
        "linux", "The kind of guest; it changes the defaults of the others.", "linux", "windows", "windows-11"
    )
    cpu: str = _option(
        "auto",
        "The CPU that the guest sees: host-model, host-passthrough, maximum, or a model that the host knows. "
        "auto is host-model under KVM and maximum under emulation.",
    )
    cpu_topology: str = _option("", "SOCKETS:CORES:THREADS of the largest number of vCPUs; empty: one socket.")
    cpu_pin: str = _option("", "Host CPUs on which vCPUs run: 4-7 for all, or 0=4;1=5,6 for each; empty: any.")
    emulator_pin: str = _option("", "Host CPUs on which QEMU's own threads run, like 0-1; empty: any.")
    numa_cells: int = _option(0, "NUMA nodes that the guest sees, with equal shares of vCPUs and memory; 0: none.")
    memory_nodes: str = _option("", "NUMA nodes of the host from which the memory comes, like 0; empty: any.")
    huge_pages: str = _option("off", "The size of the host's huge pages that hold the memory.", "off", *PAGES_MIB)
    secure_boot: bool = _option(False, "Start signed systems only; takes UEFI, and is settled at birth.")
    tpm: str = _option("off", "A TPM of the guest's own (swtpm); its state goes with the instance.", "off", "2.0")
    boot: str = _option("disk", "From what it boots, in this order: disk, network, cdrom.")
    screen: str = _option("vnc", "How its screen is reached; none: it is headless.", "vnc", "spice", "none")
    video: str = _option("virtio", "The video card, where there is a screen.", "virtio", "vga", "bochs", "qxl")
    watchdog: str = _option("off", "A watchdog that acts when the guest hangs.", "off", "i6300esb", "itco")
    watchdog_action: str = _option(
        "reset", "What the watchdog does.", "reset", "shutdown", "poweroff", "pause", "none", "inject-nmi"
    )
    rng: bool = _option(True, "Randomness from the host (virtio-rng).")
    rng_rate: int = _option(0, "The most bytes of randomness in a second; 0: no limit.")
    clock: str = _option("utc", "What the hardware clock shows: utc, or the host's local time.", "utc", "localtime")
    hyperv: bool = _option(False, "Hyper-V's enlightenments, which Windows looks for.")
    nic_model: str = _option("virtio", "The network cards' model.", "virtio", "e1000e")
    disk_bus: str = _option("virtio", "The bus of the disks that it is born with; settled at birth.", "virtio", "sata")


DEFAULT = Hardware()

_TYPES = {bool: OptionType.BOOLEAN, int: OptionType.INTEGER}

HARDWARE: tuple[Option, ...] = tuple(
    Option(
        each.name,
        OptionType.CHOICE if each.metadata["choices"] else _TYPES.get(type(each.default), OptionType.TEXT),
        each.metadata["doc"],
        each.default,
        each.metadata["choices"],
    )
    for each in fields(Hardware)
)

PROFILES: Mapping[str, Mapping[str, Any]] = {
    "linux": {},
    "windows": {"clock": "localtime", "hyperv": True, "video": "vga"},
    "windows-11": {"clock": "localtime", "hyperv": True, "video": "vga", "tpm": "2.0", "secure_boot": True},
}
"""What the kind of guest changes of the table's defaults."""


def guess_os(os_id: str) -> str:
    """Give the kind of guest of an image's system, by osinfo's short id."""
    if not os_id.startswith("win"):
        return "linux"
    return "windows-11" if os_id in ("win11", "win2k25") else "windows"


def normal(chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Give what was chosen as values of the options' types; raises as ``settle``."""
    settled = settle(chosen)
    return {name: getattr(settled, name) for name in chosen}


def settle(chosen: Mapping[str, Any]) -> Hardware:
    """Give the hardware of what an owner chose; raises InvalidInput (unknown, or of the wrong type)."""
    if "firmware" in chosen:
        raise InvalidInput(
            "The firmware is settled at birth: a system that was installed for BIOS does not boot by UEFI, nor the "
            "other way round.",
            hint="Make another instance with --firmware.",
            field="firmware",
        )
    return _settled(tuple((name, type(value), value) for name, value in sorted(chosen.items())))


@lru_cache(1024)  # lists show it for every instance, and few differ
def _settled(chosen: tuple[tuple[str, type, Any], ...]) -> Hardware:
    given = {name: value for name, _type, value in chosen}
    kind = given.get("os", "linux")
    profile = PROFILES.get(kind, {}) if isinstance(kind, str) else {}
    return Hardware(**check_options(HARDWARE, {**profile, **given}))


def check_hardware(hardware: Hardware, size: Size, firmware: Firmware) -> None:
    """Go on only where the choices fit each other and the size; raises InvalidInput naming the field."""
    if not _CPU.fullmatch(hardware.cpu):
        raise InvalidInput("The CPU is one of the modes, or a model's name.", field="cpu")
    parse_topology(hardware.cpu_topology, size)
    parse_pins(hardware.cpu_pin, size.max_vcpus, "cpu_pin")
    for name in ("emulator_pin", "memory_nodes"):
        if getattr(hardware, name):
            parse_cpuset(getattr(hardware, name), name)
    _check_memory(hardware, size)
    parse_boot(hardware.boot)
    if hardware.rng_rate > 1 << 30:
        raise InvalidInput("The rate of randomness is out of bounds.", field="rng_rate")
    if hardware.secure_boot and firmware is not Firmware.UEFI:
        raise InvalidInput("Secure Boot takes UEFI.", hint="Launch with --firmware uefi.", field="secure_boot")


def _check_memory(hardware: Hardware, size: Size) -> None:
    cells = hardware.numa_cells
    if cells > MAX_CELLS or (cells and (size.max_vcpus % cells or size.memory_mib % cells)):
        raise InvalidInput(
            f"{size.max_vcpus} vCPUs and {size.memory_mib} MiB cannot be shared out equally to {cells} NUMA nodes "
            f"(at most {MAX_CELLS}).",
            field="numa_cells",
        )
    page = PAGES_MIB.get(hardware.huge_pages, 1)
    if size.memory_mib // max(cells, 1) % page:
        raise InvalidInput(
            f"{size.memory_mib} MiB are not a whole number of pages of {hardware.huge_pages}.", field="huge_pages"
        )


def parse_topology(text: str, size: Size) -> tuple[int, int, int]:
    """Give sockets, cores and threads; raises InvalidInput where their product is not the largest number of vCPUs."""
    if not text:
        return 1, size.max_vcpus, 1  # one socket: licences count sockets, and each core can be plugged by itself
    match = _TOPOLOGY.fullmatch(text)
    if match is None:
        raise InvalidInput(f"{text[:40]!r} is not SOCKETS:CORES:THREADS.", field="cpu_topology")
    sockets, cores, threads = (int(each) for each in match.groups())
    if sockets * cores * threads != size.max_vcpus:
        raise InvalidInput(
            f"The topology {text} has {sockets * cores * threads} vCPUs, the instance {size.max_vcpus}.",
            field="cpu_topology",
        )
    return sockets, cores, threads


def parse_boot(text: str) -> tuple[str, ...]:
    """Give the kinds of device to boot from, in their order; raises InvalidInput."""
    order = tuple(each.strip() for each in text.split(","))
    if not set(order) <= set(BOOT_DEVICES) or len(set(order)) < len(order):
        raise InvalidInput(f"The boot order is made of {', '.join(BOOT_DEVICES)}, each once.", field="boot")
    return order


def to_record(hardware: Hardware) -> dict[str, Any]:
    """Give it as plain JSON values."""
    return asdict(hardware)
