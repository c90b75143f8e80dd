"""libvirt's numbers and errors in our words, and the hypervisor over libvirt's own test driver."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import libvirt
import pytest

from zcloud.domain.errors import HostUnreachable, HypervisorFailed, NotFound, WrongState
from zcloud.hosts.address import TcpPlace
from zcloud.hosts.libvirt import Connection, Keepalive, LibvirtHypervisor
from zcloud.hosts.libvirt.errors import translate
from zcloud.hosts.libvirt.screen import check_open, screen_place
from zcloud.hosts.libvirt.states import domain_state, lifecycle, state_reason
from zcloud.hosts.libvirt.stats import to_stats
from zcloud.ports import DomainState

ABSENT = "00000000-0000-4000-8000-000000000000"
DOMAIN = "<domain type='test'><name>a</name><uuid>{}</uuid><memory>8192</memory><os><type>hvm</type></os></domain>"


class _Error(libvirt.libvirtError):
    def __init__(self, code: int, domain: int, words: str) -> None:
        Exception.__init__(self, words)
        self._facts = (code, domain, words)

    def get_error_code(self) -> int | None:
        return self._facts[0]

    def get_error_domain(self) -> int | None:
        return self._facts[1]

    def get_error_message(self) -> str | None:
        return self._facts[2]


def test_a_refusal_has_libvirts_words_and_code() -> None:
    error = translate(_Error(67, 10, "XML document failed to validate"))
    assert isinstance(error, HypervisorFailed)
    assert "failed to validate" in error.message
    assert error.details["libvirt_code"] == 67


@pytest.mark.parametrize(
    ("domain", "alive"), [(libvirt.VIR_FROM_RPC, True), (libvirt.VIR_FROM_REMOTE, True), (10, False)]
)
def test_a_broken_connection_is_an_unreachable_host(domain: int, alive: bool) -> None:
    error = translate(_Error(38, domain, "client socket is closed"), alive=alive, host_id="h")
    assert isinstance(error, HostUnreachable)
    assert error.details["host_id"] == "h"


def test_states_reasons_and_events_have_libvirts_numbers() -> None:
    assert domain_state(libvirt.VIR_DOMAIN_PAUSED) is DomainState.PAUSED
    assert state_reason(DomainState.PAUSED, libvirt.VIR_DOMAIN_PAUSED_IOERROR) == "ioerror"
    assert state_reason(DomainState.SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_CRASHED) == "crashed"
    assert lifecycle(libvirt.VIR_DOMAIN_EVENT_STOPPED, libvirt.VIR_DOMAIN_EVENT_STOPPED_FAILED) == ("stopped", "failed")
    assert lifecycle(libvirt.VIR_DOMAIN_EVENT_CRASHED, 0) == ("crashed", "panicked")


def test_numbers_of_a_newer_libvirt_are_unknown_and_no_error() -> None:
    assert domain_state(99) is DomainState.UNKNOWN
    assert state_reason(DomainState.RUNNING, 99) == "unknown"
    assert state_reason(DomainState.BLOCKED, 3) == "unknown"
    assert lifecycle(99, 1) == ("unknown", "unknown")
    assert lifecycle(2, -1) == ("started", "unknown")


def test_counters_are_gathered_by_device() -> None:
    record = {
        "state.state": 1, "state.reason": 1, "cpu.time": 5, "vcpu.current": 2, "balloon.current": 1024,
        "net.count": 1, "net.0.name": "zc0", "net.0.rx.bytes": 7, "net.0.tx.pkts": 8,
        "block.count": 3, "block.0.name": "vda", "block.0.rd.bytes": 1, "block.0.allocation": 2,
        "block.1.name": "vda", "block.1.backingIndex": 2, "block.1.rd.bytes": 99, "block.2.path": "/x",
    }  # fmt: skip
    counted = to_stats("u", record)
    assert (counted.state, counted.cpu_time_ns, counted.vcpus, counted.memory_kib) == (DomainState.RUNNING, 5, 2, 1024)
    assert counted.nics == {"zc0": {"rx_bytes": 7, "tx_packets": 8}}
    assert counted.disks == {"vda": {"rd_bytes": 1, "allocation": 2}}


@pytest.fixture
def hypervisor() -> Iterator[LibvirtHypervisor]:
    """Give libvirt's test driver, which keeps everything in this process."""
    connection = Connection(Keepalive(0, 0), lambda why: None)
    connection.open("test:///default")
    yield LibvirtHypervisor(connection, connection)
    connection.close()


def test_the_test_driver_lists_and_reads(hypervisor: LibvirtHypervisor) -> None:
    (domain,) = hypervisor.list_domains()
    assert (domain.name, domain.state, domain.persistent) == ("test", DomainState.RUNNING, True)
    assert domain.uuid in (hypervisor.domain_xml(domain.uuid) or "")
    assert hypervisor.domain_xml(ABSENT) is None
    assert hypervisor.network_xml("none") is None
    assert hypervisor.list_networks() == {"default": True}
    assert hypervisor.list_pools() == [("default-pool", "dir", "/default-pool")]
    assert hypervisor.node().cpus > 0
    assert [stats.uuid for stats in hypervisor.stats()] == [domain.uuid]


def test_verbs_may_be_said_twice(hypervisor: LibvirtHypervisor) -> None:
    uuid = ABSENT.replace("8000", "9000")
    for _ in range(2):
        hypervisor.define(DOMAIN.format(uuid))
    for verb, state in (
        (hypervisor.start, DomainState.RUNNING),
        (hypervisor.resume, DomainState.RUNNING),
        (hypervisor.destroy, DomainState.SHUTOFF),
        (hypervisor.shutdown, DomainState.SHUTOFF),
    ):
        for _ in range(2):
            verb(uuid)
            assert {each.uuid: each.state for each in hypervisor.list_domains()}[uuid] is state


def test_absent_domains_are_fine_only_where_nothing_is_wanted_of_them(hypervisor: LibvirtHypervisor) -> None:
    for fine in (hypervisor.destroy, hypervisor.undefine, hypervisor.shutdown):
        fine(ABSENT)
    for wanted in (hypervisor.start, hypervisor.resume, hypervisor.guest_addresses, hypervisor.open_console):
        with pytest.raises(NotFound):
            wanted(ABSENT)
    with pytest.raises(HypervisorFailed):
        hypervisor.define("<domain/>")


def test_a_network_that_is_defined_is_only_started(hypervisor: LibvirtHypervisor) -> None:
    xml = "<network><name>n</name><uuid>{}</uuid><bridge name='nbr'/></network>"
    hypervisor.ensure_network(xml.format(ABSENT.replace("8000", "9000")))
    hypervisor.ensure_network(xml.format(ABSENT.replace("8000", "9000")))
    assert hypervisor.list_networks()["n"] is True
    with pytest.raises(HypervisorFailed, match="another network"):
        hypervisor.ensure_network(xml.format(ABSENT))
    for _ in range(2):
        hypervisor.remove_network("n")
    assert "n" not in hypervisor.list_networks()


def test_a_closed_connection_refuses_at_once() -> None:
    connection = Connection(Keepalive(0, 0), lambda why: None, host_id="h")
    hypervisor = LibvirtHypervisor(connection, connection)
    with pytest.raises(HostUnreachable, match="not been connected"):
        hypervisor.node()
    connection.open("test:///default")
    hypervisor.node()
    connection.hold("the watch is silent")
    with pytest.raises(HostUnreachable, match="watch is silent"):
        hypervisor.node()
    connection.open("test:///default")
    hypervisor.node()
    connection.close()
    with pytest.raises(HostUnreachable):
        hypervisor.node()
    with pytest.raises(HostUnreachable):
        connection.open("qemu+unix:///system?socket=/nonexistent/sock")


@pytest.mark.parametrize(
    ("graphics", "place"),
    [
        ("<graphics type='vnc'><listen type='socket' socket='/run/vnc'/></graphics>", "/run/vnc"),
        (
            "<graphics type='vnc' port='5901'><listen type='address' address='192.0.2.7'/></graphics>",
            ("192.0.2.7", 5901),
        ),
        ("<graphics type='vnc' port='5900'><listen type='address' address='0.0.0.0'/></graphics>", ("localhost", 5900)),
        (
            "<graphics type='spice' port='5902'><listen type='network' network='n' address='::1'/></graphics>",
            ("::1", 5902),
        ),
        ("<graphics type='vnc' port='-1'><listen type='address' address='127.0.0.1'/></graphics>", None),
        ("<graphics type='vnc'><listen type='none'/></graphics>", None),
        ("", None),
    ],
)
def test_where_a_screen_listens(graphics: str, place: object) -> None:
    xml = f"<domain type='qemu'><name>a</name><devices>{graphics}</devices></domain>"
    if place is None:
        with pytest.raises(WrongState, match="no screen"):
            screen_place(xml)
    else:
        assert screen_place(xml) == place


def test_a_screen_that_ssh_is_not_let_through_to_is_told() -> None:
    here, there = socket.socketpair()
    with here, there:
        there.sendall(b"RFB 003.008\n")
        check_open(here, TcpPlace("127.0.0.1", 5900))
        assert here.recv(12) == b"RFB 003.008\n"
        there.close()
        with pytest.raises(HypervisorFailed, match="SSH is not let through"):
            check_open(here, TcpPlace("127.0.0.1", 5900))
