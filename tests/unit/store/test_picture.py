"""Sums over instances, on both stores."""

from __future__ import annotations

from tests import builders

from zcloud.domain.instance import InstanceStatus
from zcloud.domain.network import AddressRange, count_addresses
from zcloud.store import InstanceFilter, Store


def test_instances_are_counted_and_the_ill_ones_are_shown_first(store: Store) -> None:
    with store.write() as tx:
        home, other = tx.projects.add(builders.project()), tx.projects.add(builders.project())
        host, network = tx.hosts.add(builders.host()), tx.networks.add(builders.network())
        for number, status in enumerate([*["running"] * 4, "stopped", "error"]):
            made = builders.instance(home.id, host.id, None, name=f"n{number}", status=InstanceStatus(status))
            tx.instances.add(made)
            tx.ports.add(builders.port(made.id, network.id, address=f"10.9.0.{number + 2}"))
        tx.instances.add(builders.instance(other.id, host.id, None, name="theirs"))
        tx.instances.add(builders.instance(home.id, host.id, None, name="gone", status=InstanceStatus.TRASHED))
        counts = {(row.host_id, row.status): row.amount for row in tx.pictures.counts({home.id})}
        assert counts == {(host.id, "running"): 4, (host.id, "stopped"): 1, (host.id, "error"): 1}
        assert [cell.name for cell in tx.pictures.cells({home.id}, 3)] == ["n0", "n1", "n5"]
        assert len(tx.pictures.cells(None, 99)) == 7
        assert tx.pictures.ports() == [(network.id, host.id, 6)]


def test_a_template_is_counted_and_found_apart_from_what_is_off(store: Store) -> None:
    with store.write() as tx:
        home, host = tx.projects.add(builders.project()), tx.hosts.add(builders.host())
        for name, hardware in (("master", {"template": True}), ("off", {"template": False}), ("plain", {})):
            tx.instances.add(builders.instance(home.id, host.id, None, name=name, hardware=hardware))
        counts = {row.status: row.amount for row in tx.pictures.counts(None)}
        assert counts == {"template": 1, "stopped": 2}
        assert {cell.name: cell.status for cell in tx.pictures.cells(None, 9)}["master"] == "template"
        found = [[each.name for each in tx.instances.page(InstanceFilter(template=which), sort="name", limit=9).items]
                 for which in (True, False, None)]  # fmt: skip
        assert found == [["master"], ["off", "plain"], ["master", "off", "plain"]]
        assert next(each.shown for each in tx.briefs.page(InstanceFilter(), sort="name", limit=9).items) == "template"


def test_addresses_to_give_out_are_counted() -> None:
    plain = builders.network(cidr="10.9.0.0/24", gateway="10.9.0.1", ranges=())
    assert count_addresses(plain) == 253
    ranges = (AddressRange("10.9.0.1", "10.9.0.20"), AddressRange("10.9.0.15", "10.9.0.17", reserved=True))
    assert count_addresses(builders.network(cidr="10.9.0.0/24", gateway="10.9.0.1", ranges=ranges)) == 16
    assert count_addresses(builders.network(cidr="", gateway="", ranges=())) == 0
