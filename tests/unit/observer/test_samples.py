"""Counters as blobs, and the rates that they give."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zcloud.domain.samples import find_row, pack, series, unpack
from zcloud.services.usage import thin

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def row(id: str = "a", **changes: Any) -> dict[str, Any]:
    plain = {"id": id, "cpu_ns": 0, "vcpus": 2, "memory_kib": 1024, "rss_kib": 512, "disks": {}, "nics": {}}
    return plain | changes


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)


@given(st.lists(names, unique=True, max_size=20))
def test_every_row_is_found_and_no_other(ids: list[str]) -> None:
    rows = [row(id, cpu_ns=number) for number, id in enumerate(ids)]
    blob = pack(rows)
    assert unpack(blob) == rows
    assert [find_row(blob, id) for id in ids] == rows
    assert find_row(blob, "".join(ids) + "?") is None


def test_rates() -> None:
    before = row(
        cpu_ns=10_000_000_000,
        disks={"vda": {"rd_bytes": 100, "wr_bytes": 0, "rd_reqs": 1}, "vdb": {"rd_bytes": 0}},
        nics={"zc1": {"rx_bytes": 5, "tx_bytes": 50}},
    )
    after = row(
        cpu_ns=20_000_000_000,
        disks={"vda": {"rd_bytes": 300, "wr_bytes": 1000, "rd_reqs": 11, "wr_reqs": 10}, "vdb": {"rd_bytes": 200}},
        nics={"zc1": {"rx_bytes": 105, "tx_bytes": 1050}},
    )
    [rates] = series([(at(0), before), (at(10), after)])
    assert (rates.time, rates.seconds, rates.cpu) == (at(10), 10.0, 50.0)
    assert (rates.memory, rates.resident) == (1 << 20, 512 << 10)
    assert (rates.disk_read, rates.disk_written, rates.disk_requests) == (40.0, 100.0, 2.0)
    assert (rates.net_received, rates.net_sent) == (10.0, 100.0)


def test_no_rates_across_a_gap_or_a_new_run() -> None:
    ticks = [(at(0), row(cpu_ns=5)), (at(1), None), (at(2), row(cpu_ns=9)), (at(3), row(cpu_ns=2))]
    assert series(ticks) == []
    assert len(series([*ticks, (at(4), row(cpu_ns=3))])) == 1
    assert series([(at(0), row()), (at(0), row())]) == []


@pytest.mark.parametrize("count", [0, 1, 2, 59, 60, 61, 360, 1000])
def test_an_hour_is_thinned_evenly_and_ends_with_the_last(count: int) -> None:
    times = [at(second) for second in range(count)]
    chosen = thin(times)
    assert chosen[-1:] == times[-1:]
    assert len(chosen) <= 60
    assert len(chosen) >= min(count, 30)
    assert len({b - a for a, b in pairwise(chosen)}) <= 1
