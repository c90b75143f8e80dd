"""What a host can run, as plain records from libvirt's capabilities (pure: text in, records out)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from zcloud.domain.errors import InvalidXml
from zcloud.domain.host import Accel
from zcloud.libvirtxml.capabilities import Capabilities, DomainCapabilities, Guest, HostCell

HVM = "hvm"


@dataclass(frozen=True, slots=True)
class NumaCell:
    """A NUMA node of the host: memory in bytes, logical CPUs by number, free-standing huge pages by bytes."""

    id: int
    memory: int
    cpus: tuple[int, ...]
    pages: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class FirmwareImage:
    """A UEFI image; ``secure_boot`` ones need SMM, ``keys_enrolled`` ones boot only what is signed."""

    loader: str
    nvram_template: str
    secure_boot: bool
    keys_enrolled: bool


@dataclass(frozen=True, slots=True)
class HostCapabilities:
    """A host's CPU, memory layout and what its hypervisor offers to guests of the host's own architecture.

    ``machines`` maps each machine type and alias to its canonical name. ``kvm`` says that libvirt offers KVM,
    which a probe has yet to prove. ``cpu_modes`` has libvirt's CPU modes for each domain type that was asked,
    ``cpu_models`` the models that this host can run by name. ``emulates_tpm``: it can make TPMs of version 2.
    """

    host_uuid: str
    arch: str
    cpu_model: str
    cpu_vendor: str
    sockets: int
    cores: int  # of a socket, over its dies
    threads: int  # of a core
    cells: tuple[NumaCell, ...]
    emulator: str
    machines: Mapping[str, str]
    kvm: bool
    firmware: tuple[FirmwareImage, ...]
    cpu_modes: Mapping[Accel, frozenset[str]]
    cpu_models: Mapping[Accel, frozenset[str]]
    tpm_models: frozenset[str]
    emulates_tpm: bool
    videos: frozenset[str]
    screens: frozenset[str]
    iommu: bool

    @property
    def cpus(self) -> int:
        """Logical CPUs."""
        return sum(len(cell.cpus) for cell in self.cells) or self.sockets * self.cores * self.threads

    @property
    def memory(self) -> int:
        """Memory in bytes."""
        return sum(cell.memory for cell in self.cells)

    def find_firmware(self, *, secure_boot: bool = False) -> FirmwareImage | None:
        """Give the first image with, or without, secure boot; None where the host has none."""
        wanted = (image for image in self.firmware if image.secure_boot is secure_boot)
        # Enrolled keys are what makes secure boot secure, so those come first.
        return min(wanted, key=lambda image: not image.keys_enrolled, default=None)


def parse_capabilities(host_xml: str, *domain_xml: str) -> HostCapabilities:
    """Read a host's capabilities and its domain capabilities (one document per domain type asked).

    Raises InvalidXml where a document is malformed or the host runs no guests of its own architecture.
    """
    host = Capabilities.parse(host_xml)
    offers = [DomainCapabilities.parse(text) for text in domain_xml]
    guest = _own_guest(host)
    return HostCapabilities(
        host_uuid=host.uuid or "",
        arch=host.arch or "",
        cpu_model=host.cpu_model or "",
        cpu_vendor=host.cpu_vendor or "",
        sockets=_physical_sockets(host),
        cores=(host.cores or 1) * (host.dies or 1),
        threads=host.threads or 1,
        cells=tuple(_cell(cell) for cell in host.cells),
        emulator=guest.emulator or "",
        machines={each.name: each.canonical or each.name for each in guest.machines if each.name},
        kvm=any(domain.type == "kvm" for domain in guest.domains),
        firmware=_firmware(offers),
        cpu_modes={_accel(offer): _cpu_modes(offer) for offer in offers},
        cpu_models={_accel(offer): _cpu_models(offer) for offer in offers},
        emulates_tpm=any("emulator" in offer.tpm_backends and "2.0" in offer.tpm_versions for offer in offers),
        videos=frozenset(model for offer in offers for model in offer.videos),
        screens=frozenset(kind for offer in offers for kind in offer.graphics),
        tpm_models=frozenset(model for offer in offers if offer.tpm for model in offer.tpm_models),
        iommu=host.iommu or False,
    )


def _own_guest(host: Capabilities) -> Guest:
    for guest in host.guests:
        if guest.arch == host.arch and guest.os_type == HVM:
            return guest
    raise InvalidXml(
        f"The host's libvirt offers no {host.arch} guests.",
        hint="Install QEMU for the host's own architecture (qemu-system-x86, qemu-kvm).",
    )


def _physical_sockets(host: Capabilities) -> int:
    """libvirt's topology is that of one NUMA node; sockets are counted over all of them."""
    seen = {thread.socket for cell in host.cells for thread in cell.threads if thread.socket is not None}
    return len(seen) or host.sockets or 1


def _cell(cell: HostCell) -> NumaCell:
    return NumaCell(
        id=cell.id or 0,
        memory=cell.memory or 0,
        cpus=tuple(thread.id for thread in cell.threads if thread.id is not None),
        pages={(page.size or 0) << 10: page.count or 0 for page in cell.pages},
    )


def _accel(offer: DomainCapabilities) -> Accel:
    return Accel.KVM if offer.domain == "kvm" else Accel.TCG


def _cpu_modes(offer: DomainCapabilities) -> frozenset[str]:
    return frozenset(mode.name for mode in offer.cpu_modes if mode.supported and mode.name)


def _cpu_models(offer: DomainCapabilities) -> frozenset[str]:
    custom = [mode for mode in offer.cpu_modes if mode.name == "custom" and mode.supported]
    return frozenset(model.name for mode in custom for model in mode.models if model.usable and model.name)


def _firmware(offers: list[DomainCapabilities]) -> tuple[FirmwareImage, ...]:
    loaders = dict.fromkeys(path for offer in offers if offer.loader for path in offer.loaders)
    return tuple(image for image in map(parse_firmware, loaders) if image is not None)


_UEFI = re.compile(r"(?P<dir>.*/)(?P<name>[^/]*(?:CODE|code)[^/]*\.(?:fd|bin))")
_KEYS = re.compile(r"[.-]ms\b")


def parse_firmware(loader: str) -> FirmwareImage | None:
    """Tell from a raw UEFI image's name what it is; None where its variables' template cannot be told.

    libvirt lists the images and says no more, so this is the distributions' naming: ``CODE`` and ``VARS``
    belong together, ``secboot`` and ``smm`` have secure boot, ``ms`` has Microsoft's keys enrolled.
    """
    match = _UEFI.fullmatch(loader)
    if match is None:
        return None
    name = match["name"]
    enrolled = bool(_KEYS.search(name))
    template = name.replace("CODE", "VARS").replace("code", "vars").replace(".secboot", "").replace("-smm", "")
    return FirmwareImage(
        loader=loader,
        nvram_template=match["dir"] + template,
        secure_boot=enrolled or "secboot" in name or "smm" in name,
        keys_enrolled=enrolled,
    )
