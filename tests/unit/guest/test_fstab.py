"""For which disks a guest's boot waits, from its fstab; nonsense is left out."""

from __future__ import annotations

import pytest

from zcloud.drivers.guest.fstab import MAX_BYTES, Mount, parse_fstab, waits_for

FSTAB = b"""\
# <file system> <mount point> <type> <options>
UUID=1c1f / ext4 rw,discard 0 1
/dev/disk/by-id/virtio-archive-part1 /srv ext4 defaults 0 2
/dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_logs /logs xfs nofail,noatime
UUID=77aa /data ext4 defaults 0 2
/dev/vdd none swap
"""


@pytest.mark.parametrize(
    ("serial", "mounted", "places"),
    [
        ("archive", (), ("/srv",)),
        ("rchive", (), ()),
        ("logs", ("/logs",), ()),
        ("other", ("/data",), ("/data",)),
        ("other", (), ()),
        ("a.*e", (), ()),
    ],
)
def test_what_is_waited_for(serial: str, mounted: tuple[str, ...], places: tuple[str, ...]) -> None:
    assert waits_for(parse_fstab(FSTAB), serial, mounted) == places


def test_a_hostile_fstab_is_bounded_and_cannot_steer_a_terminal() -> None:
    assert len(parse_fstab(b"a b c\n" * 100_000)) == 500
    assert parse_fstab(b"\xff\x00" * MAX_BYTES) == ()
    assert waits_for([Mount("x", "/\x1b[2J" + "y" * 500, waits=True)], "s", ["/\x1b[2J" + "y" * 500])[0][:5] == "/?[2J"
