"""Patches touch what they name and nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from lxml import etree
from tests.unit.compute.plans import CASES, DEMO

from zcloud.domain.host import Accel
from zcloud.drivers.compute.design import CpuMode, design_domain
from zcloud.drivers.compute.patch import definition_digest, patch_accel, patch_incarnation
from zcloud.libvirtxml.domain import Domain

FROM_LIBVIRT = (Path(__file__).parents[1] / "libvirtxml" / "data" / "domain-libvirt-9.0.xml").read_text()


@pytest.mark.parametrize("name", CASES)
def test_a_domain_that_fits_is_left_alone(name: str) -> None:
    xml = design_domain(CASES[name])
    assert patch_accel(xml, CASES[name].accel) is xml
    assert patch_incarnation(xml, CASES[name].incarnation) is xml


@pytest.mark.parametrize("mode", [CpuMode.HOST_MODEL, CpuMode.HOST_PASSTHROUGH])
def test_patched_is_as_designed(mode: CpuMode) -> None:
    kvm = design_domain(replace(DEMO, accel=Accel.KVM, cpu_mode=mode))
    tcg = design_domain(replace(DEMO, accel=Accel.TCG, cpu_mode=mode))
    assert patch_accel(kvm, Accel.TCG) == tcg
    assert patch_accel(tcg, Accel.KVM, mode) == kvm


def test_host_passthrough_never_meets_tcg() -> None:
    wrong = Domain.parse(design_domain(DEMO))
    wrong.cpu.mode = CpuMode.HOST_PASSTHROUGH
    assert patch_accel(wrong.to_xml(), Accel.TCG) == design_domain(DEMO)


def test_what_kvm_alone_understands_goes_and_the_rest_stays() -> None:
    domain = Domain.parse(FROM_LIBVIRT)
    domain.cpu.mode, domain.cpu.model = "custom", "Skylake-Client"
    feature = domain.cpu.features.add()
    feature.policy, feature.name = "require", "vmx"
    domain.features.ioapic = "kvm"
    domain.cpu.numa_cells.add().cpus = "0-7"
    patched = Domain.parse(patch_accel(domain.to_xml(), Accel.TCG))
    assert (patched.type, patched.cpu.mode, patched.cpu.model) == ("qemu", "maximum", None)
    assert not patched.cpu.features
    assert patched.features.ioapic is None
    assert patched.cpu.cores == 8
    assert patched.cpu.numa_cells[0].cpus == "0-7"
    assert [disk.address.bus for disk in patched.disks] == [disk.address.bus for disk in domain.disks]


def test_incarnation_is_all_that_changes() -> None:
    patched = patch_incarnation(FROM_LIBVIRT, 8)
    assert Domain.parse(patched).mark.incarnation == 8
    assert patched == Domain.parse(FROM_LIBVIRT).to_xml().replace('incarnation="7"', 'incarnation="8"')


def test_a_domain_without_our_mark_gets_one() -> None:
    patched = Domain.parse(patch_incarnation("<domain type='kvm'><name>old</name><vcpu>1</vcpu></domain>", 1))
    assert patched.mark.incarnation == 1
    assert [child.tag for child in patched.ensure()] == ["name", "metadata", "vcpu"]


def test_a_definition_is_recognised_though_libvirt_moves_its_devices_about() -> None:
    root = etree.fromstring(FROM_LIBVIRT)
    devices = root.find("devices")
    assert devices is not None
    devices[:] = reversed(devices)
    moved = etree.tostring(root, pretty_print=True).decode()
    assert moved != FROM_LIBVIRT
    assert definition_digest(moved) == definition_digest(FROM_LIBVIRT)


@pytest.mark.parametrize("path", ["vcpu", "devices/disk/target", "devices/interface/mac", "devices/emulator"])
def test_any_edit_makes_another_definition(path: str) -> None:
    root = etree.fromstring(FROM_LIBVIRT)
    found = root.find(path)
    assert found is not None
    found.set("edited", "yes")
    assert definition_digest(etree.tostring(root).decode()) != definition_digest(FROM_LIBVIRT)
    found.getparent().remove(found)  # type: ignore[union-attr]
    assert definition_digest(etree.tostring(root).decode()) != definition_digest(FROM_LIBVIRT)
