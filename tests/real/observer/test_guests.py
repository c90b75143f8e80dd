"""What guests may do and see: readiness, spoofing, names."""

from __future__ import annotations

from pathlib import Path

from tests.real.cloud.conftest import ADMIN, wait_for
from tests.real.observer.conftest import Watched

from zcloud.domain.instance import Instance, NicRequest, Ready
from zcloud.domain.records import RecordFormat

SLEEPER = "#cloud-config\nruncmd:\n  - sleep 600\n"


def test_guests_that_are_never_ready_say_why(watched: Watched, tmp_path: Path) -> None:
    """One image does not boot at all; the other guest boots and hangs: its console's last words are told."""
    blank = tmp_path / "blank.raw"
    blank.write_bytes(bytes(1 << 20))
    watched.cloud.import_image("blank", blank)
    watched.launch("blank", image="blank", ready=False, ready_within_s=10)
    sleeper = watched.launch("hung", user_data=SLEEPER, ready=False)
    console = str(sleeper.hardware["console_log"])
    wait_for(lambda: "TINY-INIT" in watched.host.run(["cat", console]).stdout, 180, "the guest's first words")
    watched.cloud.runtime.store.transact(lambda tx: tx.instances.update(sleeper.id, ready_deadline=tx.now))
    hung = wait_for(lambda: watched.settled("hung"), 25, "the deadline")
    blank_one = wait_for(lambda: watched.settled("blank"), 25, "the deadline")
    assert (hung.ready, blank_one.ready) == (Ready.FAILED, Ready.FAILED)
    assert "TINY-INIT" in hung.ready_detail, hung.ready_detail
    assert "Not ready in time" in hung.ready_detail
    assert blank_one.ready_detail
    print("\n", blank_one.ready_detail)
    log = watched.host.run(["cat", console]).stdout
    assert hung.ready_detail.splitlines()[-1].strip() in log
    watched.delete("blank", "hung")


def test_a_guest_cannot_pretend_to_be_another(watched: Watched, pair: tuple[Instance, Instance]) -> None:
    guest = pair[1]
    [port] = watched.cloud.instances.show(ADMIN, "", "other").ports
    gateway = watched.cloud.networks.show(ADMIN, "nat")[0].gateway
    foreign = port.address.rpartition(".")[0] + ".77"

    def reached() -> str:
        return watched.inside(guest, "/bin/ping", "-c3", "-W1", gateway)[1].partition(" packets received")[0][-1:]

    def become(mac: str, address: str) -> None:
        script = (
            f"ip link set eth0 down; ip link set eth0 address {mac}; ip link set eth0 up; "
            f"ip addr flush dev eth0; ip addr add {address}/24 dev eth0; sleep 0.2"
        )
        watched.inside(guest, "/bin/sh", "-c", script)

    watched.inside(guest, "/bin/sh", "-c", "for pid in $(pidof udhcpc); do kill $pid; done")
    found = {}
    for name, identity in {
        "itself": (port.mac, port.address),
        "another MAC": ("52:54:00:00:00:99", port.address),
        "another address": (port.mac, foreign),
        "the gateway's neighbour": ("52:54:00:00:00:99", foreign),
        "itself again": (port.mac, port.address),
    }.items():
        become(*identity)
        found[name] = reached()
    print("\n", found)
    assert found == {
        "itself": "3",
        "another MAC": "0",
        "another address": "0",
        "the gateway's neighbour": "0",
        "itself again": "3",
    }


def test_names_are_served_on_nat(watched: Watched, pair: tuple[Instance, Instance]) -> None:
    first, other = (watched.cloud.instances.show(ADMIN, "", each.name).ports[0] for each in pair)
    server = watched.cloud.networks.show(ADMIN, "nat")[0].gateway
    for name, port in (("other.default.cloud.internal", other), ("other.default", other), ("first.default", first)):
        code, told = watched.inside(pair[0], "/bin/busybox", "nslookup", name, server)
        assert code == 0, told
        assert port.address in told
    assert watched.inside(pair[0], "/bin/busybox", "nslookup", "nobody.default.cloud.internal", server)[0] != 0


def test_a_guest_on_a_bridge_has_its_address_and_its_records_are_exported(
    watched: Watched, pair: tuple[Instance, Instance]
) -> None:
    port = watched.cloud.instances.show(ADMIN, "", "first").ports[1]
    _, shown = watched.inside(pair[0], "/bin/ip", "addr")
    assert f"{port.address}/24" in shown
    assert port.mac in shown
    gateway = watched.cloud.networks.show(ADMIN, "lan")[0].gateway
    assert watched.inside(pair[0], "/bin/ping", "-c1", "-W2", gateway)[0] == 0
    hosts = watched.cloud.networks.export_dns(ADMIN, "lan", RecordFormat.HOSTS)
    zone = watched.cloud.networks.export_dns(ADMIN, "lan", RecordFormat.ZONE)
    assert hosts == f"{port.address}\t{port.hostname}\n"
    assert f"{port.hostname}.\tIN\tA\t{port.address}" in zone


def test_a_mac_is_never_given_out_again(watched: Watched) -> None:
    seen: set[str] = set()
    for _ in range(3):
        watched.launch("brief", ready=False, start=False, nics=(NicRequest(""), NicRequest("")))
        ports = watched.cloud.instances.show(ADMIN, "", "brief").ports
        macs = {port.mac for port in ports}
        assert len(macs) == 2
        assert not macs & seen
        seen |= macs
        watched.delete("brief")
    with watched.cloud.runtime.store.write() as tx:
        assert not any(tx.ports.reserve_mac(mac, "again") for mac in seen)
