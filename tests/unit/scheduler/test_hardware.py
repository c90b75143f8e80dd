"""Which hosts have what an instance's hardware takes, and what is told of the others."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from tests.unit.scheduler.test_place import ROOMY, SMALL

from zcloud.domain.hardware import Hardware
from zcloud.scheduler import HostView
from zcloud.scheduler.place import refuse

INVENTORY: dict[str, Any] = {
    "cpus": 4,
    "cpu_modes": {"kvm": ["custom", "host-model", "host-passthrough", "maximum"], "tcg": ["host-model", "maximum"]},
    "cpu_models": {"kvm": ["EPYC"], "tcg": ["qemu64"]},
    "numa": [
        {"id": 0, "memory": 1 << 34, "cpus": [0, 1], "pages": {"2097152": 1024, "1073741824": 0}},
        {"id": 1, "memory": 1 << 34, "cpus": [2, 3], "pages": {"2097152": 0}},
    ],
    "uefi_secure": {"loader": "/x"},
    "tpm": True,
    "videos": ["vga", "virtio"],
    "libvirt": "9.0.0",
}
HOST = dataclasses.replace(ROOMY, inventory=INVENTORY)
EMULATED = dataclasses.replace(HOST, accel="tcg")
BARE = dataclasses.replace(ROOMY, inventory={})
EVERYTHING = Hardware(
    cpu="EPYC",
    cpu_pin="0=0-3",
    emulator_pin="3",
    memory_nodes="0-1",
    huge_pages="2M",
    secure_boot=True,
    tpm="2.0",
    video="vga",
    watchdog="i6300esb",
)


@pytest.mark.parametrize(
    ("host", "hardware"),
    [
        (HOST, EVERYTHING),
        (BARE, Hardware()),
        (HOST, Hardware(cpu="host-passthrough")),
        (EMULATED, Hardware(cpu="qemu64")),
        (dataclasses.replace(HOST, inventory={**INVENTORY, "libvirt": "9.1.0"}), Hardware(watchdog="itco")),
        (BARE, Hardware(screen="none", video="qxl")),
    ],
)
def test_what_a_host_can(host: HostView, hardware: Hardware) -> None:
    assert refuse(host, dataclasses.replace(SMALL, hardware=hardware)) is None


@pytest.mark.parametrize(
    ("host", "hardware", "reason", "nearest"),
    [
        (EMULATED, Hardware(cpu="host-passthrough"), "without KVM", "host-model, maximum, qemu64"),
        (EMULATED, Hardware(cpu="EPYC"), "the CPU EPYC", "qemu64"),
        (HOST, Hardware(cpu="qemu64"), "under KVM", "EPYC"),
        (BARE, Hardware(cpu="maximum"), "the CPU maximum", "auto"),
        (BARE, Hardware(secure_boot=True), "Secure Boot", "ovmf"),
        (BARE, Hardware(tpm="2.0"), "TPM", "swtpm"),
        (HOST, Hardware(cpu_pin="2-5"), "CPU 4-5", "0-3"),
        (HOST, Hardware(emulator_pin="9"), "CPU 9", "0-3"),
        (HOST, Hardware(memory_nodes="0,2"), "NUMA node 2", "0-1"),
        (HOST, Hardware(huge_pages="1G"), "0 MiB in huge pages of 1G", "vm.nr_hugepages"),
        (HOST, Hardware(video="qxl"), "video card qxl", "vga, virtio"),
        (HOST, Hardware(watchdog="itco"), "itco", "i6300esb"),
    ],
)
def test_what_it_cannot(host: HostView, hardware: Hardware, reason: str, nearest: str) -> None:
    refusal = refuse(host, dataclasses.replace(SMALL, hardware=hardware))
    assert refusal is not None
    assert refusal.filter == "hardware"
    assert reason in refusal.reason
    assert nearest in refusal.nearest
