"""Hardware over fake hosts: chosen at launch or later, pending until the next start, refused where a host cannot."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.unit.workflows.test_resize import SPEC, Bench

from zcloud.domain.errors import HypervisorFailed, InvalidInput, NoRoom
from zcloud.domain.instance import Firmware
from zcloud.domain.operation import Operation, OperationStatus
from zcloud.domain.pending import pending
from zcloud.drivers.guest.seed import read_iso
from zcloud.libvirtxml.domain import Domain
from zcloud.services.hardware import HardwareChange, HardwareService
from zcloud.services.operations import Operations
from zcloud.services.sizes import SizeChange, Sizes
from zcloud.store import Store
from zcloud.testing.cloud import ADMIN, FakeCloud


@pytest.fixture
def cloud(sqlite_store: Store, tmp_path: Path) -> Iterator[FakeCloud]:
    made = FakeCloud(sqlite_store, tmp_path)
    made.start()
    yield made
    made.stop()


def ask(bench: Bench, *reset: str, upgrade: bool = False, **given: Any) -> Operation:
    change = HardwareChange(given, reset, upgrade)
    return bench.cloud.wait(HardwareService(bench.cloud.services).change(ADMIN, "", "web", change))


def defined(bench: Bench) -> Domain:
    return Domain.parse(bench.hypervisor.domains[bench.record.id].xml)


def test_chosen_at_launch(cloud: FakeCloud) -> None:
    hardware = {"watchdog": "i6300esb", "rng_rate": 1000, "cpu_topology": "2:2:1", "tpm": "2.0"}
    bench = Bench(cloud, replace(SPEC, hardware=hardware, headless=True))
    domain = defined(bench)
    assert [each.model for each in domain.watchdogs] == ["i6300esb"]
    assert (domain.cpu.sockets, domain.cpu.cores, len(domain.graphics), len(domain.tpms)) == (2, 2, 0, 1)
    assert (bench.record.screen, pending(bench.record)) == ("", {})
    cloud.wait(cloud.instances.delete(ADMIN, "", "web"))
    removed = [words for words in cloud.links.hosts[bench.host_id].shell.history if words[:2] == ("rm", "-r")]
    assert [words[-1].rpartition("/")[0] for words in removed] == ["/var/lib/libvirt/swtpm"]


def test_chosen_later_it_waits_for_the_next_start(cloud: FakeCloud) -> None:
    bench = Bench(cloud)
    assert ask(bench, watchdog="i6300esb", screen="none").status is OperationStatus.SUCCEEDED
    assert [each.model for each in defined(bench).watchdogs] == ["i6300esb"]
    assert pending(bench.record) == {
        "watchdog": {"now": "off", "next": "i6300esb"},
        "screen": {"now": "vnc", "next": "none"},
    }
    assert bench.record.screen == "vnc"
    assert cloud.wait(cloud.instances.restart(ADMIN, "", "web")).status is OperationStatus.SUCCEEDED
    assert (pending(bench.record), bench.record.screen) == ({}, "")
    assert ask(bench, "watchdog", "screen").status is OperationStatus.SUCCEEDED
    assert (len(defined(bench).watchdogs), len(defined(bench).graphics)) == (0, 1)


def test_an_older_machine_type_is_upgraded(cloud: FakeCloud) -> None:
    bench = Bench(cloud)
    with pytest.raises(InvalidInput, match="already"):
        ask(bench, upgrade=True)
    newer = {**cloud.read(lambda tx: tx.hosts.get(bench.host_id)).inventory, "machine": "pc-q35-8.2"}
    cloud.store.transact(lambda tx: tx.hosts.update(bench.host_id, inventory=newer))
    assert ask(bench, upgrade=True).status is OperationStatus.SUCCEEDED
    assert (defined(bench).os.machine, bench.record.machine) == ("pc-q35-8.2", "pc-q35-8.2")
    assert pending(bench.record) == {"machine": {"now": "pc-q35-7.2", "next": "pc-q35-8.2"}}
    other = {**newer, "machine": "pc-i440fx-9.0"}
    cloud.store.transact(lambda tx: tx.hosts.update(bench.host_id, inventory=other))
    with pytest.raises(InvalidInput, match="family"):
        ask(bench, upgrade=True)


def test_secure_boot_is_for_those_born_with_it(cloud: FakeCloud) -> None:
    bench = Bench(cloud, replace(SPEC, firmware=Firmware.UEFI, hardware={"secure_boot": True}))
    variables = defined(bench).os.nvram
    assert ask(bench, secure_boot=False).status is OperationStatus.SUCCEEDED
    assert (defined(bench).os.loader_secure, defined(bench).os.nvram) == (None, variables)
    assert ask(bench, secure_boot=True).status is OperationStatus.SUCCEEDED
    assert (defined(bench).os.loader, defined(bench).features.smm) == ("/usr/share/OVMF/OVMF_CODE_4M.ms.fd", True)
    assert defined(bench).os.nvram == variables


def test_secure_boot_is_not_for_others(cloud: FakeCloud) -> None:
    bench = Bench(cloud, replace(SPEC, firmware=Firmware.UEFI))
    with pytest.raises(InvalidInput, match="born without"):
        ask(bench, secure_boot=True)
    with pytest.raises(InvalidInput, match="settled at birth"):
        ask(bench, firmware="bios")
    with pytest.raises(InvalidInput, match="settled at birth"):
        ask(bench, os="windows")


def test_windows_11_gets_what_it_needs(cloud: FakeCloud) -> None:
    bench = Bench(cloud, replace(SPEC, hardware={"os": "windows-11"}, password="Correct-Horse-1"))
    domain = defined(bench)
    assert [(each.device, each.bus, each.target) for each in domain.disks][1:] == [("cdrom", "sata", "sdz")]
    seed = cloud.links.hosts[bench.host_id].shell.disk.file(str(domain.disks[1].source.file)).data
    assert b"Correct-Horse-1" in read_iso(seed)["meta-data"]
    operations = cloud.read(lambda tx: tx.operations.page(sort="created_at").items)
    assert "Correct-Horse-1" not in str([each.args for each in operations])
    assert (bench.record.firmware, domain.os.loader_secure, domain.clock.offset) == (Firmware.UEFI, True, "localtime")
    assert (len(domain.tpms), domain.hyperv.relaxed, len(domain.inputs)) == (1, True, 1)


def test_a_password_itself_is_for_windows_and_a_hash_for_others(cloud: FakeCloud) -> None:
    cloud.add_host("alpha")
    for spec in (replace(SPEC, password="x"), replace(SPEC, password_hash="$6$x", hardware={"os": "windows"})):
        with pytest.raises(InvalidInput, match="password"):
            cloud.launch.launch(ADMIN, "", spec)


def test_what_the_host_has_not_is_refused_with_the_reason(cloud: FakeCloud) -> None:
    bench = Bench(cloud)
    before = bench.record
    wrong: list[dict[str, Any]] = [{"cpu": "Pentium-9"}, {"cpu_pin": "99"}, {"watchdog": "itco"}, {"huge_pages": "1G"}]
    for given in wrong:
        with pytest.raises((NoRoom, InvalidInput)):
            ask(bench, **given)
    with pytest.raises(NoRoom) as refused:
        ask(bench, cpu_pin="99")
    assert refused.value.hint == "Its CPUs are 0-7."
    with pytest.raises(InvalidInput):
        ask(bench)
    assert bench.record == before


def test_a_start_is_refused_where_the_host_lost_what_it_takes(cloud: FakeCloud) -> None:
    bench = Bench(cloud, replace(SPEC, start=False, hardware={"tpm": "2.0"}))
    poorer = {**cloud.read(lambda tx: tx.hosts.get(bench.host_id)).inventory, "tpm": False}
    cloud.store.transact(lambda tx: tx.hosts.update(bench.host_id, inventory=poorer))
    with pytest.raises(NoRoom, match="TPM"):
        cloud.instances.start(ADMIN, "", "web")


def test_a_size_that_does_not_fit_the_hardware_is_refused(cloud: FakeCloud) -> None:
    bench = Bench(cloud, replace(SPEC, hardware={"cpu_topology": "2:2:1", "numa_cells": 2}))
    with pytest.raises(InvalidInput, match="topology"):
        Sizes(cloud.services).resize(ADMIN, "", "web", SizeChange(vcpus=6, next_start=True))
    assert [each.cpus for each in defined(bench).cpu.numa_cells] == ["0-1", "2-3"]
    bench.resize(memory_mib=1024, max_memory_mib=0, next_start=True)
    assert [each.memory for each in defined(bench).cpu.numa_cells] == [512 << 10, 512 << 10]


def test_a_definition_that_cannot_be_changed(cloud: FakeCloud) -> None:
    bench = Bench(cloud)
    before = bench.record
    bench.hypervisor.fail("define", HypervisorFailed("no"))
    failed = ask(bench, watchdog="i6300esb")
    assert failed.status is OperationStatus.FAILED
    assert (bench.record.options, bench.record.machine, pending(bench.record)) == (before.options, before.machine, {})
    assert Operations(cloud.services).retry(ADMIN, failed.id).args["new"]["options"] == {"watchdog": "i6300esb"}
