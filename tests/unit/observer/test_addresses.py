"""Where guests on fake hosts are seen: by their host's tables and, in turn, by their agents."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.unit.observer.conftest import Watched

from zcloud.domain.instance import Ready
from zcloud.observer.addresses import AddressWatch
from zcloud.observer.ready import guest_facts


@pytest.fixture(autouse=True)
def _addresses(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every NIC in a guest have an address."""
    monkeypatch.setattr(watched.hypervisor, "addresses_of", lambda _mac: ["10.9.7.7"])


def neighbours(watched: Watched, *rows: tuple[str, str]) -> None:
    """Let the host's table have these MACs with their addresses."""
    table = [{"lladdr": mac, "dst": address, "confirmed": 3, "state": ["STALE"]} for mac, address in rows]
    watched.link.shell.answers["ip -j -s neigh show"] = json.dumps(table).encode()


def ready(watched: Watched, name: str = "web") -> str:
    """Launch an instance whose agent has told of its system; gives its MAC."""
    instance = watched.launch(name)
    observed = {**instance.observed, "os": {"id": "tiny"}}
    watched.cloud.store.transact(lambda tx: tx.instances.update(instance.id, observed=observed, ready=Ready.READY))
    return mac_of(watched, name)


def mac_of(watched: Watched, name: str = "web") -> str:
    """Give the MAC of an instance's first NIC."""
    with watched.cloud.store.read() as tx:
        return tx.ports.of_instance(watched.instance(name).id)[0].mac


def seen(watched: Watched, name: str = "web") -> dict[str, set[str]]:
    """Give who has seen an instance at which address."""
    addresses: list[dict[str, Any]] = watched.instance(name).observed.get("addresses", [])
    return {each["address"]: set(each["seen"]) for each in addresses}


def test_each_source_adds_what_it_tells_and_news_alone_is_written(watched: Watched) -> None:
    mac = ready(watched)
    neighbours(watched, (mac, "10.9.9.9"), ("52:54:00:99:99:99", "10.9.9.8"))
    with watched.cloud.store.read() as tx:
        lease = f"/var/lib/libvirt/dnsmasq/zbr-{tx.networks.all()[0].id[:8]}.status"
    over = [{"ip-address": "10.9.9.9", "mac-address": mac, "expiry-time": 1 << 40}]
    watched.link.shell.write_file(lease, json.dumps(over).encode())
    watch = AddressWatch(watched.cloud.store)
    watch.run(watched.host_id, watched.link)
    found = seen(watched)
    assert found.pop("10.9.9.9") == {"traffic", "lease"}
    assert found == {"10.9.7.7": {"agent"}}
    before = watched.instance().updated_at
    watch.run(watched.host_id, watched.link)
    assert watched.instance().updated_at == before


def test_agents_are_asked_in_turn_and_rarely(watched: Watched) -> None:
    for number in range(7):
        ready(watched, f"web-{number}")
    neighbours(watched)
    watch, shown = AddressWatch(watched.cloud.store), []
    for _ in range(3):
        watch.run(watched.host_id, watched.link)
        shown.append(sum(bool(seen(watched, f"web-{number}")) for number in range(7)))
    assert shown == [5, 7, 7]
    assert watched.hypervisor.calls["guest_addresses"] == 7


def test_a_silent_guest_is_seen_by_its_host_alone(watched: Watched) -> None:
    mac = ready(watched)
    watched.hypervisor.silent.add(watched.instance().id)
    neighbours(watched, (mac, "10.9.9.9"))
    AddressWatch(watched.cloud.store).run(watched.host_id, watched.link)
    assert seen(watched) == {"10.9.9.9": {"traffic"}}


def test_readiness_tells_the_agents_addresses_at_once(watched: Watched) -> None:
    instance = watched.launch()
    now = watched.cloud.read(lambda tx: tx.now)
    (address,) = guest_facts(instance, watched.hypervisor, now)["addresses"]
    assert (address["address"], address["seen"]) == ("10.9.7.7", {"agent": now.isoformat()})
