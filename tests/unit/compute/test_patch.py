"""Patches touch what they name and nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from lxml import etree
from tests.unit.compute.plans import CASES, DEMO

from zcloud.domain.hardware import DEFAULT, Hardware
from zcloud.domain.host import Accel
from zcloud.domain.size import Size
from zcloud.drivers.compute.design import design_domain
from zcloud.drivers.compute.hardware import Frame
from zcloud.drivers.compute.patch import (
    definition_digest,
    patch_accel,
    patch_hardware,
    patch_incarnation,
    patch_loader,
    patch_machine,
    patch_size,
)
from zcloud.libvirtxml.domain import Domain

FROM_LIBVIRT = (Path(__file__).parents[1] / "libvirtxml" / "data" / "domain-libvirt-9.0.xml").read_text()


@pytest.mark.parametrize("name", CASES)
def test_a_domain_that_fits_is_left_alone(name: str) -> None:
    xml = design_domain(CASES[name])
    assert patch_accel(xml, CASES[name].accel, CASES[name].hardware.cpu) is xml
    assert patch_incarnation(xml, CASES[name].incarnation) is xml


def test_patched_is_as_designed() -> None:
    kvm, tcg = design_domain(replace(DEMO, accel=Accel.KVM)), design_domain(replace(DEMO, accel=Accel.TCG))
    assert patch_accel(kvm, Accel.TCG) == tcg
    assert patch_accel(tcg, Accel.KVM) == kvm


def test_windows_moves_between_kvm_and_emulation() -> None:
    kvm, tcg = (
        design_domain(replace(CASES["windows"], accel=accel, hardware=replace(CASES["windows"].hardware, cpu="auto")))
        for accel in (Accel.KVM, Accel.TCG)
    )
    assert _same(patch_accel(kvm, Accel.TCG), tcg)
    assert _same(patch_accel(tcg, Accel.KVM), kvm)
    assert (Domain.parse(kvm).hyperv.synic, Domain.parse(tcg).hyperv.synic) == (True, None)


@pytest.mark.parametrize("cpu", ["host-passthrough", "maximum", "EPYC"])
def test_a_chosen_cpu_is_kept_where_a_domain_moves_to_kvm(cpu: str) -> None:
    tcg = design_domain(replace(DEMO, accel=Accel.TCG))
    assert patch_accel(tcg, Accel.KVM, cpu) == design_domain(replace(DEMO, accel=Accel.KVM, hardware=Hardware(cpu=cpu)))


def test_host_passthrough_never_meets_tcg() -> None:
    wrong = Domain.parse(design_domain(DEMO))
    wrong.cpu.mode = "host-passthrough"
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


def _frame(name: str) -> Frame:
    return Frame(CASES[name].size, CASES[name].accel)


@pytest.mark.parametrize("name", CASES)
def test_hardware_that_did_not_change_is_left_alone(name: str) -> None:
    xml, hardware = design_domain(CASES[name]), CASES[name].hardware
    assert patch_hardware(xml, hardware, hardware, _frame(name)) == xml


@pytest.mark.parametrize("name", CASES)
def test_what_is_chosen_later_is_as_what_is_chosen_at_birth(name: str) -> None:
    plan = CASES[name]
    born = replace(DEFAULT, os=plan.hardware.os, disk_bus=plan.hardware.disk_bus)  # which is settled then
    plain = design_domain(replace(plan, hardware=born))
    assert _same(patch_hardware(plain, born, plan.hardware, _frame(name)), design_domain(plan))


@pytest.mark.parametrize("name", sorted(set(CASES) - {"full"}))  # its NIC's place in the boot order is not a choice
def test_what_is_reset_is_as_if_it_was_never_chosen(name: str) -> None:
    plan = CASES[name]
    born = replace(DEFAULT, os=plan.hardware.os, disk_bus=plan.hardware.disk_bus)
    back = patch_hardware(design_domain(plan), plan.hardware, born, _frame(name))
    assert _same(back, design_domain(replace(plan, hardware=born)))


def _same(one: str, other: str) -> bool:
    return definition_digest(one) == definition_digest(other)


@pytest.mark.parametrize("name", CASES)
def test_a_size_given_later_is_as_one_given_at_birth(name: str) -> None:
    plan = replace(CASES[name], size=Size(2, 256, 4, 1024), hardware=replace(CASES[name].hardware, cpu_topology=""))
    xml = design_domain(replace(plan, size=Size(4, 512)))
    assert _same(patch_size(xml, plan.size, plan.hardware), design_domain(plan))


def test_variables_stay_where_they_are_whatever_the_loader() -> None:
    xml = design_domain(CASES["secure-boot"])
    loose = Domain.parse(patch_loader(xml, "/usr/share/OVMF/OVMF_CODE_4M.fd", secure_boot=False))
    assert (loose.os.loader, loose.os.loader_secure, loose.features.smm) == (
        "/usr/share/OVMF/OVMF_CODE_4M.fd",
        None,
        None,
    )
    assert loose.os.nvram == CASES["secure-boot"].uefi.nvram  # type: ignore[union-attr]
    assert patch_loader(loose.to_xml(), "/usr/share/OVMF/OVMF_CODE_4M.ms.fd", secure_boot=True) == xml


def test_a_machine_type_is_all_that_an_upgrade_changes() -> None:
    assert patch_machine(design_domain(CASES["uefi"]), DEMO.machine) == design_domain(
        replace(CASES["uefi"], machine=DEMO.machine)
    )


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
