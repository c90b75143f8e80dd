"""Things that no record knows are found, told once, and left alone."""

from __future__ import annotations

import json

import pytest
from tests.unit.observer.conftest import Watched

from zcloud.base.ids import new_id
from zcloud.domain.errors import Forbidden
from zcloud.domain.network import tap_name
from zcloud.domain.orphans import Orphan, OrphanKind
from zcloud.domain.people import Actor, Role
from zcloud.observer import orphans
from zcloud.observer.orphans import OrphanWatch
from zcloud.services.hosts import Hosts
from zcloud.testing.cloud import ADMIN

POOL = "/var/lib/libvirt/images/zcloud"
MINE = '<metadata><z:instance xmlns:z="urn:zcloud:instance:1" name="lost"/></metadata>'


def define(watched: Watched, name: str, metadata: str = "") -> str:
    uuid = new_id()
    watched.hypervisor.define(f"<domain type='kvm'><name>{name}</name><uuid>{uuid}</uuid>{metadata}</domain>")
    return uuid


def look(watched: Watched) -> list[Orphan]:
    OrphanWatch(watched.cloud.store).run(watched.host_id, watched.link)
    return Hosts(watched.cloud.services).orphans(ADMIN, "alpha")


def test_what_is_known_is_no_orphan(watched: Watched) -> None:
    assert Hosts(watched.cloud.services).orphans(ADMIN, "alpha") == []
    watched.launch()
    assert look(watched) == []
    assert watched.events("host.orphans") == []


def test_orphans_of_every_kind_are_found_told_once_and_kept(watched: Watched) -> None:
    watched.launch()
    define(watched, "somebody-elses")
    domain, volume, instance, tap = define(watched, "lost", MINE), new_id(), new_id(), tap_name(new_id())
    disk = watched.link.shell.disk
    disk.write(f"{POOL}/volumes/{volume}.qcow2", b"x", 0o600, "")
    disk.write(f"{POOL}/artifacts/{instance}.seed.iso", b"x", 0o600, "")
    disk.write(f"{POOL}/artifacts/notes.txt", b"not ours", 0o600, "")
    links = [{"ifname": name} for name in (tap, "eth0", "vnet0", "zcother")]
    watched.link.shell.answers["ip -j link show"] = json.dumps(links).encode()
    expected = {
        (OrphanKind.DOMAIN, domain),
        (OrphanKind.VOLUME, volume),
        (OrphanKind.ARTIFACT, f"{instance}.seed.iso"),
        (OrphanKind.TAP, tap),
    }
    for _ in range(2):
        assert {(each.kind, each.name) for each in look(watched)} == expected
    [told] = watched.events("host.orphans")
    assert "left alone" in told
    assert domain in watched.hypervisor.domains
    assert f"{POOL}/volumes/{volume}.qcow2" in disk.files
    watched.hypervisor.undefine(domain)
    assert len(look(watched)) == 3
    assert len(watched.events("host.orphans")) == 1
    define(watched, "another", MINE)
    look(watched)
    assert len(watched.events("host.orphans")) == 2


def test_what_goes_while_we_look_is_no_orphan(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record is gone before the second look, and so is what it stood for."""
    uuid = define(watched, "leaving", MINE)
    list_domains = watched.hypervisor.list_domains
    listings = [list_domains()]
    watched.hypervisor.undefine(uuid)
    monkeypatch.setattr(watched.hypervisor, "list_domains", lambda: listings.pop() if listings else list_domains())
    assert look(watched) == []


def test_only_operators_may_ask(watched: Watched) -> None:
    viewer = Actor(user_id="u", user_name="u", role=Role.VIEWER)
    with pytest.raises(Forbidden):
        Hosts(watched.cloud.services).orphans(viewer, "alpha")


def test_forgotten_with_their_host(watched: Watched) -> None:
    define(watched, "lost", MINE)
    assert look(watched)
    orphans.forget(watched.cloud.store, watched.host_id)
    assert Hosts(watched.cloud.services).orphans(ADMIN, "alpha") == []
