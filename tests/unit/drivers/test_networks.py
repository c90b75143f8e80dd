"""What the network drivers write and read: pure builders, checks against a host's answers, faults in between."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from tests.conformance.records import new_network, new_port

from zcloud.domain.errors import CommandFailed, InvalidInput, NeedsRoot, NetworkUnusable, ToolMissing
from zcloud.domain.network import Network, Port
from zcloud.domain.plug import NicKind
from zcloud.domain.records import RecordFormat, export_records
from zcloud.drivers import registry
from zcloud.drivers.network import guard_rules
from zcloud.drivers.network.bridge import find_problem
from zcloud.drivers.network.guard_rules import Element, GuardedPort, IPv6, Listing, Security
from zcloud.drivers.network.nat import build_lease, build_names, build_network, find_rival
from zcloud.hosts.nftscript import check_script
from zcloud.libvirtxml.network import DnsHost, VirtualNetwork
from zcloud.testing.fakedisk import FakeError
from zcloud.testing.fakes import FakeLink

ONE = GuardedPort("zc00000000001", "52:54:00:00:00:01", "10.0.0.1", "net-a")
TWO = GuardedPort("zc00000000002", "52:54:00:00:00:02", "10.0.0.2", "net-b", ipv6=IPv6.UNFILTERED)
OPEN = GuardedPort("zc00000000003", "52:54:00:00:00:03", "10.0.0.3", "net-b", Security.OFF)


def network_and_port(**changes: Any) -> tuple[Network, Port]:
    network = dataclasses.replace(
        new_network("nat"), id="11111111-2222-4333-8444-555555555555", cidr="10.5.0.0/24", gateway="10.5.0.1"
    )
    return network, dataclasses.replace(new_port(network, 9), tap="zc00000000009", mac="52:54:00:00:00:09", **changes)


# -- anti-spoofing -----------------------------------------------------------------------------


def test_scripts_are_allowed_on_hosts() -> None:
    for script in (guard_rules.RULES, guard_rules.REMOVAL, guard_rules.build_admission([ONE, TWO, OPEN])):
        check_script(script.encode())


def test_admission_and_release() -> None:
    assert guard_rules.build_admission([ONE]) == (
        'add element bridge zcloud addresses { "zc00000000001" . 10.0.0.1 comment "net-a" }\n'
        'add element bridge zcloud macs { "zc00000000001" . 52:54:00:00:00:01 comment "net-a" }\n'
    )
    assert {element.set for element in TWO.elements()} == {"macs", "addresses", "ipv6"}
    assert {element.set for element in OPEN.elements()} == {"unguarded"}
    released = guard_rules.build_release([OPEN]).splitlines()
    assert released[1::2] == [
        'delete element bridge zcloud addresses { "zc00000000003" . 10.0.0.3 }',
        'delete element bridge zcloud ipv6 { "zc00000000003" }',
        'delete element bridge zcloud macs { "zc00000000003" . 52:54:00:00:00:03 }',
        'delete element bridge zcloud unguarded { "zc00000000003" }',
    ]


def test_port_without_an_address_may_send_no_ip() -> None:
    assert {element.set for element in dataclasses.replace(ONE, address="").elements()} == {"macs"}


def test_difference_and_healing() -> None:
    stale = Element("macs", ("zc00000000009", "52:54:00:00:00:09"), "net-a")
    moved = Element("addresses", ("zc00000000001", "10.0.0.1"), "net-b")
    present = {*TWO.elements(), *ONE.elements(), stale, moved} - {
        Element("addresses", ("zc00000000001", "10.0.0.1"), "net-a")
    }
    difference = guard_rules.diff([ONE, TWO], Listing(frozenset(present), guard_rules.RULE_COUNT))
    assert difference.surplus == {stale, moved}
    assert {element.owner for element in difference.missing} == {"net-a"}
    link = FakeLink()
    guard = registry.guard(link)
    guard.ensure_table()
    link.shell.nft.apply("".join(guard_rules._line("add", element) for element in present))
    assert guard.reconcile([ONE, TWO]) == difference
    assert guard.elements() == ONE.elements() | TWO.elements()
    assert not guard.reconcile([ONE, TWO])


def test_a_refused_transaction_changes_nothing() -> None:
    link = FakeLink()
    guard = registry.guard(link)
    guard.admit(ONE)
    bad = guard_rules.build_admission([TWO]) + 'delete element bridge zcloud ipv6 { "zc00000000008" }\n'
    assert link.shell.run(["nft", "-f", "-"], stdin=bad.encode(), check=False).code == 1
    assert guard.elements() == ONE.elements()


def test_admission_is_one_command_once_the_table_is_there() -> None:
    link = FakeLink()
    guard = registry.guard(link)
    guard.ensure_table()
    link.shell.history.clear()
    guard.admit(ONE, TWO, OPEN)
    assert link.shell.history == [("nft", "-f", "-")]


def test_rules_that_somebody_flushed_are_put_back() -> None:
    link = FakeLink()
    guard = registry.guard(link)
    guard.admit(ONE)
    whole = link.shell.nft.rules
    link.shell.nft.apply("flush table bridge zcloud")
    assert guard.compare_ports([ONE]).bare
    guard.admit(TWO)  # no guest starts unguarded
    assert link.shell.nft.rules == whole
    link.shell.nft.apply("flush table bridge zcloud")
    guard.mend(guard.compare_ports([ONE]))
    assert link.shell.nft.rules == whole
    assert guard.elements() == ONE.elements() | TWO.elements()
    assert not guard.compare_ports([ONE, TWO])


def test_nft_errors_are_said() -> None:
    link = FakeLink()
    for message, error in (("Operation not permitted", NeedsRoot), ("syntax error", CommandFailed)):
        link.shell.nft.apply = _raiser(message)  # type: ignore[method-assign]
        with pytest.raises(error, match=message):
            registry.guard(link).ensure_table()
    with pytest.raises(CommandFailed, match="cannot be read"):
        guard_rules.parse_listing(b"[]")


def _raiser(message: str) -> Any:
    def fail(_script: str) -> None:
        raise FakeError(message)

    return fail


# -- NAT ---------------------------------------------------------------------------------------


def test_nat_network() -> None:
    network, _ = network_and_port()
    document = VirtualNetwork.parse(build_network(network, "zc-11111111", "zbr-11111111", "/leases"))
    assert (document.name, document.uuid, document.bridge) == ("zc-11111111", network.id, "zbr-11111111")
    assert (document.forward.mode, document.domain, document.domain_local_only) == ("nat", "cloud.test", True)
    assert [forwarder.address for forwarder in document.dns.forwarders] == ["192.0.2.53"]
    assert [(ip.address, ip.prefix, ip.dhcp) for ip in document.ips] == [("10.5.0.1", 24, False)]
    assert [option.value for option in document.dnsmasq_options] == [
        "dhcp-range=10.5.0.1,static",
        "dhcp-hostsdir=/leases",
        "dhcp-no-override",
        "dhcp-authoritative",
        "no-ping",
        "no-hosts",
    ]


@pytest.mark.parametrize(
    ("hostname", "zone", "names"),
    [
        ("web.team.cloud.test", "cloud.test", ("web.team.cloud.test", "web.team")),
        ("web.team.other", "cloud.test", ("web.team.other",)),
        ("web.team", "", ("web.team",)),
        ("", "cloud.test", ("zc00000000009.cloud.test",)),
        ("", "", ("zc00000000009",)),
    ],
)
def test_lease_and_names(hostname: str, zone: str, names: tuple[str, ...]) -> None:
    _, port = network_and_port(hostname=hostname)
    assert build_lease(port) == b"52:54:00:00:00:09,10.5.0.9,24h\n"
    entry = DnsHost.parse(build_names(port, zone))
    assert (entry.ip, entry.hostnames) == ("10.5.0.9", names)


@pytest.mark.parametrize(
    ("link", "route", "rival"),
    [
        ({"ifname": "eth0", "addr_info": [{"family": "inet", "local": "10.5.0.200", "prefixlen": 16}]}, {}, "eth0"),
        ({"ifname": "zbr-11111111", "addr_info": [{"family": "inet", "local": "10.5.0.1", "prefixlen": 24}]}, {}, ""),
        ({"ifname": "eth0", "addr_info": [{"family": "inet6", "local": "fe80::1", "prefixlen": 64}]}, {}, ""),
        ({}, {"dst": "10.5.0.128/25", "dev": "tun0"}, "tun0"),
        ({}, {"dst": "10.5.0.7", "dev": "tun0"}, "10.5.0.7"),
        ({}, {"dst": "10.5.0.0/24", "dev": "zbr-11111111"}, ""),
        ({}, {"dst": "default", "dev": "eth0"}, ""),
        ({}, {"dst": "fe80::/64", "dev": "eth0"}, ""),
        ({}, {"type": "blackhole", "dst": "10.5.0.0/16"}, "10.5.0.0/16"),
    ],
)
def test_rivals_of_a_subnet(link: dict[str, Any], route: dict[str, Any], rival: str) -> None:
    found = find_rival("10.5.0.0/24", "zbr-11111111", [link], [route])
    assert rival in found
    assert bool(found) == bool(rival)


def test_check_refuses_rivals_and_a_host_that_does_not_forward() -> None:
    network, _ = network_and_port()
    link = FakeLink()
    driver = registry.network(network, link)
    driver.check()
    link.shell.answers["sysctl -n net.ipv4.ip_forward"] = b"0\n"
    driver.check()  # libvirt switches it on when it starts the network
    driver.ensure_network()
    with pytest.raises(NetworkUnusable, match="forward"):
        driver.check()
    link.shell.answers["ip -j route show"] = json.dumps([{"dst": "10.5.0.0/24", "dev": "vpn"}]).encode()
    with pytest.raises(NetworkUnusable, match="vpn"):
        driver.check()
    link.shell.fail("dhcp_release", CommandFailed("no such program"))
    with pytest.raises(ToolMissing, match="dhcp_release"):
        driver.check()


def test_guard_comes_first_and_goes_last() -> None:
    network, port = network_and_port()
    link = FakeLink()
    driver = registry.network(network, link)
    driver.ensure_network()
    link.shell.history.clear()
    driver.ensure_port(port)
    assert [words[0] for words in link.shell.history] == ["nft", "write_file"]
    link.shell.history.clear()
    driver.remove_port(port)
    assert [words[0] for words in link.shell.history] == ["remove", "dhcp_release", "nft"]


@pytest.mark.parametrize("case", ["nat", "bridge"])
def test_any_command_of_a_port_may_fail_and_be_tried_again(case: str) -> None:
    network = new_network(case)
    port = new_port(network, 10)
    for point in range(1, 10):
        link = FakeLink()
        driver = registry.network(network, link)
        driver.ensure_network()
        for work, expected in ((driver.ensure_port, {port.tap}), (driver.remove_port, set())):
            link.shell.fail_at(len(link.shell.history) + point, CommandFailed("planned"))
            try:
                work(port)
            except CommandFailed:
                work(port)
            link.shell.heal()
            assert driver.list_ports() == expected


@pytest.mark.parametrize(
    ("isolation", "project", "isolated"),
    [("auto", None, True), ("auto", "p", False), ("on", "p", True), ("off", None, False)],
)
@pytest.mark.parametrize("case", ["nat", "bridge"])
def test_isolation(case: str, isolation: str, project: str | None, isolated: bool) -> None:
    network = dataclasses.replace(new_network(case, isolation=isolation), project_id=project)
    plug = registry.network(network, FakeLink()).plug(new_port(network, 10))
    assert plug.isolated is isolated
    assert (plug.kind, plug.source) == {
        "nat": (NicKind.NETWORK, f"zc-{network.id[:8]}"),
        "bridge": (NicKind.BRIDGE, "br0"),
    }[case]


# -- an existing bridge ------------------------------------------------------------------------

LINKS: list[dict[str, Any]] = [
    {"ifname": "lo", "flags": ["UP"]},
    {"ifname": "eth0", "flags": ["UP"]},
    {"ifname": "bond0", "flags": ["UP"], "linkinfo": {"info_kind": "bond"}},
    {"ifname": "br0", "flags": ["UP"], "linkinfo": {"info_kind": "bridge"}},
    {"ifname": "br1", "flags": [], "linkinfo": {"info_kind": "bridge"}},
]


@pytest.mark.parametrize(
    ("bridge", "problem"),
    [("br0", ""), ("br9", "no bridge"), ("eth0", "a network card"), ("bond0", "bond"), ("br1", "down")],
)
def test_bridge_must_be_a_bridge(bridge: str, problem: str) -> None:
    assert problem in find_problem(bridge, LINKS)
    link = FakeLink()
    link.shell.answers["ip -j -d link show"] = json.dumps(LINKS).encode()
    driver = registry.network(new_network("bridge", bridge=bridge), link)
    if not problem:
        driver.check()
        return
    with pytest.raises(NetworkUnusable, match=problem) as raised:
        driver.check()
    assert raised.value.details == {"bridges": ["br0", "br1"], "interfaces": ["eth0"]}


@pytest.mark.parametrize("bridge", ["", "../x", "a b", "x" * 16, "-x"])
def test_bridge_names(bridge: str) -> None:
    with pytest.raises(InvalidInput):
        registry.network(new_network("bridge", bridge=bridge), FakeLink())


# -- records -----------------------------------------------------------------------------------


def test_records_are_exported_by_address() -> None:
    network, _ = network_and_port()
    ports = [new_port(network, number) for number in (100, 9)] + [new_port(network, 5, hostname="")]
    assert export_records(ports) == "10.5.0.9\tweb9.team.cloud.test\n10.5.0.100\tweb100.team.cloud.test\n"
    assert export_records(ports, RecordFormat.ZONE) == (
        "web9.team.cloud.test.\tIN\tA\t10.5.0.9\nweb100.team.cloud.test.\tIN\tA\t10.5.0.100\n"
    )
    for hostname in ("a b", "x\n10.0.0.1 bank", "-x", "$INCLUDE", "a..b", "A.b"):
        with pytest.raises(InvalidInput):
            export_records([new_port(network, 9, hostname=hostname)])


def test_unknown_kinds_are_refused() -> None:
    with pytest.raises(InvalidInput, match="no kind of pool"):
        registry.check_storage_options("floppy", {})
    with pytest.raises(InvalidInput, match="no kind of network"):
        registry.check_network_options("token-ring", {})
    assert registry.check_network_options("nat", {})["port_security"] == "strict"
