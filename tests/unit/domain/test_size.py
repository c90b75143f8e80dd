"""Sizes: what fits, what a running guest can follow, and what waits for the next start."""

from __future__ import annotations

import pytest
from tests import builders

from zcloud.domain.errors import InvalidInput, NotLive
from zcloud.domain.instance import RUNS, InstanceStatus
from zcloud.domain.pending import pending
from zcloud.domain.size import (
    BLOCK_MIB,
    MAX_MEMORY_MIB,
    MAX_VCPUS,
    Size,
    ask_size,
    check_live,
    check_size,
    live_size,
    modules,
    read_size,
)


def test_there_is_never_less_room_than_size() -> None:
    assert Size(4, 512) == Size(4, 512, 4, 512)
    assert Size(4, 512, 2, 256) == Size(4, 512, 4, 512)
    assert read_size({**Size(1, 256, 3, 512).to_record(), "flavor": "x"}) == Size(1, 256, 3, 512)


@pytest.mark.parametrize(
    ("size", "field"),
    [
        (Size(0, 512), "vcpus"),
        (Size(MAX_VCPUS + 1, 512), "vcpus"),
        (Size(1, 512, MAX_VCPUS + 1), "max_vcpus"),
        (Size(1, 63), "memory_mib"),
        (Size(1, 255), "memory_mib"),
        (Size(1, MAX_MEMORY_MIB + 1), "memory_mib"),
        (Size(1, 512, 1, MAX_MEMORY_MIB + 1), "max_memory_mib"),
    ],
)
def test_sizes_out_of_bounds(size: Size, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_size(size, 256)
    assert refused.value.details["field"] == field


@pytest.mark.parametrize(("most", "field"), [((1, 0), "max_vcpus"), ((0, 511), "max_memory_mib")])
def test_the_most_is_not_less_than_the_beginning(most: tuple[int, int], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        ask_size(2, 512, *most)
    assert refused.value.details["field"] == field
    assert ask_size(2, 512, 0, 0) == Size(2, 512)


@pytest.mark.parametrize("wanted", [Size(1, 256, 4, 1024), Size(4, 1024, 4, 1024), Size(3, 300, 4, 1024)])
def test_what_a_running_guest_can_follow(wanted: Size) -> None:
    check_live("web", Size(2, 512, 4, 1024), wanted)


@pytest.mark.parametrize("wanted", [Size(5, 512, 4, 1024), Size(2, 1025, 4, 1024), Size(2, 512, 8, 1024), Size(2, 512)])
def test_what_it_cannot(wanted: Size) -> None:
    with pytest.raises(NotLive, match="web") as refused:
        check_live("web", Size(2, 512, 4, 1024), wanted)
    assert "--next-start" in refused.value.hint


def test_modules_are_whole_blocks() -> None:
    assert [modules(256, wanted) for wanted in (0, 256, 257, 384, 385)] == [0, 0, BLOCK_MIB, BLOCK_MIB, 2 * BLOCK_MIB]


@pytest.mark.parametrize("status", list(InstanceStatus))
def test_what_is_pending(status: InstanceStatus) -> None:
    live = Size(1, 512).to_record()
    instance = builders.instance("p", "h", "i", status=status, vcpus=2, memory_mib=512, live=live)
    expected = {"vcpus": {"now": 1, "next": 2}, "max_vcpus": {"now": 1, "next": 2}} if status in RUNS else {}
    assert pending(instance) == expected


def test_a_run_from_before_sizes_were_recorded_has_what_is_wanted() -> None:
    instance = builders.instance("p", "h", "i", status=InstanceStatus.RUNNING)
    assert (live_size(instance), pending(instance)) == (Size(1, 512), {})
