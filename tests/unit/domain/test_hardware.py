"""The table of hardware: what may be chosen, together with what, and what a kind of guest has by default."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zcloud.domain.cpuset import MAX_CPU, format_cpuset, parse_cpuset, parse_pins
from zcloud.domain.errors import InvalidInput
from zcloud.domain.hardware import HARDWARE, PROFILES, check_hardware, guess_os, normal, settle, to_record
from zcloud.domain.instance import Firmware
from zcloud.domain.size import Size

SIZE = Size(4, 2048)


@given(st.sets(st.integers(0, MAX_CPU), min_size=1, max_size=50))
def test_sets_of_cpus_are_read_as_they_are_written(numbers: set[int]) -> None:
    assert parse_cpuset(format_cpuset(numbers), "x") == numbers


@pytest.mark.parametrize("text", ["", "a", "3-1", "1,,2", "-1", "0-99999", "1;2", "^3", "0-", "\u0663"])
def test_what_is_no_set_of_cpus(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_cpuset(text, "cpu_pin")


def test_pins() -> None:
    assert parse_pins("", 2, "x") == {}
    assert parse_pins("4-5", 2, "x") == {0: {4, 5}, 1: {4, 5}}
    assert parse_pins("0=4;1=5,6", 2, "x") == {0: {4}, 1: {5, 6}}
    for wrong in ("2=1", "0=1;0=2", "x=1", "0=", "=1", "0=1;"):
        with pytest.raises(InvalidInput):
            parse_pins(wrong, 2, "x")


@pytest.mark.parametrize("kind", PROFILES)
def test_every_kind_of_guest_has_a_profile_that_fits(kind: str) -> None:
    check_hardware(settle({"os": kind}), SIZE, Firmware.UEFI)
    chosen = {"os": kind, "clock": "utc", "tpm": "off", "video": "virtio"}
    assert to_record(settle(chosen)).items() >= chosen.items()


def test_the_kind_of_guest_of_an_image() -> None:
    kinds = [guess_os(each) for each in ("", "debian12", "win11", "win10", "win2k22")]
    assert kinds == ["linux", "linux", "windows-11", "windows", "windows"]


@pytest.mark.parametrize(
    ("chosen", "field"),
    [
        ({"nonsense": 1}, "nonsense"),
        ({"firmware": "uefi"}, "firmware"),
        ({"os": "beos"}, "os"),
        ({"os": 7}, "os"),
        ({"cpu": "a b"}, "cpu"),
        ({"cpu": "<x/>"}, "cpu"),
        ({"cpu": ""}, "cpu"),
        ({"cpu_topology": "1:1:1"}, "cpu_topology"),
        ({"cpu_topology": "2:2"}, "cpu_topology"),
        ({"cpu_pin": "4=1"}, "cpu_pin"),
        ({"emulator_pin": "x"}, "emulator_pin"),
        ({"memory_nodes": "x"}, "memory_nodes"),
        ({"numa_cells": 3}, "numa_cells"),
        ({"numa_cells": 9}, "numa_cells"),
        ({"numa_cells": -1}, "numa_cells"),
        ({"huge_pages": "4K"}, "huge_pages"),
        ({"huge_pages": "1G", "numa_cells": 4}, "huge_pages"),
        ({"boot": "floppy"}, "boot"),
        ({"boot": "disk,disk"}, "boot"),
        ({"boot": ""}, "boot"),
        ({"rng": 1}, "rng"),
        ({"rng_rate": True}, "rng_rate"),
        ({"rng_rate": 1 << 40}, "rng_rate"),
        ({"tpm": "1.2"}, "tpm"),
    ],
)
def test_what_is_refused(chosen: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_hardware(settle(chosen), SIZE, Firmware.UEFI)
    assert refused.value.details["field"] == field


def test_secure_boot_takes_uefi() -> None:
    with pytest.raises(InvalidInput, match="UEFI"):
        check_hardware(settle({"secure_boot": True}), SIZE, Firmware.BIOS)


def test_what_people_type_becomes_values() -> None:
    typed = {"memory_nodes": "0", "rng": "false", "numa_cells": "2", "rng_rate": "4096"}
    assert normal(typed) == {"memory_nodes": "0", "rng": False, "numa_cells": 2, "rng_rate": 4096}
    assert settle({"rng": True}).rng is True  # and 1 is no truth value, whatever was asked before
    with pytest.raises(InvalidInput):
        settle({"rng": 1})


def test_every_option_is_documented() -> None:
    assert all(option.doc.endswith(".") and option.default is not None for option in HARDWARE)
