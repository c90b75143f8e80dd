"""The clone page says what will happen and how to ask for it otherwise; templates are shown as what they are."""

from __future__ import annotations

import json
from dataclasses import replace

from tests import builders
from tests.web.conftest import Web

from zcloud.domain.claims import BYTES, Claim
from zcloud.domain.instance import Instance, NicRequest
from zcloud.domain.storage import GIB, VolumeRole
from zcloud.services.cloning import CloneSpec
from zcloud.store import Tx
from zcloud.web.cloning import same_clones


def furnish(web: Web, instance: Instance, *, template: bool = False) -> None:
    """Give an instance a root disk and a data disk, and make a template of it."""

    def work(tx: Tx) -> None:
        pool = web.cloud.pool
        for slot, name, role in ((0, "its-root", VolumeRole.ROOT), (1, "its-data", VolumeRole.DATA)):
            disk = tx.volumes.add(builders.volume(instance.project_id, pool.id, name=name, instance_id=instance.id,
                                                  slot=slot, role=role, size=2 * GIB))  # fmt: skip
            tx.claims.note([Claim(pool.ref, disk.id, BYTES, disk.size)])
        if template:
            tx.instances.update(instance.id, hardware={"template": True})

    web.cloud.store.transact(work)


def test_the_page_says_what_will_happen_and_changes_nothing(web: Web) -> None:
    furnish(web, web.cloud.instance)
    path, before = f"/instances/{web.cloud.instance.id}/clone", web.cloud.rows()
    form = {"name": "more", "count": "2", "disk": "its-data", "nic_network": "lan", "nic_address": "10.9.0.80"}
    told = web.post(f"{path}/plan", data=form).text
    for said in ("more-1", "more-2", "10.9.0.80", "10.9.0.81", "are copied", "2 GiB"):
        assert said in told, said
    assert "zcloud clone web more-1 more-2" in told
    assert "address=10.9.0.80" in told
    assert web.cloud.rows() == before


def test_clones_are_made_and_their_steps_are_shown(web: Web) -> None:
    furnish(web, web.cloud.instance)
    answer = web.post(f"/instances/{web.cloud.instance.id}/clone", user="member", data={"name": "more"})
    assert answer.status_code == 303, answer.text
    page = web.get(answer.headers["location"], user="member").text
    assert "Clone web" in page
    with web.cloud.store.read() as tx:
        made = tx.instances.resolve("more", web.cloud.home.id)
        assert [each.name for each in tx.volumes.of_instance(made.id)] == ["more-root"]  # its data was not ticked
        assert tx.ports.of_instance(made.id) == []  # nor was an interface left


def test_copies_lie_in_the_pool_that_was_chosen(web: Web) -> None:
    furnish(web, web.cloud.instance)
    with web.cloud.store.write() as tx:
        fast = tx.pools.add(builders.pool(name="fast", host_id=web.cloud.host.id))
        tx.claims.set_capacity(fast.ref, {BYTES: 100 * GIB})
    path = f"/instances/{web.cloud.instance.id}/clone"
    assert '<option value="fast"' in web.get(path).text
    answer = web.post(path, data={"name": "more", "pool": "fast"})
    assert answer.status_code == 303, answer.text
    with web.cloud.store.read() as tx:
        made = tx.instances.resolve("more", web.cloud.home.id)
        assert [each.pool_id for each in tx.volumes.of_instance(made.id)] == [fast.id]


def test_a_refused_one_comes_back_as_it_was_filled_in(web: Web) -> None:
    furnish(web, web.cloud.instance)
    path = f"/instances/{web.cloud.instance.id}/clone"
    answer = web.post(path, data={"name": "db", "vcpus": "3"})
    assert (answer.status_code, "already_exists" in answer.text, 'value="3"' in answer.text) == (409, True, True)
    assert web.post(path, data={"name": "x", "count": "51"}).status_code == 400
    assert web.post(path, data={"name": "x", "how": "odd"}).status_code == 400
    assert web.get(path, user="viewer").status_code == 403


def test_linked_is_offered_of_any_instance_where_pools_keep_what_clones_need(web: Web) -> None:
    furnish(web, web.cloud.instance)
    path = f"/instances/{web.cloud.instance.id}/clone"
    assert 'value="linked"' not in web.get(path).text
    with web.cloud.store.write() as tx:
        ceph = tx.pools.add(builders.pool(name="ceph", host_id=web.cloud.host.id, driver="rbd"))
        tx.claims.set_capacity(ceph.ref, {BYTES: 100 * GIB})
        disks = tx.volumes.of_instance(web.cloud.instance.id)
        tx.volumes.update(disks[0].id, pool_id=ceph.id)
    assert 'value="linked"' not in web.get(path).text, "one of two disks lies elsewhere"
    with web.cloud.store.write() as tx:
        tx.volumes.update(disks[1].id, pool_id=ceph.id)
    page = web.get(path, user="member").text
    assert 'name="how" value="linked">' in page
    assert 'name="how" value="" checked>' in page
    told = web.post(f"{path}/plan", data={"name": "more", "how": "linked"}).text
    assert "zcloud clone web more --linked" in told.replace(" \\\n ", "")
    assert "which its pool keeps" in told


def test_the_command_and_the_call_ask_for_the_same() -> None:
    plain = same_clones("web", CloneSpec(names=("a",)))
    assert (plain.command, json.loads(plain.body)) == ("zcloud clone web a", {"names": ["a"]})
    spec = CloneSpec(
        ("a", "b"), False, "", 2, 1536, 3 * GIB, (NicRequest("lan", "10.9.0.80"),), ("logs",), False, "fast"
    )
    told = same_clones("web", spec)
    assert told.command.replace(" \\\n ", "") == (
        "zcloud clone web a b --full --vcpus 2 --memory 1536M --disk-size 3G --network lan,address=10.9.0.80 "
        "--without logs --pool fast --no-start"
    )
    assert json.loads(told.body) == {
        "names": ["a", "b"], "linked": False, "vcpus": 2, "memory_mib": 1536, "root_size": 3 * GIB, "start": False,
        "nics": [{"network": "lan", "address": "10.9.0.80"}], "without": ["logs"], "pool": "fast",
    }  # fmt: skip
    assert "--linked" in same_clones("web", replace(spec, linked=True)).command


def test_a_template_is_shown_as_one_everywhere(web: Web) -> None:
    it = web.cloud.instance
    furnish(web, it, template=True)
    page = web.get(f"/instances/{it.id}").text
    assert "Make an instance of it again" in page
    assert 'value="start"' not in page
    library = web.get("/templates").text
    assert f'href="/instances/{it.id}/clone"' in library
    assert f'id="i-{it.id}"' in web.get("/instances?view=templates").text
    for stopped in ("view=stopped", "q=state:stopped"):
        assert f'id="i-{it.id}"' not in web.get(f"/instances?{stopped}").text
    assert f'id="i-{it.id}"' in web.get("/instances?q=state:template").text
    assert 'href="/instances?q=state:template"' in web.get("/overview").text
    assert [each["name"] for each in web.cloud.get("/v1/instances?template=true").json()["items"]] == [it.name]
    plan = web.post(f"/instances/{it.id}/clone/plan", data={"name": "more", "how": "linked"}).text
    assert "nothing is copied" in plan
    assert it.name not in web.get("/templates", user="stranger").text


def test_an_instance_becomes_a_template_and_one_again(web: Web) -> None:
    it = web.cloud.instance
    assert web.post(f"/instances/{it.id}/template", user="member", data={"on": "1"}).status_code == 303
    with web.cloud.store.write() as tx:
        held = tx.instances.get(it.id).operation_id
        assert held
        assert tx.operations.get(held).args == {"on": True}
    assert web.post(f"/instances/{it.id}/template", user="viewer", data={"on": "1"}).status_code == 403
