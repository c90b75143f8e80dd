"""A link to a namespace host: keys, commands, files, libvirt over a forwarded socket."""

from __future__ import annotations

import io
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest
from tests.real.hosts.pools import UUID, Watched, address_of, domain_xml, watched_pool

from zcloud.domain.errors import (
    CommandFailed,
    CommandForbidden,
    DeadlineExceeded,
    HostKeyChanged,
    HostKeyUnknown,
    HostUnreachable,
    HypervisorFailed,
    InUse,
    NotFound,
)
from zcloud.domain.host import HostKind, HostState
from zcloud.hosts import HostAddress, scan_host_key
from zcloud.hosts.ssh import LoopThread, SshLink
from zcloud.lab.hosts import Lab, NamespaceHost
from zcloud.ports import DomainEvent, DomainState, NetworkSection, Shell

NETWORK = """<network><name>t</name><uuid>22222222-2222-4222-8222-222222222222</uuid><forward mode='nat'/>
<bridge name='tbr0'/><ip address='192.168.199.1' prefix='24'><dhcp><range start='192.168.199.10' end='192.168.199.20'/>
</dhcp></ip></network>"""


@pytest.fixture
def shell(watched: Watched, host: NamespaceHost) -> Shell:
    """Give the host's shell over SSH."""
    return watched.pool.link(host.name).shell


def test_a_scanned_key_is_the_hosts_own(host: NamespaceHost) -> None:
    scanned = scan_host_key(host.address, host.ssh_port)
    assert scanned.public_key == host.host_key
    assert scanned.fingerprint in host.run(["ssh-keygen", "-lf", "/etc/ssh/lab_host_key"]).stdout


def test_scanning_a_silent_address_is_refused_in_time(host: NamespaceHost) -> None:
    began = time.monotonic()
    with pytest.raises(HostUnreachable):
        scan_host_key(host.address, 9)
    assert time.monotonic() - began < 20


def test_another_key_than_the_pinned_one_is_refused(lab: Lab, tmp_path: Path) -> None:
    first, second = lab.hosts
    wrong = replace(address_of(first), host_key=second.host_key)
    with watched_pool({"wrong": wrong}, tmp_path / "r") as watched:
        link = watched.pool.link("wrong")
        with pytest.raises(HostKeyChanged):
            link.shell.run(["true"])
        assert watched.pool.health("wrong").state is HostState.LOST


def test_no_key_is_no_connection(host: NamespaceHost, tmp_path: Path) -> None:
    with (
        watched_pool({"new": replace(address_of(host), host_key="")}, tmp_path / "r") as watched,
        pytest.raises(HostKeyUnknown),
    ):
        watched.pool.link("new").shell.run(["true"])


def test_a_key_of_ours_that_the_host_does_not_know_says_so(lab: Lab, tmp_path: Path) -> None:
    host = lab.hosts[0]
    stranger = replace(address_of(host), key_path=str(lab.directory / "h1" / "host_key"))
    with watched_pool({"s": stranger}, tmp_path / "r") as watched, pytest.raises(HostUnreachable, match="refuses our"):
        watched.pool.link("s").shell.run(["true"])


def test_words_reach_the_command_as_they_are(shell: Shell) -> None:
    path = '/var/lib/zcloud/it\'s $(id) "x"; & `y` \\ *'
    shell.write_file(path, b"data\0\xff")
    assert shell.read_file(path) == b"data\0\xff"
    assert [fact.path for fact in shell.list_files("/var/lib/zcloud")] == [path]
    shell.remove(path)
    shell.remove(path)
    assert shell.list_files("/var/lib/zcloud") == []


def test_a_written_file_has_its_mode_and_owner(shell: Shell, host: NamespaceHost) -> None:
    shell.write_file("/var/lib/zcloud/a/b/secret", b"s", mode=0o640, owner="libvirt-qemu:kvm")
    facts = host.run(["stat", "-c", "%a %U %G", "/var/lib/zcloud/a/b/secret"]).stdout
    assert facts == "640 libvirt-qemu kvm\n"
    shell.remove("/var/lib/zcloud/a/b/secret")


def test_reading_gives_the_beginning_the_end_or_not_found(shell: Shell) -> None:
    shell.write_file("/var/lib/zcloud/f", b"0123456789")
    assert shell.read_file("/var/lib/zcloud/f", limit=3) == b"012"
    assert shell.read_file("/var/lib/zcloud/f", limit=3, tail=True) == b"789"
    shell.remove("/var/lib/zcloud/f")
    with pytest.raises(NotFound):
        shell.read_file("/var/lib/zcloud/f")
    assert shell.list_files("/var/lib/zcloud/none") == []
    with pytest.raises(NotFound):
        shell.space("/var/lib/zcloud/none")
    assert 0 < shell.space("/var/lib/zcloud").available < shell.space("/var/lib/zcloud").total


def test_an_upload_is_whole_and_tells_its_progress(shell: Shell, host: NamespaceHost) -> None:
    data, told = os.urandom(9 << 20), list[int]()
    shell.upload(io.BytesIO(data), "/var/lib/libvirt/images/up", progress=told.append)
    assert told[-1] == len(data)
    assert told == sorted(told)
    assert (host.path("/var/lib/libvirt/images/up")).read_bytes() == data
    shell.remove("/var/lib/libvirt/images/up")


def test_an_upload_that_breaks_off_leaves_nothing(shell: Shell) -> None:
    class Breaking(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() > 2 << 20:
                raise OSError("the disk of the sender broke")
            return super().read(size)

    with pytest.raises((OSError, HostUnreachable)):
        shell.upload(Breaking(bytes(4 << 20)), "/var/lib/libvirt/images/up")
    assert shell.list_files("/var/lib/libvirt/images") == []


def test_commands_in_turn_end_with_the_first_that_fails(shell: Shell) -> None:
    one, two, three = (f"/var/lib/zcloud/it's {number}" for number in range(3))
    shell.write_file(one, b"1")
    shell.run_all([["mv", "-T", "--", one, two], ["cp", "-T", "--", two, three]])
    assert sorted(fact.path for fact in shell.list_files("/var/lib/zcloud")) == [two, three]
    with pytest.raises(CommandFailed, match="mv, rm ended with code 1: mv: cannot stat"):
        shell.run_all([["mv", "-T", "--", one, two], ["rm", "-f", "--", three]])
    with pytest.raises(CommandForbidden):
        shell.run_all([["rm", "-f", "--", three], ["sh", "-c", "true"]])
    assert shell.read_file(three) == b"1"
    shell.remove(two, three)
    assert shell.list_files("/var/lib/zcloud") == []


def test_a_file_that_did_not_arrive_whole_gets_no_name(host: NamespaceHost) -> None:
    """The end of a broken connection looks to the host like the end of the data."""
    part, whole = "/var/lib/zcloud/part", "/var/lib/zcloud/whole"
    batch = [
        ["install", "-D", "-m", "0600", "--", "/dev/null", part],
        ["dd", "status=none", "bs=1M", "conv=fsync,nocreat", "iflag=fullblock,count_bytes", "count=9", f"of={part}"],
        ["mv", "-f", "-T", "--", part, whole],
    ]
    loop = LoopThread()
    link = SshLink(address_of(host), loop, lambda _why: None)
    link.open()
    try:
        assert link.execute_all(batch, b"123456789", timeout_s=60).code == 0
        assert host.path(whole).read_bytes() == b"123456789"
        host.path(whole).unlink()
        assert link.execute_all(batch, b"12345", timeout_s=60).code == 1
        assert not host.path(whole).exists()
        host.path(part).unlink()
    finally:
        link.close()
        loop.close()


def test_failing_forbidden_and_late_commands_are_told_apart(shell: Shell, host: NamespaceHost) -> None:
    with pytest.raises(CommandFailed, match="No such file"):
        shell.run(["sha256sum", "/var/lib/zcloud/none"])
    assert shell.run(["sha256sum", "/var/lib/zcloud/none"], check=False).code == 1
    with pytest.raises(CommandForbidden):
        shell.run(["sh", "-c", "true"])
    host.run(["mkfifo", "/var/lib/zcloud/pipe"])
    began = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        shell.run(["cat", "/var/lib/zcloud/pipe"], timeout_s=0.5)
    assert time.monotonic() - began < 20
    host.run(["rm", "/var/lib/zcloud/pipe"])
    assert host.run(["pgrep", "-x", "cat"], check=False).stdout == ""


def test_libvirt_answers_over_the_forwarded_socket(watched: Watched, host: NamespaceHost) -> None:
    hypervisor = watched.pool.link(host.name).hypervisor
    assert host.host_uuid in hypervisor.capabilities_xml()
    assert "<domainCapabilities>" in hypervisor.domain_capabilities_xml(accel="tcg")
    assert hypervisor.node().hostname == host.name
    load = hypervisor.load()
    assert 0 < load.available_kib <= load.memory_kib
    assert load.idle_ns + load.user_ns > 10**9


def test_the_life_of_a_domain_and_its_events(watched: Watched, host: NamespaceHost) -> None:
    hypervisor, uuid = watched.pool.link(host.name).hypervisor, UUID.format(1)
    events: list[DomainEvent] = []
    watched.pool.events(host.name, events.append)
    for _ in range(2):
        hypervisor.define(domain_xml(1))
    for _ in range(2):
        hypervisor.start(uuid)
    assert [(d.name, d.state, d.persistent) for d in hypervisor.list_domains()] == [("d1", DomainState.RUNNING, True)]
    counted = hypervisor.stats()[0]
    assert (counted.uuid, counted.vcpus, counted.memory_kib) == (uuid, 1, 32768)
    for _ in range(2):
        hypervisor.destroy(uuid)
    hypervisor.shutdown(uuid)
    for _ in range(2):
        hypervisor.undefine(uuid)
    hypervisor.destroy(uuid)
    assert hypervisor.domain_xml(uuid) is None
    with pytest.raises(NotFound):
        hypervisor.start(uuid)
    deadline = time.monotonic() + 60
    while "undefined:removed" not in [event.detail for event in events] and time.monotonic() < deadline:
        time.sleep(0.02)
    told = [(event.kind, event.detail) for event in events]
    assert told[0] == ("definition", "defined:added")
    assert ("lifecycle", "started:booted") in told
    assert told[-2:] == [("lifecycle", "stopped:destroyed"), ("definition", "undefined:removed")]


def test_libvirts_own_words_are_in_the_error(watched: Watched, host: NamespaceHost) -> None:
    hypervisor = watched.pool.link(host.name).hypervisor
    with pytest.raises(HypervisorFailed, match=r"(?i)xml") as caught:
        hypervisor.define(domain_xml(2).replace("<memory", "<nonsense/><memory"))
    assert isinstance(caught.value.details["libvirt_code"], int)


def test_a_console_is_shared_by_force_only_and_close_wakes_its_reader(watched: Watched, host: NamespaceHost) -> None:
    hypervisor, uuid = watched.pool.link(host.name).hypervisor, UUID.format(3)
    hypervisor.define(domain_xml(3))
    hypervisor.start(uuid)
    try:
        first = hypervisor.open_console(uuid)
        with pytest.raises(InUse):
            hypervisor.open_console(uuid)
        second = hypervisor.open_console(uuid, force=True)
        assert first.read() == b""  # it was taken away
        second.write(b"x" * 100)
        second.close()
        assert second.read() == b""
        third = hypervisor.open_console(uuid)
        host.daemons.kill("qemu-system-x86_64")
        assert third.read() == b""
        with pytest.raises(HostUnreachable):
            third.write(b"x")
    finally:
        hypervisor.destroy(uuid)
        hypervisor.undefine(uuid)


def test_network_entries_are_added_replaced_and_removed_live_and_in_the_definition(
    watched: Watched, host: NamespaceHost
) -> None:
    hypervisor = watched.pool.link(host.name).hypervisor
    section = NetworkSection.DHCP_HOST

    def entries() -> list[list[str]]:
        return [
            sorted(line.strip() for line in host.virsh("net-dumpxml", *flag, "t").splitlines() if "<host" in line)
            for flag in ((), ("--inactive",))
        ]

    for _ in range(2):
        hypervisor.ensure_network(NETWORK)
    try:
        assert hypervisor.list_networks()["t"] is True
        for ip in (11, 12, 12):
            hypervisor.ensure_network_entry("t", section, f"<host mac='52:54:00:00:00:01' ip='192.168.199.{ip}'/>")
        assert entries() == [["<host mac='52:54:00:00:00:01' ip='192.168.199.12'/>"]] * 2
        hypervisor.ensure_network_entry("t", section, "<host mac='52:54:00:00:00:02' ip='192.168.199.12'/>")
        assert entries() == [["<host mac='52:54:00:00:00:02' ip='192.168.199.12'/>"]] * 2
        hypervisor.ensure_network_entry("t", section, "<host mac='52:54:00:00:00:03' ip='192.168.199.13'/>")
        for _ in range(2):
            hypervisor.remove_network_entry("t", section, "<host mac='52:54:00:00:00:02' ip='192.168.199.12'/>")
        assert entries() == [["<host mac='52:54:00:00:00:03' ip='192.168.199.13'/>"]] * 2
        name = "<host ip='192.168.199.13'><hostname>{}</hostname></host>"
        for word in ("a", "b"):
            hypervisor.ensure_network_entry("t", NetworkSection.DNS_HOST, name.format(word))
        assert "<hostname>b</hostname>" in (hypervisor.network_xml("t") or "")
        assert "<hostname>a</hostname>" not in (hypervisor.network_xml("t") or "")
    finally:
        for _ in range(2):
            hypervisor.remove_network("t")
    assert hypervisor.network_xml("t") is None
    hypervisor.remove_network_entry("t", section, "<host mac='52:54:00:00:00:02' ip='192.168.199.12'/>")


def test_a_local_host_is_reached_by_its_sockets(host: NamespaceHost, tmp_path: Path) -> None:
    here = HostAddress("here", HostKind.LOCAL, libvirt_socket=str(host.libvirt_socket))
    with watched_pool({"here": here}, tmp_path / "r") as watched:
        link = watched.pool.link("here")
        assert link.hypervisor.node().hostname == host.name
        assert link.shell.run(["uname", "-s"]).stdout == b"Linux\n"
