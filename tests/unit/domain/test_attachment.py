"""Places and limits of disks."""

from __future__ import annotations

import pytest

from zcloud.domain.attachment import MAX_DISKS, Attachment, DiskBus, DiskCache, DiskIo, IoLimits, disk_target, free_slot
from zcloud.domain.errors import InvalidInput, WrongState


@pytest.mark.parametrize(("slot", "target"), [(0, "vda"), (25, "vdz"), (26, "vdaa"), (701, "vdzz"), (702, "vdaaa")])
def test_disk_target(slot: int, target: str) -> None:
    assert disk_target(slot) == target
    assert disk_target(slot, DiskBus.SCSI) == "s" + target[1:]


def test_the_lowest_free_place_is_taken_and_never_the_root_s() -> None:
    assert free_slot({0}) == 1
    assert free_slot({0, 1, 3}) == 2
    assert free_slot({None}) == 1
    with pytest.raises(WrongState):
        free_slot(set(range(MAX_DISKS)))


@pytest.mark.parametrize(
    ("limits", "field"),
    [
        (IoLimits(total_bytes=-1), "limits.total_bytes"),
        (IoLimits(write_iops=1 << 60), "limits.write_iops"),
        (IoLimits(total_bytes=10, read_bytes=5), "limits.total_bytes"),
        (IoLimits(total_iops=10, write_iops=5), "limits.total_iops"),
        (IoLimits(read_bytes_burst=5), "limits.read_bytes_burst"),
        (IoLimits(read_bytes=6, read_bytes_burst=5), "limits.read_bytes_burst"),
        (IoLimits(read_bytes=6, burst_s=5), "limits.burst_s"),
        (IoLimits(read_bytes=6, read_bytes_burst=7, burst_s=4000), "limits.burst_s"),
    ],
)
def test_limits_that_qemu_would_not_take_are_refused_by_name(limits: IoLimits, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        limits.check()
    assert caught.value.details["field"] == field


def test_bytes_and_operations_are_limited_apart() -> None:
    fine = IoLimits(total_bytes=10, read_iops=5, write_iops=6, read_iops_burst=7, burst_s=10)
    assert fine.check() is fine


@pytest.mark.parametrize("serial", ["a b", "-x", "x" * 21, "é", "a\n", "<"])
def test_a_serial_that_a_disk_cannot_have_is_refused(serial: str) -> None:
    with pytest.raises(InvalidInput):
        Attachment(serial=serial).check()


def test_a_cache_and_a_way_of_reading_that_do_not_go_together() -> None:
    Attachment(cache=DiskCache.NONE, io=DiskIo.NATIVE).check().check_direct(direct_io=True)
    with pytest.raises(InvalidInput, match="page cache"):
        Attachment(io=DiskIo.NATIVE).check()
    with pytest.raises(InvalidInput, match="direct I/O"):
        Attachment(cache=DiskCache.DIRECTSYNC).check_direct(direct_io=False)
