"""Changes to a domain's XML after its birth: each touches what it names and nothing else.

They take libvirt's inactive XML and give the XML to define; where nothing has to change, the text itself.
"""

from __future__ import annotations

import hashlib
from typing import Any

from lxml import etree

from zcloud.domain.host import Accel
from zcloud.domain.size import Size
from zcloud.drivers.compute.design import CpuMode, domain_type, set_cpu, set_size
from zcloud.libvirtxml.domain import Domain
from zcloud.libvirtxml.parser import parse_xml


def patch_accel(xml: str, accel: Accel, cpu_mode: CpuMode = CpuMode.HOST_MODEL) -> str:
    """Fit a domain to what runs CPUs on its host now; done at every cold start.

    A domain that runs as it is stays as it is. Otherwise it gets ``cpu_mode`` (KVM) or ``maximum`` (TCG), and
    loses the model and features that were chosen for the other kind; topology and guest NUMA stay.
    """
    domain = Domain.parse(xml)
    refused = accel is not Accel.KVM and domain.cpu.mode == CpuMode.HOST_PASSTHROUGH
    if domain.type == domain_type(accel) and not refused:
        return xml
    del domain.cpu.model_fallback, domain.cpu.model, domain.cpu.vendor, domain.cpu.match
    for feature in domain.cpu.features:
        domain.cpu.features.remove(feature)
    if accel is not Accel.KVM:
        del domain.features.ioapic  # libvirt refuses KVM's own without KVM
    set_cpu(domain, accel, cpu_mode)
    return domain.to_xml()


def patch_size(xml: str, size: Size) -> str:
    """Give the next run its size; memory modules that were plugged into a definition by hand are part of it then."""
    domain = Domain.parse(xml)
    for module in domain.memory_modules:
        if module.model == "dimm":
            domain.memory_modules.remove(module)
    set_size(domain, size)
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
