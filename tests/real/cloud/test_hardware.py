"""Every option of the hardware, with guests that start with it: one by BIOS, two by UEFI; as few boots as will do."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.real.cloud.conftest import ADMIN, Cloud, wait_for
from tests.real.lab.test_lab import SEED

from zcloud.domain.attachment import Drive
from zcloud.domain.instance import Firmware, Instance, InstanceSpec, InstanceStatus, NicRequest, Ready
from zcloud.domain.pending import pending
from zcloud.drivers.compute.drives import find_disc
from zcloud.drivers.guest.seed import build_iso
from zcloud.libvirtxml.domain import Domain
from zcloud.services.hardware import HardwareChange, HardwareService
from zcloud.services.media import Media
from zcloud.services.sizes import SizeChange, Sizes

TUNED = {
    "cpu": "qemu64",
    "cpu_topology": "1:2:1",
    "cpu_pin": "0=0;1=0-1",
    "emulator_pin": "0",
    "numa_cells": 2,
    "memory_nodes": "0",
    "tpm": "2.0",
    "boot": "disk,network",
    "video": "bochs",
    "watchdog": "i6300esb",
    "watchdog_action": "poweroff",
    "rng_rate": 4096,
    "clock": "localtime",
}

PAGES = 64


@pytest.fixture
def gone(cloud: Cloud) -> Iterator[list[str]]:
    """Delete the instances whose names are put here, and see that nothing of them is left."""
    names: list[str] = []
    yield names
    for name in names:
        instance = cloud.instance(name)
        cloud.done(cloud.instances.delete(ADMIN, "", name))
        left = cloud.host.run(["find", "/var/lib/libvirt", "-name", f"*{instance.id}*"]).stdout.split()
        assert left == []


def made(cloud: Cloud, spec: InstanceSpec) -> Instance:
    instance, operation = cloud.launch.launch(ADMIN, "", spec)
    cloud.done(operation)
    return instance


def ready(cloud: Cloud, name: str) -> Instance:
    wait_for(lambda: cloud.instance(name).ready is Ready.READY, 120, "readiness")
    return cloud.instance(name)


def live(cloud: Cloud, instance: Instance) -> Domain:
    xml = cloud.runtime.pool.link(instance.host_id).hypervisor.domain_xml(instance.id, inactive=False)
    assert xml is not None
    return Domain.parse(xml)


def read_in_guest(cloud: Cloud, instance: Instance, path: str) -> str:
    hypervisor = cloud.runtime.pool.link(instance.host_id).hypervisor
    handle = hypervisor.agent(instance.id, "guest-file-open", {"path": path, "mode": "r"})
    answer = hypervisor.agent(instance.id, "guest-file-read", {"handle": handle, "count": 4096})
    hypervisor.agent(instance.id, "guest-file-close", {"handle": handle})
    return base64.b64decode(answer["buf-b64"]).decode()


def test_a_guest_has_what_was_chosen(cloud: Cloud, gone: list[str], tmp_path: Path) -> None:
    disc = tmp_path / "drivers.iso"
    disc.write_bytes(build_iso(SEED))
    image = cloud.import_image("drivers", disc)
    spec = InstanceSpec(
        name="tuned",
        image="tiny",
        vcpus=2,
        memory_mib=256,
        nics=(NicRequest(""),),
        hardware=TUNED,
        driver_iso="drivers",
        cd="drivers",
    )  # fmt: skip
    instance = made(cloud, spec)
    gone.append("tuned")
    ready(cloud, "tuned")
    assert "QEMU Virtual CPU" in read_in_guest(cloud, instance, "/proc/cpuinfo")
    assert read_in_guest(cloud, instance, "/sys/devices/system/node/online").strip() == "0-1"
    domain = live(cloud, instance)
    assert [(each.vcpu, each.cpuset) for each in domain.cpu_tune.vcpu_pins] == [(0, "0"), (1, "0-1")]
    assert (domain.watchdogs[0].action, domain.rngs[0].rate, len(domain.tpms)) == ("poweroff", 4096, 1)
    assert cloud.host.run(["test", "-d", f"/var/lib/libvirt/swtpm/{instance.id}"], check=False).returncode == 0
    media = Media(cloud.runtime.services)
    look = cloud.runtime.pool.link(instance.host_id).hypervisor.domain_xml
    for drive in Drive:  # the same CD in both: as it is born, then out, in again, and out
        assert find_disc(domain.to_xml(), drive).endswith(f"/{image.digest}.iso")
        cloud.done(media.eject(ADMIN, "", "tuned", drive))
        assert [find_disc(look(instance.id, inactive=each) or "", drive) for each in (True, False)] == ["", ""]
    operation, told = media.insert(ADMIN, "", "tuned", "drivers")
    cloud.done(operation)
    assert told == ()
    assert find_disc(look(instance.id, inactive=False) or "", Drive.CD).endswith(f"/{image.digest}.iso")
    cloud.done(media.eject(ADMIN, "", "tuned"))
    assert not cloud.instance("tuned").observed.get("drift")
    cloud.done(cloud.images.delete(ADMIN, image.id))
    change = HardwareChange({"screen": "none", "rng": False}, ("tpm",))
    cloud.done(HardwareService(cloud.runtime.services).change(ADMIN, "", "tuned", change))
    assert set(pending(cloud.instance("tuned"))) == {"screen", "rng", "tpm"}


def test_uefi_variables_stay_the_instance_s_own(cloud: Cloud, gone: list[str]) -> None:
    """Through stop, a new size, other hardware, a newer machine type and the start after all that."""
    newest = {**cloud.hosts.show(ADMIN, "alpha").inventory}
    host_id = cloud.hosts.show(ADMIN, "alpha").id
    older = {**newest, "machine": "pc-q35-6.2"}
    cloud.runtime.store.transact(lambda tx: tx.hosts.update(host_id, inventory=older))
    spec = InstanceSpec(
        name="vars", image="tiny", vcpus=1, memory_mib=256, firmware=Firmware.UEFI, nics=(NicRequest(""),)
    )
    instance = made(cloud, spec)
    gone.append("vars")
    cloud.runtime.store.transact(lambda tx: tx.hosts.update(host_id, inventory=newest))
    assert ready(cloud, "vars").machine == "pc-q35-6.2"
    cloud.done(cloud.instances.stop(ADMIN, "", "vars"))
    path = f"/var/lib/libvirt/images/zcloud/artifacts/{instance.id}.nvram.fd"
    before = cloud.host.run(["sha256sum", path]).stdout
    cloud.done(Sizes(cloud.runtime.services).resize(ADMIN, "", "vars", SizeChange(memory_mib=320)))
    change = HardwareChange({"watchdog": "i6300esb"}, upgrade_machine=True)
    cloud.done(HardwareService(cloud.runtime.services).change(ADMIN, "", "vars", change))
    assert cloud.host.run(["sha256sum", path]).stdout == before
    cloud.done(cloud.instances.start(ADMIN, "", "vars"))
    assert ready(cloud, "vars").machine == newest["machine"]
    domain = live(cloud, instance)
    assert (domain.os.machine, domain.os.nvram, len(domain.watchdogs)) == (newest["machine"], path, 1)


def test_a_windows_guest_s_hardware_starts(cloud: Cloud, gone: list[str]) -> None:
    """No Windows here: what its hardware is made of starts under emulation, and its firmware runs."""
    hardware = {"os": "windows-11", "nic_model": "e1000e"}
    spec = InstanceSpec(name="win", image="tiny", vcpus=2, memory_mib=256, nics=(NicRequest(""),), hardware=hardware)
    instance = made(cloud, spec)
    gone.append("win")
    assert cloud.instance("win").status is InstanceStatus.RUNNING
    domain = live(cloud, instance)
    assert (domain.os.loader_secure, domain.features.smm, domain.clock.offset) == (True, True, "localtime")
    assert (domain.hyperv.relaxed, domain.hyperv.vapic, domain.tpms[0].version) == (True, True, "2.0")
    assert [each.bus for each in domain.disks if each.device == "cdrom"] == ["sata"]
    assert (domain.interfaces[0].model, domain.videos[0].model, len(domain.inputs)) == ("e1000e", "vga", 3)
    nvram = f"/var/lib/libvirt/images/zcloud/artifacts/{instance.id}.nvram.fd"
    assert cloud.host.run(["test", "-s", nvram], check=False).returncode == 0


@pytest.fixture
def huge_pages() -> Iterator[None]:
    """Reserve as many huge pages as a guest of 128 MiB takes, beside those that others have reserved."""
    count = Path("/proc/sys/vm/nr_hugepages")
    before = int(count.read_text()) if count.exists() else 0
    try:
        if count.exists():
            count.write_text(str(before + PAGES))
        if not count.exists() or int(count.read_text()) < before + PAGES:
            pytest.skip(f"the kernel reserves no {PAGES} huge pages of 2 MiB")
        yield
    finally:
        if count.exists():
            count.write_text(str(before))


@pytest.mark.usefixtures("huge_pages")
def test_its_memory_is_of_huge_pages(cloud: Cloud, gone: list[str]) -> None:
    spec = InstanceSpec(name="huge", image="tiny", vcpus=1, memory_mib=2 * PAGES, hardware={"huge_pages": "2M"})
    cloud.done(cloud.hosts.refresh(ADMIN, "alpha"))
    free = _free_pages()
    instance = made(cloud, spec)
    gone.append("huge")
    assert [each.size for each in live(cloud, instance).memory_backing.huge_pages] == [2048]
    ready(cloud, "huge")
    assert _free_pages() < free


def _free_pages() -> int:
    """Give how many huge pages nobody uses, reserved or not (Linux, admin-guide/mm/hugetlbpage)."""
    lines = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    return int(lines["HugePages_Free"])
