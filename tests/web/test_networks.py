"""Networks on pages: the map of their addresses, ranges that are kept back, fences, and what is hidden of others."""

from __future__ import annotations

from tests import builders
from tests.web.conftest import Web


def test_the_map_tells_who_has_which_address(web: Web) -> None:
    page = web.get(f"/networks/{web.cloud.network.id}").text
    assert f'<a href="/instances/{web.cloud.instance.id}">web.x.cloud.internal</a>' in page
    assert "<b>3 used, 65530 free</b>" in page  # of 65536: both edges, the gateway and three ports
    assert "10.9.0.13 – 10.9.0.255" in page


def test_a_member_sees_that_others_have_addresses_but_not_who(web: Web) -> None:
    page = web.get(f"/networks/{web.cloud.network.id}", user="member").text
    assert "web.x.cloud.internal" in page
    assert "theirs" not in page
    assert "another project" in page


def test_a_network_is_made_and_a_refused_one_says_why(web: Web) -> None:
    form = {"kind": "nat", "name": "lab", "host": "anton", "cidr": "10.77.0.0/24", "dns": "10.77.0.1, 10.77.0.2"}
    before = web.cloud.rows()
    refused = web.post("/networks/new", data={**form, "cidr": "10.77.0.1/24"})
    assert refused.status_code == 400
    assert 'value="10.77.0.1/24"' in refused.text
    assert web.cloud.rows() == before
    made = web.post("/networks/new", data=form)
    assert made.status_code == 303
    with web.cloud.store.read() as tx:
        network = tx.networks.resolve("lab")
    assert (network.dns, network.gateway) == (("10.77.0.1", "10.77.0.2"), "10.77.0.1")
    assert "Creating" in web.get(made.headers["location"]).text


def test_a_range_is_kept_back_and_given_back(web: Web) -> None:
    path = f"/networks/{web.cloud.network.id}"
    kept = {"first": "10.9.0.100", "last": "10.9.0.120", "reserved": "1", "comment": "printers", "revision": "1"}
    assert web.post(f"{path}/ranges/add", data=kept).status_code == 303
    assert web.post(f"{path}/ranges/add", data=kept).status_code == 412
    page = web.get(path).text
    assert "10.9.0.100 – 10.9.0.120" in page
    assert "printers" in page
    gone = {"first": "10.9.0.100", "last": "10.9.0.120", "revision": "2"}
    assert web.post(f"{path}/ranges/remove", data=gone).status_code == 303
    with web.cloud.store.read() as tx:
        assert tx.networks.get(web.cloud.network.id).ranges == ()


def test_a_range_outside_the_network_is_refused(web: Web) -> None:
    form = {"first": "10.10.0.1", "reserved": "1", "revision": "1"}
    assert web.post(f"/networks/{web.cloud.network.id}/ranges/add", data=form).status_code == 400


def test_an_address_that_was_seen_in_use_is_told_and_freed(web: Web) -> None:
    network, host = web.cloud.network.id, web.cloud.host.id
    web.cloud.store.transact(lambda tx: tx.ports.fence(network, "10.9.0.200", "52:54:00:00:00:09", host))
    assert "a host uses it, no record has it" in web.get(f"/networks/{network}").text
    assert web.post(f"/networks/{network}/unfence", user="member", data={"address": "10.9.0.200"}).status_code == 403
    assert web.post(f"/networks/{network}/unfence", data={"address": "10.9.0.200"}).status_code == 303
    assert "a host uses it" not in web.get(f"/networks/{network}").text


def test_a_network_in_use_stays_and_names_are_exported(web: Web) -> None:
    path = f"/networks/{web.cloud.network.id}"
    assert web.post(f"{path}/delete").status_code == 409
    assert "10.9.0.10\tweb.x.cloud.internal" in web.get(f"{path}/records").text
    assert web.get(f"{path}/records?form=odd").status_code == 400


def test_a_piece_of_a_large_network_is_shown_at_a_time(web: Web) -> None:
    page = web.get(f"/networks/{web.cloud.network.id}?piece=255").text
    assert "10.9.255.0" in page
    assert 'href="?piece=254"' in page
    assert 'href="?piece=256"' not in page


def test_another_project_finds_no_network_of_its_neighbour(web: Web) -> None:
    home = web.cloud.home.id
    mine = web.cloud.store.transact(lambda tx: tx.networks.add(builders.network(name="mine", project_id=home)))
    assert web.get(f"/networks/{mine.id}", user="member").status_code == 200
    assert web.get(f"/networks/{mine.id}", user="stranger").status_code == 404
