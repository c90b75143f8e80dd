"""Where guests are seen: what each source says, what is kept of it, and how it differs from what was given."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import builders

from zcloud.domain.addresses import (
    AGENT,
    LEASE,
    TRAFFIC,
    Sight,
    differences,
    merge,
    parse_leases,
    parse_neighbours,
    shown_address,
)

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
MAC = "52:54:00:00:00:01"


def sight(address: str, source: str, ago_s: float = 0) -> Sight:
    """Give a sight of the guest."""
    return Sight(MAC, address, source, NOW - timedelta(seconds=ago_s))


def test_neighbours_are_dated_and_failed_ones_left_out() -> None:
    rows = [
        {"dst": "10.0.0.5", "dev": "zbr-1", "lladdr": MAC.upper(), "confirmed": 22, "state": ["STALE"]},
        {"dst": "10.0.0.6", "dev": "zbr-1", "confirmed": 1, "state": ["FAILED"]},
        {"dst": "10.0.0.7", "dev": "zbr-1", "confirmed": 1, "state": ["REACHABLE"]},
        {"dst": "evil\n", "lladdr": MAC, "confirmed": 1, "state": []},
        {"dst": "10.0.0.8", "lladdr": MAC, "state": ["REACHABLE"]},
        7,
    ]
    assert parse_neighbours(json.dumps(rows).encode(), NOW) == [sight("10.0.0.5", TRAFFIC, 22)]


def test_leases_that_are_over_are_left_out() -> None:
    rows = [
        {"ip-address": "10.0.0.5", "mac-address": MAC, "expiry-time": int(NOW.timestamp()) + 60},
        {"ip-address": "10.0.0.6", "mac-address": MAC, "expiry-time": int(NOW.timestamp()) - 60},
    ]
    assert parse_leases(json.dumps(rows).encode(), NOW) == [sight("10.0.0.5", LEASE)]
    assert parse_leases(b"", NOW) == []


@given(st.binary())
def test_nonsense_tells_nothing(text: bytes) -> None:
    assert parse_neighbours(text, NOW) + parse_leases(text, NOW) == []


def test_sources_come_together_and_only_news_is_written() -> None:
    first = merge([], [sight("fe80::1", AGENT), sight("10.0.0.5", AGENT), sight("10.0.0.5", TRAFFIC, 9)], NOW)
    assert [each["address"] for each in first] == ["10.0.0.5", "fe80::1"]
    assert set(first[0]["seen"]) == {AGENT, TRAFFIC}
    minute = NOW + timedelta(minutes=1)
    again = Sight(MAC, "10.0.0.5", TRAFFIC, minute)
    assert merge(first, [again], minute) == first
    later = NOW + timedelta(minutes=6)
    assert merge(first, [dataclasses.replace(again, at=later)], later) != first


def test_what_the_agent_tells_no_more_is_gone_and_the_rest_after_an_hour() -> None:
    first = merge([], [sight("10.0.0.5", AGENT), sight("10.0.0.9", AGENT), sight("10.0.0.9", TRAFFIC)], NOW)
    minute = NOW + timedelta(minutes=1)
    told = merge(first, [Sight(MAC, "10.0.0.7", AGENT, minute)], minute)
    assert {each["address"]: set(each["seen"]) for each in told} == {"10.0.0.9": {TRAFFIC}, "10.0.0.7": {AGENT}}
    late = NOW + timedelta(hours=2)
    assert [each["address"] for each in merge(told, [Sight(MAC, "10.0.0.7", LEASE, late)], late)] == ["10.0.0.7"]


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        ([], []),
        (["10.0.0.5", "fe80::1"], []),
        (["10.0.0.9"], ["NIC 0 was given 10.0.0.5, but its guest uses 10.0.0.9."]),
        (["10.0.0.5", "10.0.0.9"], ["NIC 0 has 10.0.0.9 too, which zcloud did not give it."]),
    ],
)
def test_differences_are_told_in_words(seen: list[str], told: list[str]) -> None:
    port = builders.port("i", "n", mac=MAC, address="10.0.0.5", slot=0)
    assert differences([port], merge([], [sight(each, AGENT) for each in seen], NOW)) == told


def test_the_address_that_is_shown_is_the_instance_s_own_or_the_guest_s_word() -> None:
    seen = {"addresses": [{"address": ""}, {"address": "10.0.0.9"}, {"address": "10.0.0.10"}]}
    assert shown_address(("", "10.0.0.5", "10.0.0.6"), seen) == "10.0.0.5"
    assert shown_address((), seen) == shown_address(("",), seen) == "10.0.0.9"
    assert shown_address((), {}) == ""
