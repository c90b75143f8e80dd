"""What is read from a host's capabilities."""

from __future__ import annotations

from pathlib import Path

import pytest

from zcloud.domain.errors import InvalidXml
from zcloud.domain.host import Accel
from zcloud.drivers.compute.capabilities import FirmwareImage, NumaCell, parse_capabilities, parse_firmware

DATA = Path(__file__).parents[1] / "libvirtxml" / "data"


def read(name: str) -> str:
    return (DATA / f"{name}.xml").read_text()


def test_a_host_with_one_node() -> None:
    host = parse_capabilities(read("capabilities-debian-12"), read("domaincapabilities-debian-12"))
    assert (host.arch, host.cpu_model, host.cpu_vendor) == ("x86_64", "kvm64", "AMD")
    assert (host.sockets, host.cores, host.threads, host.cpus) == (1, 2, 1, 2)
    assert host.memory == 6121676 << 10
    assert host.emulator == "/usr/bin/qemu-system-x86_64"
    assert host.machines["q35"] == host.machines["pc-q35-7.2"] == "pc-q35-7.2"
    assert host.kvm
    assert host.cpu_modes == {Accel.TCG: {"maximum", "host-model", "custom"}}
    assert host.tpm_models == {"tpm-tis", "tpm-crb"}
    assert not host.iommu


def test_firmware_comes_with_its_template() -> None:
    host = parse_capabilities(read("capabilities-debian-12"), read("domaincapabilities-debian-12"))
    assert len(host.firmware) == 3
    plain, secure = host.find_firmware(), host.find_firmware(secure_boot=True)
    assert plain == FirmwareImage("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd", False, False)
    assert secure == FirmwareImage(
        "/usr/share/OVMF/OVMF_CODE_4M.ms.fd", "/usr/share/OVMF/OVMF_VARS_4M.ms.fd", True, True
    )


def test_a_host_with_two_nodes_and_no_kvm() -> None:
    host = parse_capabilities(read("capabilities-two-nodes"))
    assert (host.sockets, host.cores, host.threads, host.cpus) == (2, 2, 2, 8)
    assert host.cells[1] == NumaCell(1, 65536004 << 10, (1, 3, 5, 7), {4096: 16384001, 2 << 20: 0})
    assert host.cells[0].pages[2 << 20] == 2048
    assert host.machines["q35"] == "pc-q35-8.2"
    assert not host.kvm
    assert host.firmware == ()
    assert host.find_firmware() is None
    assert host.iommu


def test_a_host_without_guests_is_refused_with_a_hint() -> None:
    with pytest.raises(InvalidXml) as caught:
        parse_capabilities("<capabilities><host><cpu><arch>x86_64</arch></cpu></host></capabilities>")
    assert "qemu-system" in caught.value.hint


@pytest.mark.parametrize(
    ("loader", "template", "secure", "enrolled"),
    [
        ("/usr/share/OVMF/OVMF_CODE_4M.secboot.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd", True, False),
        ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd", False, False),
        ("/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd", False, False),
        ("/usr/share/qemu/ovmf-x86_64-4m-code.bin", "/usr/share/qemu/ovmf-x86_64-4m-vars.bin", False, False),
        (
            "/usr/share/qemu/ovmf-x86_64-smm-ms-code.bin",
            "/usr/share/qemu/ovmf-x86_64-ms-vars.bin",
            True,
            True,
        ),
    ],
)
def test_firmware_by_its_name(loader: str, template: str, secure: bool, enrolled: bool) -> None:
    assert parse_firmware(loader) == FirmwareImage(loader, template, secure, enrolled)


@pytest.mark.parametrize("loader", ["", "/usr/share/seabios/bios.bin", "OVMF_CODE.fd", "/x/OVMF_CODE.qcow2"])
def test_firmware_that_we_cannot_use(loader: str) -> None:
    assert parse_firmware(loader) is None
