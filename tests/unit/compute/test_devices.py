"""Devices are found by what zcloud gave them; places are counted before they are needed."""

from __future__ import annotations

from dataclasses import replace

from tests.unit.compute.plans import CASES, DEMO

from zcloud.domain.attachment import DiskBus, IoLimits
from zcloud.drivers.compute import devices
from zcloud.drivers.compute.design import SPARE_ROOT_PORTS, design_domain
from zcloud.libvirtxml.disk import Disk
from zcloud.libvirtxml.domain import Domain

FULL = design_domain(CASES["full"])


def placed(xml: str, bus: int, serial: str) -> str:
    """Give a domain whose disk sits behind a root port."""
    domain = Domain.parse(xml)
    for disk in domain.disks:
        if disk.serial == serial:
            disk.address.type, disk.address.domain, disk.address.bus = "pci", 0, bus
            disk.address.slot, disk.address.function = 0, 0
    return domain.to_xml()


def test_found_by_serial_and_mac() -> None:
    disk, nic = devices.find_disk(FULL, "archive"), devices.find_nic(FULL, CASES["full"].nics[1].mac)
    assert disk is not None
    assert disk.target == "sdb"
    assert nic is not None
    assert nic.source_bridge == "br0"
    assert devices.find_disk(FULL, "archiv") is None
    assert devices.find_nic(FULL, "52:54:00:00:00:00") is None


def test_places_are_root_ports_with_nothing_behind_them() -> None:
    all_of_them = devices.free_places(design_domain(DEMO))
    assert all_of_them > SPARE_ROOT_PORTS
    serial = CASES["demo"].disks[0].serial
    assert devices.free_places(placed(design_domain(DEMO), 3, serial)) == all_of_them - 1
    assert devices.free_places(placed(design_domain(DEMO), 0, serial)) == all_of_them  # on the root bus itself


def test_only_the_first_scsi_disk_takes_a_place() -> None:
    assert devices.find_scsi(design_domain(DEMO)) is None
    assert devices.takes_place(DiskBus.SCSI, design_domain(DEMO))
    assert devices.takes_place(DiskBus.VIRTIO, FULL)
    domain = Domain.parse(FULL)
    controller = domain.controllers.add()
    controller.type, controller.index = "scsi", 0
    assert not devices.takes_place(DiskBus.SCSI, domain.to_xml())
    assert not devices.takes_place(DiskBus.SATA, FULL)


def test_a_device_gets_the_address_that_it_will_have_unless_that_is_taken_now() -> None:
    serial = CASES["demo"].disks[0].serial
    kept, free = placed(design_domain(DEMO), 3, serial), design_domain(replace(DEMO, seed=""))
    disk = devices.find_disk(kept, serial)
    assert disk is not None
    assert Disk.parse(devices.fit_place(disk, free)).address.bus == 3
    disk = devices.find_disk(kept, serial)
    assert disk is not None
    assert Disk.parse(devices.fit_place(disk, kept)).address.type is None


def test_what_is_not_limited_takes_an_older_limit_away() -> None:
    tune = devices.tune_of(IoLimits(read_bytes=5, read_bytes_burst=9, burst_s=3))
    assert (tune["read_bytes_sec"], tune["read_bytes_sec_max"]) == (5, 9)
    assert tune["read_bytes_sec_max_length"] == 3
    assert tune["total_bytes_sec"] == tune["write_iops_sec_max"] == 0
    assert "total_bytes_sec_max_length" not in tune
