"""Hosts on pages: added in two steps, looked at, changed, and what others made on them adopted after a look."""

from __future__ import annotations

import re

from tests import builders
from tests.api.asks import FINGERPRINT, KEY
from tests.api.conftest import THEIRS
from tests.web.conftest import Web

from zcloud.domain.host import Accel, Host, HostKind, HostState
from zcloud.domain.storage import GIB

NUMA = [{"id": 0, "memory": 16 * GIB, "cpus": [0, 1], "pages": {"2097152": 8}}]


def add(web: Web, **changes: object) -> Host:
    return web.cloud.store.transact(lambda tx: tx.hosts.add(builders.host(**changes)))


def test_a_host_by_ssh_is_added_and_its_key_waits(web: Web) -> None:
    form = {"name": "berta", "kind": "ssh", "address": "192.0.2.7", "port": "2222", "cpu_ratio": "2.5"}
    answer = web.post("/hosts/new", data=form)
    assert answer.status_code == 303
    assert "Adding" in web.get(answer.headers["location"]).text
    with web.cloud.store.read() as tx:
        host = tx.hosts.resolve("berta")
        assert (host.port, host.cpu_ratio, host.kind) == (2222, 2.5, HostKind.SSH)
        assert host.operation_id
        assert tx.operations.get(host.operation_id).verb == "scan"


def test_a_form_that_was_refused_keeps_what_was_filled_in(web: Web) -> None:
    before = web.cloud.rows()
    answer = web.post("/hosts/new", data={"name": "berta", "address": "not an address", "user": "me"})
    assert answer.status_code == 400
    assert 'value="not an address"' in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert "neither an address nor a name" in answer.text
    assert web.cloud.rows() == before
    assert web.cloud.get("/v1/audit").json()["items"][0]["outcome"] == "invalid_input"


def test_the_fingerprint_is_shown_before_the_key_is_pinned(web: Web) -> None:
    offered = {"offered_key": KEY, "offered_fingerprint": FINGERPRINT}
    host = add(web, name="berta", kind=HostKind.SSH, address="192.0.2.7", state=HostState.ADDING, inventory=offered)
    assert FINGERPRINT in web.get(f"/hosts/{host.id}").text
    assert web.post(f"/hosts/{host.id}/approve", data={"fingerprint": "SHA256:other"}).status_code == 400
    assert web.post(f"/hosts/{host.id}/approve", data={"fingerprint": FINGERPRINT}).status_code == 303
    with web.cloud.store.read() as tx:
        assert tx.hosts.get(host.id).host_key == KEY


def test_a_host_shows_what_it_has_and_why_it_emulates(web: Web) -> None:
    inventory = {"cpus": 2, "memory": 16 * GIB, "numa": NUMA, "bridges": [{"name": "br7", "mac": "", "mtu": 9000}]}
    host = add(web, name="berta", inventory=inventory, accel=Accel.TCG, accel_reason="Linux hung under KVM.")
    told = web.get(f"/hosts/{host.id}").text
    for text in ("Linux hung under KVM.", "Probe again", "br7", "8 × 2 MiB", "<li>1</li>"):
        assert text in told
    assert web.post(f"/hosts/{host.id}/refresh").status_code == 303
    with web.cloud.store.read() as tx:
        assert tx.operations.get(tx.hosts.get(host.id).operation_id or "").verb == "enlist"


def test_overcommit_is_changed_only_as_it_was_seen(web: Web) -> None:
    path = f"/hosts/{web.cloud.host.id}/change"
    form = {"cpu_ratio": "3", "memory_ratio": "1", "reserved_memory_mib": "2048", "revision": "1"}
    assert web.post(path, data=form).status_code == 303
    assert web.post(path, data=form).status_code == 412
    with web.cloud.store.read() as tx:
        assert tx.hosts.get(web.cloud.host.id).reserved_memory_mib == 2048


def test_a_host_with_instances_stays_and_says_so(web: Web) -> None:
    answer = web.post(f"/hosts/{web.cloud.host.id}/delete")
    assert answer.status_code == 409
    assert "Delete its instances first" in answer.text


def test_all_guests_are_shut_down_and_started(web: Web) -> None:
    assert web.post(f"/hosts/{web.cloud.host.id}/guests/stop", data={"deadline_s": "5"}).status_code == 303
    with web.cloud.store.read() as tx:
        assert tx.instances.get(web.cloud.running.id).status == "stopping"
    assert web.post(f"/hosts/{web.cloud.host.id}/guests/start").status_code == 303


def test_a_domain_is_adopted_after_its_plan_was_seen(web: Web) -> None:
    uuid = f"{THEIRS}-0000-4000-8000-000000000001"
    host = web.cloud.host.id
    web.cloud.store.transact(lambda tx: tx.foreign.add(builders.foreign(host, uuid=uuid, name="Old Mail")))
    assert f"/hosts/{host}/domains/{uuid}" in web.get(f"/hosts/{host}").text
    before = web.cloud.rows()
    plan = web.get(f"/hosts/{host}/domains/{uuid}")
    assert plan.status_code == 200
    assert 'value="old-mail"' in plan.text
    assert web.cloud.rows() == before
    answer = web.post(f"/hosts/{host}/domains/{uuid}/adopt", data={"name": "mail", "project": "default"})
    assert re.fullmatch(f"/instances/{uuid}", answer.headers["location"])


def test_a_member_changes_no_host(web: Web) -> None:
    before = web.cloud.rows()
    for path in ("/hosts/new", f"/hosts/{web.cloud.host.id}/delete", f"/hosts/{web.cloud.host.id}/refresh"):
        assert web.post(path, user="member").status_code == 403
    assert web.cloud.rows() == before


def test_a_lost_host_is_forgotten_after_what_goes_with_it_was_shown(web: Web) -> None:
    path = f"/hosts/{web.cloud.host.id}"
    assert web.get(f"{path}/loss").status_code == 409
    assert f"{path}/loss" not in web.get(path).text
    with web.cloud.store.write() as tx:
        tx.hosts.update(web.cloud.host.id, state=HostState.LOST)
    assert f"{path}/loss" in web.get(path).text
    plan = web.get(f"{path}/loss").text
    for name in ("web", "db", "theirs"):
        assert f">{name}</a>" in plan
    assert web.post(f"{path}/forget", user="operator", data={"revision": "1"}).status_code == 403
    answer = web.post(f"{path}/forget", data={"revision": "1"})
    assert "Forget anton" in web.get(answer.headers["location"]).text
