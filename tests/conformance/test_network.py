"""The contract of network drivers (``drivers/network/base.py``), run against every driver on every backend."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conformance.conftest import BRIDGES
from tests.conformance.records import NETWORK, new_network, new_port

from zcloud.domain.errors import InvalidInput
from zcloud.domain.network import Network
from zcloud.drivers import registry
from zcloud.drivers.network.base import NetworkDriver
from zcloud.ports import HostLink
from zcloud.testing.fakes import FakeLink


@pytest.fixture(params=NETWORK)
def case(request: pytest.FixtureRequest) -> str:
    """Give each registered case."""
    return str(request.param)


@pytest.fixture
def network(case: str) -> Network:
    """Give a network of the case."""
    return new_network(case)


@pytest.fixture
def driver(network: Network, link: HostLink) -> Iterator[NetworkDriver]:
    """Give a driver whose network is made, and see that nothing of it stays."""
    driver = registry.network(network, link)
    driver.check()
    driver.ensure_network()
    yield driver
    assert driver.list_ports() == set()
    driver.remove_network()
    driver.remove_network()
    assert not any(name.endswith(network.id[:8]) for name in link.hypervisor.list_networks())
    registry.guard(link).remove()


def test_every_kind_has_a_case() -> None:
    assert {kind for kind, _ in NETWORK.values()} == set(registry.network_kinds())
    for kind, (info, options) in registry.network_kinds().items():
        assert info.kind == kind
        assert all(text for text in (info.title, info.doc, *(option.doc for option in options)))


def test_network_twice(driver: NetworkDriver) -> None:
    driver.ensure_network()
    driver.check()
    assert driver.list_ports() == set()


def test_port_is_admitted_and_removed_twice(network: Network, driver: NetworkDriver) -> None:
    port = new_port(network, 10)
    plug = driver.ensure_port(port)
    assert driver.ensure_port(port) == plug == driver.plug(port)
    assert (plug.port_id, plug.mac, plug.tap) == (port.id, port.mac, port.tap)
    assert driver.list_ports() == {port.tap}
    driver.remove_port(port)
    driver.remove_port(port)
    assert driver.list_ports() == set()


def test_two_ports_are_apart(network: Network, driver: NetworkDriver) -> None:
    one, two = new_port(network, 10), new_port(network, 11)
    driver.ensure_port(one)
    driver.ensure_port(two)
    driver.remove_port(one)
    assert driver.list_ports() == {two.tap}
    driver.remove_port(two)


def test_address_can_be_used_again_at_once(network: Network, driver: NetworkDriver) -> None:
    for _ in range(3):
        port = new_port(network, 10)
        driver.ensure_port(port)
        assert driver.list_ports() == {port.tap}
        driver.remove_port(port)


def test_networks_of_one_host_are_apart(case: str, network: Network, driver: NetworkDriver, link: HostLink) -> None:
    other_network = new_network(case)
    other = registry.network(other_network, link)
    other.ensure_network()
    mine, theirs = new_port(network, 10), new_port(other_network, 10)
    driver.ensure_port(mine)
    other.ensure_port(theirs)
    assert (driver.list_ports(), other.list_ports()) == ({mine.tap}, {theirs.tap})
    other.remove_port(theirs)
    other.remove_network()
    assert driver.list_ports() == {mine.tap}
    driver.remove_port(mine)


def test_what_was_flushed_is_seen_and_healed(network: Network, driver: NetworkDriver, link: HostLink) -> None:
    port = new_port(network, 10)
    driver.ensure_port(port)
    guard = registry.guard(link)
    guard.remove()
    guard.remove()
    expected = registry.guarded(network, port)
    assert guard.compare([expected]).missing == expected.elements()
    assert guard.reconcile([expected]).missing == expected.elements()
    assert driver.list_ports() == {port.tap}
    assert not guard.compare([expected])
    driver.remove_port(port)


def test_nothing_is_lacking_once_ports_are_ensured(network: Network, driver: NetworkDriver) -> None:
    served, absent = new_port(network, 10), new_port(network, 11)
    driver.ensure_port(served)
    assert driver.lacking([served]) == []
    lacking = [absent] if driver.INFO.serves_dhcp else []
    assert driver.lacking([served, absent]) == lacking
    for port in lacking:
        driver.ensure_port(port)
        assert driver.lacking([served, absent]) == []
    driver.remove_port(absent)
    driver.remove_port(served)


def test_removal_without_network_and_table_is_fine(network: Network, link: HostLink) -> None:
    driver = registry.network(network, link)
    driver.remove_port(new_port(network, 10))
    driver.remove_network()
    assert driver.list_ports() == set()


@pytest.mark.parametrize(
    "change",
    [
        {"tap": 'zc1" }; flush ruleset #'},
        {"tap": "eth0"},
        {"tap": "zc" + "1" * 14},
        {"mac": "52:54:00:00:00"},
        {"mac": "53:54:00:00:00:01"},
        {"mac": "52:54:00:00:00:01\n"},
        {"address": "10.0.0.1/0"},
        {"address": "::1"},
    ],
    ids=str,
)
def test_hostile_ports_are_refused(case: str, fake_link: FakeLink, change: dict[str, str]) -> None:
    network = new_network(case)
    driver = registry.network(network, fake_link)
    port = dataclasses.replace(new_port(network, 10), **change)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput):
        driver.ensure_port(port)
    assert fake_link.shell.history == []


STEPS = st.lists(st.tuples(st.sampled_from(["ensure", "remove", "reconcile"]), st.integers(0, 3)), max_size=20)


@given(STEPS)
def test_any_sequence_leaves_exactly_the_expected_ports(steps: list[tuple[str, int]]) -> None:
    for case in NETWORK:
        link = FakeLink()
        link.shell.answers["ip -j -d link show"] = BRIDGES
        network = new_network(case)
        driver = registry.network(network, link)
        driver.ensure_network()
        ports = [new_port(network, number + 10) for number in range(4)]
        expected: set[int] = set()
        for verb, number in steps:
            if verb == "ensure":
                driver.ensure_port(ports[number])
                expected.add(number)
            elif verb == "remove":
                driver.remove_port(ports[number])
                expected.discard(number)
            else:
                assert not registry.guard(link).reconcile([registry.guarded(network, ports[n]) for n in expected])
            assert driver.list_ports() == {ports[n].tap for n in expected}
