"""Done behind zcloud's back with virsh and nft on the host: seen within seconds, told, and only tables are healed."""

from __future__ import annotations

import pytest
from tests.real.cloud.conftest import ADMIN, wait_for
from tests.real.observer.conftest import Watched, timed

from zcloud.base.ids import new_id
from zcloud.domain.host import Accel
from zcloud.domain.instance import Instance, InstanceStatus, Power
from zcloud.domain.network import Port, tap_name
from zcloud.domain.orphans import OrphanKind

SEEN_S = 60.0
QUIET_S = 10.0
EDITOR = "#!/bin/sh\nexec sed -i 's,<title>edited,<title>edited-changed,' \"$1\"\n"


def test_power_taken_and_given(watched: Watched, pair: tuple[Instance, Instance]) -> None:
    _, other = pair
    since = watched.mark()
    watched.host.virsh("destroy", other.id)
    took = [watched.status_within("other", InstanceStatus.STOPPED, SEEN_S)]
    assert "outside zcloud" in watched.event("instance.stopped", since).message
    watched.host.virsh("start", other.id)
    took.append(watched.status_within("other", InstanceStatus.RUNNING, SEEN_S))
    assert "started outside" in watched.event("drift.power", since).message
    watched.host.virsh("suspend", other.id)
    took.append(watched.status_within("other", InstanceStatus.PAUSED, SEEN_S))
    watched.host.virsh("resume", other.id)
    took.append(watched.status_within("other", InstanceStatus.RUNNING, SEEN_S))
    assert watched.cloud.instance("other").desired is Power.RUNNING
    print("\nseen after", ", ".join(f"{each:.2f} s" for each in took))


def test_definition_changed_and_removed(watched: Watched) -> None:
    since = watched.mark()
    instance = watched.launch("edited", ready=False)
    with pytest.raises(TimeoutError):
        watched.event("drift.definition", since, QUIET_S)
    watched.host.run(["tee", "/root/editor"], stdin=EDITOR)
    watched.host.run(["chmod", "755", "/root/editor"])
    watched.host.run(["env", "EDITOR=/root/editor", "virsh", "-q", "edit", instance.id])
    took, _ = timed(lambda: watched.event("drift.definition", since, SEEN_S))
    print(f"\nedit told after {took:.2f} s")
    assert "<title>edited-changed" in watched.host.virsh("dumpxml", "--inactive", instance.id)
    watched.host.virsh("undefine", instance.id, "--nvram")
    assert "runs on" in watched.event("drift.deleted", since, SEEN_S).message
    assert watched.cloud.instance("edited").status is InstanceStatus.RUNNING
    watched.host.virsh("destroy", instance.id)
    watched.status_within("edited", InstanceStatus.MISSING, SEEN_S)
    assert instance.id not in watched.host.virsh("list", "--all", "--uuid")
    watched.delete("edited")


def test_elements_and_leases_removed_by_hand_are_put_back(watched: Watched, pair: tuple[Instance, Instance]) -> None:
    [port] = _ports(watched, pair[1])
    network = watched.cloud.networks.show(ADMIN, "nat")[0]
    since = watched.mark()
    watched.host.run(["nft", "delete", "element", "bridge", "zcloud", "macs", f'{{ "{port.tap}" . {port.mac} }}'])
    assert port.tap in watched.event("host.healed", since).message
    assert port.mac in watched.host.run(["nft", "list", "table", "bridge", "zcloud"]).stdout
    since = watched.mark()
    lease = f"/var/lib/libvirt/dnsmasq/zcloud/{network.id}/{port.tap}"
    watched.host.run(["rm", lease])
    assert port.address in watched.event("host.healed", since).message
    assert port.mac in watched.host.run(["cat", lease]).stdout
    since = watched.mark()
    for family in ("bridge", "inet"):  # not all rules: libvirt makes its own only once, when it starts
        watched.host.run(["nft", "delete", "table", family, "zcloud"])
    watched.event("host.healed", since)
    wait_for(lambda: port.mac in _table(watched), 30, "the table")
    since = watched.mark()
    dns = f"<host ip='{port.address}'/>"
    watched.host.virsh("net-update", f"zc-{network.id[:8]}", "delete", "dns-host", dns, "--live", "--config")
    assert port.address in watched.event("host.healed", since).message


def _table(watched: Watched) -> str:
    return watched.host.run(["nft", "list", "table", "bridge", "zcloud"], check=False).stdout


def _ports(watched: Watched, instance: Instance) -> tuple[Port, ...]:
    return watched.cloud.instances.show(ADMIN, "", instance.name).ports


def test_orphans_are_found_and_left_alone(watched: Watched, pair: tuple[Instance, Instance]) -> None:
    wait_for(lambda: not _orphans(watched), 60, "nothing of the guests before")
    since, uuid, volume, tap = watched.mark(), new_id(), new_id(), tap_name(new_id())
    mark = '<metadata><z:instance xmlns:z="urn:zcloud:instance:1" name="lost"/></metadata>'
    machine = "<memory>65536</memory><os><type>hvm</type></os>"
    for name, metadata, id in (("lost", mark, uuid), ("foreign", "", new_id())):
        xml = f"<domain type='qemu'><name>{name}</name><uuid>{id}</uuid>{metadata}{machine}</domain>"
        watched.host.run(["virsh", "-q", "define", "/dev/stdin"], stdin=xml)
    file = f"/var/lib/libvirt/images/zcloud/volumes/{volume}.qcow2"
    watched.host.run(["touch", file])
    watched.host.run(["ip", "link", "add", tap, "type", "bridge"])
    expected = {(OrphanKind.DOMAIN, uuid), (OrphanKind.VOLUME, volume), (OrphanKind.TAP, tap)}
    try:
        watched.event("host.orphans", since)
        wait_for(lambda: _orphans(watched) == expected, 30, "all three")
        assert uuid in watched.host.virsh("list", "--all", "--uuid")
    finally:
        for name in ("lost", "foreign"):
            watched.host.virsh("undefine", name)
        watched.host.run(["rm", file])
        watched.host.run(["ip", "link", "del", tap])
    wait_for(lambda: not _orphans(watched), 30, "none")


def _orphans(watched: Watched) -> set[tuple[OrphanKind, str]]:
    return {(each.kind, each.name) for each in watched.cloud.hosts.orphans(ADMIN, "alpha")}


def test_kvm_is_what_the_probe_found(watched: Watched) -> None:
    """Where KVM does not run an ordinary kernel, the host says what happened to ours: no device, no end, a crash."""
    host = watched.cloud.hosts.show(ADMIN, "alpha")
    assert host.accel in (Accel.KVM, Accel.TCG)
    assert "kvm" in host.accel_reason.lower()
    assert (host.accel is Accel.TCG) == ("emulated" in host.accel_reason)
    print("\n", host.accel, host.accel_reason)
