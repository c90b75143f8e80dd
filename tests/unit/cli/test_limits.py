"""Limits of disks as people write them."""

from __future__ import annotations

import click
import pytest

from zcloud.cli.disks import LIMITS, limits_text, read_limits
from zcloud.cli.launching import parse_disk

ZERO = dict.fromkeys(
    (
        f"{way}_{unit}{burst}"
        for way in ("total", "read", "write")
        for unit in ("bytes", "iops")
        for burst in ("", "_burst")
    ),
    0,
) | {"burst_s": 0}


def test_what_is_read_is_written_again() -> None:
    words = ("bytes=50M", "bytes_burst=80M", "read_iops=5", "write_iops_burst=9", "burst=10s")
    limits = read_limits(words)
    assert limits == {
        "total_bytes": 50 << 20, "total_bytes_burst": 80 << 20, "read_iops": 5, "write_iops_burst": 9, "burst_s": 10,
    }  # fmt: skip
    assert sorted(limits_text(ZERO | limits).split()) == sorted(words)
    assert read_limits(("none",)) == {}
    assert limits_text(ZERO) == ""


def test_every_key_is_understood() -> None:
    words = tuple(f"{key}=5M" if "bytes" in key else f"{key}=5" for key in LIMITS)
    assert set(read_limits(words)) == set(ZERO)


@pytest.mark.parametrize("word", ["bytes", "bytes=5", "speed=5M", "iops=5M", "iops=-1", "burst=soon", "=5", ""])
def test_nonsense_is_refused(word: str) -> None:
    with pytest.raises(click.BadParameter):
        read_limits((word,))


def test_a_disk_of_a_launch_may_be_limited() -> None:
    assert parse_disk("3G,name=extra") == {"size": 3 << 30, "name": "extra"}
    limited = parse_disk("3G,iops=500,iops_burst=900,burst=5")
    assert limited == {"size": 3 << 30, "limits": {"total_iops": 500, "total_iops_burst": 900, "burst_s": 5}}
    with pytest.raises(click.BadParameter):
        parse_disk("3G,iops=many")
