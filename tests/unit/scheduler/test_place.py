"""Placement: the right host, a reason for each other, and never more than there is."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zcloud.scheduler import Demand, HostView, place
from zcloud.scheduler.filters import POOL_RESERVE
from zcloud.scheduler.model import PoolView

GIB = 1 << 30

ROOMY = HostView(
    id="h1",
    name="alpha",
    usable=True,
    unusable_reason="",
    accel="kvm",
    vcpus=16,
    vcpus_used=0,
    memory_mib=32768,
    memory_used_mib=0,
    firmwares=frozenset({"bios", "uefi"}),
    pools={"": PoolView("p1", "ssd", 100 * GIB, 80 * GIB), "ssd": PoolView("p1", "ssd", 100 * GIB, 80 * GIB)},
    networks={"": "n1", "lan": "n1"},
)
SMALL = Demand(vcpus=2, memory_mib=2048, firmware="bios", disks={"": 10 * GIB}, networks=("",))


def change(host: HostView = ROOMY, **values: object) -> HostView:
    return dataclasses.replace(host, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("host", "demand", "filter_name", "reason"),
    [
        (change(usable=False, unusable_reason="The host does not answer"), SMALL, "usable", "does not answer"),
        (change(firmwares=frozenset({"bios"})), dataclasses.replace(SMALL, firmware="uefi"), "firmware", "UEFI"),
        (change(networks={}), SMALL, "networks", "default network"),
        (ROOMY, dataclasses.replace(SMALL, networks=("dmz",)), "networks", "dmz"),
        (change(vcpus_used=15), SMALL, "cpu", "1 of 16 vCPUs"),
        (change(memory_used_mib=31000), SMALL, "memory", "1768 of 32768 MiB"),
        (change(pools={}), SMALL, "pools", "default pool"),
        (ROOMY, dataclasses.replace(SMALL, disks={"": 101 * GIB}), "pools", "100.0 GiB more"),
        (change(pools={"": PoolView("p1", "ssd", 100 * GIB, POOL_RESERVE - 1)}), SMALL, "pools", "really free"),
        (ROOMY, dataclasses.replace(SMALL, host="beta"), "pinned", "beta"),
    ],
)
def test_each_refusal_says_why(host: HostView, demand: Demand, filter_name: str, reason: str) -> None:
    placement = place([host], demand)
    assert not placement.candidates
    refusal = placement.refusals[0]
    assert (refusal.host, refusal.filter) == ("alpha", filter_name)
    assert reason in refusal.reason


def test_nearest_change_is_told() -> None:
    placement = place([change(memory_used_mib=31000)], SMALL)
    assert placement.refusals[0].nearest == "1768 MiB would fit."


def test_pinned_by_name_or_id() -> None:
    others = [ROOMY, change(id="h2", name="beta")]
    for pin in ("beta", "h2"):
        placement = place(others, dataclasses.replace(SMALL, host=pin))
        assert [each.host.name for each in placement.candidates] == ["beta"]


def test_kvm_outweighs_room() -> None:
    emulated = change(id="h2", name="beta", accel="tcg", vcpus=256, memory_mib=1 << 20)
    full_kvm = change(vcpus_used=13, memory_used_mib=30000)
    assert place([emulated, full_kvm], SMALL).candidates[0].host.name == "alpha"


def test_most_room_wins() -> None:
    used = change(memory_used_mib=16000, vcpus_used=8)
    fresh = change(id="h2", name="beta")
    assert [each.host.name for each in place([used, fresh], SMALL).candidates] == ["beta", "alpha"]


hosts = st.builds(
    lambda number, vcpus, memory, used, kvm, alive: change(
        id=f"h{number}",
        name=f"host-{number}",
        vcpus=vcpus,
        vcpus_used=min(used, vcpus),
        memory_mib=memory,
        memory_used_mib=min(used * 512, memory),
        accel="kvm" if kvm else "tcg",
        usable=alive,
        unusable_reason="" if alive else "The host does not answer",
    ),
    st.integers(0, 99),
    st.integers(1, 64),
    st.integers(512, 1 << 17),
    st.integers(0, 64),
    st.booleans(),
    st.booleans(),
)
clouds = st.lists(hosts, max_size=12, unique_by=lambda host: host.id)
demands = st.builds(
    lambda vcpus, memory: dataclasses.replace(SMALL, vcpus=vcpus, memory_mib=memory),
    st.integers(1, 64),
    st.integers(64, 1 << 17),
)


@given(clouds, demands)
def test_every_host_is_ranked_or_refused_and_what_is_ranked_fits(cloud: list[HostView], demand: Demand) -> None:
    placement = place(cloud, demand)
    names = [each.host.name for each in placement.candidates] + [each.host for each in placement.refusals]
    assert sorted(names) == sorted(host.name for host in cloud)
    for candidate in placement.candidates:
        assert candidate.host.usable
        assert demand.vcpus <= candidate.host.vcpus_free
        assert demand.memory_mib <= candidate.host.memory_free_mib
    assert all(refusal.reason for refusal in placement.refusals)
    scores = [each.score for each in placement.candidates]
    assert scores == sorted(scores, reverse=True)


@given(clouds, demands, st.randoms())
def test_the_answer_does_not_depend_on_the_order_of_hosts(
    cloud: list[HostView], demand: Demand, random: object
) -> None:
    shuffled = list(cloud)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert place(cloud, demand) == place(shuffled, demand)
