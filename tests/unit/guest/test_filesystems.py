"""What a guest says of its file systems: a mounted disk is recognised, nonsense never counts as "not mounted"."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zcloud.drivers.guest.filesystems import MAX_FILESYSTEMS, MAX_TOLD, KnownDisk, mounts_of

VIRTIO = KnownDisk("archive", pci=(0, 8, 0, 0))
SCSI = KnownDisk("second", scsi=(0, 0, 1))


def mounted(where: Any, **disk: Any) -> dict[str, Any]:
    return {"name": "vdb", "mountpoint": where, "type": "ext4", "disk": [disk]}


def pci(bus: int) -> dict[str, int]:
    return {"domain": 0, "bus": bus, "slot": 0, "function": 0}


def test_recognised_by_its_serial_wherever_it_sits() -> None:
    answer = [mounted("/srv", serial="archive", **{"bus-type": "virtio", "pci-controller": pci(1)})]
    assert mounts_of(answer, VIRTIO) == ("/srv",)


def test_recognised_by_its_address_where_the_guest_knows_no_serials() -> None:
    answer = [
        mounted("/", **{"bus-type": "virtio", "pci-controller": pci(1)}),
        mounted("/srv", **{"bus-type": "virtio", "pci-controller": pci(8)}),
    ]
    assert mounts_of(answer, VIRTIO) == ("/srv",)
    assert mounts_of(answer[:1], VIRTIO) == ()


def test_a_scsi_disk_is_recognised_by_its_unit_or_by_the_serial_that_udev_makes() -> None:
    unit = {"bus-type": "scsi", "bus": 0, "target": 0, "unit": 1, "pci-controller": pci(9)}
    assert mounts_of([mounted("/a", **unit)], SCSI) == ("/a",)
    assert mounts_of([mounted("/a", **{**unit, "unit": 2})], SCSI) == ()
    assert mounts_of([mounted("/a", serial="0QEMU_QEMU_HARDDISK_second")], SCSI) == ("/a",)


def test_what_lies_on_another_file_system_says_nothing() -> None:
    assert mounts_of([{"name": "loop0", "mountpoint": "/snap", "type": "squashfs", "disk": []}], VIRTIO) == ()


@pytest.mark.parametrize(
    "answer",
    [
        None,
        {},
        "x",
        [1],
        [mounted("/srv")],
        [mounted("/srv", **{"bus-type": "virtio", "pci-controller": pci(-1)})],
        [mounted("/srv", **{"bus-type": "virtio", "pci-controller": pci(True)})],
        [mounted("/srv", **{"bus-type": "scsi", "bus": 0})],
        [{"mountpoint": "/srv", "disk": ["vdb"]}],
        [{}] * (MAX_FILESYSTEMS + 1),
    ],
)
def test_an_answer_that_does_not_tell_is_not_a_no(answer: Any) -> None:
    assert mounts_of(answer, VIRTIO) is None


def test_names_of_places_are_the_guest_s_and_bounded() -> None:
    answer = [mounted(f"/{number}\x1b[31m\u202e{'x' * 500}", serial="archive") for number in range(50)]
    found = mounts_of(answer, VIRTIO)
    assert found is not None
    assert len(found) == MAX_TOLD
    assert all(len(each) <= 80 and each.isprintable() for each in found)
    assert mounts_of([mounted(None, serial="archive")], VIRTIO) == ("an unnamed place",)


KEYS = st.sampled_from(["disk", "mountpoint", "serial", "bus-type", "pci-controller", "bus", "unit"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
)


@given(JSON)
def test_no_answer_breaks_it(answer: Any) -> None:
    found = mounts_of(answer, VIRTIO)
    assert found is None or all(isinstance(each, str) for each in found)
