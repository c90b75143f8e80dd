"""Changes to a domain's XML after its birth: each touches what it names and nothing else.

They take libvirt's inactive XML and give the XML to define; where nothing has to change, the text itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from lxml import etree

from zcloud.domain.hardware import Hardware
from zcloud.domain.host import Accel
from zcloud.domain.size import Size
from zcloud.drivers.compute.hardware import Frame, cpu_mode, domain_type, set_cpu, set_hardware, set_hyperv, set_size
from zcloud.libvirtxml.domain import Domain
from zcloud.libvirtxml.parser import parse_xml


def patch_accel(xml: str, accel: Accel, cpu: str = "auto") -> str:
    """Fit a domain to what runs CPUs on its host now; done at every cold start.

    A domain that runs as it is stays as it is; otherwise it gets the CPU that was chosen (``Hardware.cpu``).
    """
    domain = Domain.parse(xml)
    wrong = domain.cpu.mode != cpu_mode(accel, cpu) if cpu != "auto" else False
    refused = accel is not Accel.KVM and domain.cpu.mode == "host-passthrough"
    if domain.type == domain_type(accel) and not refused and not wrong:
        return xml
    if accel is not Accel.KVM:
        del domain.features.ioapic  # libvirt refuses KVM's own without KVM
    set_cpu(domain, accel, cpu)
    if domain.hyperv.relaxed:
        set_hyperv(domain, accel, wanted=True)
    return domain.to_xml()


def patch_size(xml: str, size: Size, hardware: Hardware) -> str:
    """Give the next run its size; memory modules that were plugged into a definition by hand are part of it then."""
    domain = Domain.parse(xml)
    for module in domain.memory_modules:
        if module.model == "dimm":
            domain.memory_modules.remove(module)
    set_size(domain, size, hardware)
    return domain.to_xml()


def patch_hardware(xml: str, old: Hardware, new: Hardware, frame: Frame) -> str:
    """Give the next run other hardware; what did not change between the two stays as it is."""
    domain = Domain.parse(xml)
    set_hardware(domain, old, new, frame)
    return domain.to_xml()


def patch_loader(xml: str, loader: str, *, secure_boot: bool) -> str:
    """Give the next run another UEFI image; the variables are the instance's own and stay where they are."""
    domain = Domain.parse(xml)
    domain.os.loader = loader
    domain.os.loader_secure = True if secure_boot else None
    domain.features.smm = True if secure_boot else None  # guards the variables; Secure Boot is refused without it
    return domain.to_xml()


def patch_paths(xml: str, paths: Mapping[str, str]) -> str:
    """Have the seed and the UEFI variables be at other paths, new by old."""
    domain = Domain.parse(xml)
    domain.os.nvram = paths.get(domain.os.nvram or "", domain.os.nvram)
    for each in domain.disks:
        each.source.file = paths.get(each.source.file or "", each.source.file)
    return domain.to_xml()


def patch_machine(xml: str, machine: str) -> str:
    """Give the next run another machine type of the same family."""
    domain = Domain.parse(xml)
    domain.os.machine = machine
    return domain.to_xml()


def patch_incarnation(xml: str, incarnation: int) -> str:
    """Write which run of the instance the next start is."""
    domain = Domain.parse(xml)
    if domain.mark.incarnation == incarnation:
        return xml
    domain.mark.incarnation = incarnation
    return domain.to_xml()


def definition_digest(xml: str) -> str:
    """Give what a definition is recognised by: changed by anybody, it has another.

    The order of the devices does not count: libvirt moves controllers about when it starts a domain or reads its
    definition from disk. Raises InvalidXml.
    """
    root = parse_xml(xml)
    texts = sorted(_canonical(device) for device in root.findall("devices/*"))
    for devices in root.findall("devices"):
        root.remove(devices)
    return hashlib.sha256("\n".join([_canonical(root), *texts]).encode()).hexdigest()


def _canonical(element: etree._Element) -> str:
    options: dict[str, Any] = {"method": "c14n2", "with_comments": False, "strip_text": True}  # the types know it not
    return str(etree.tostring(element, with_tail=False, **options), "utf-8")
