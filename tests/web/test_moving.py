"""The page of a move says what will happen before it does; what is refused is told in place."""

from __future__ import annotations

import pytest
from tests import builders
from tests.web.conftest import Web

from zcloud.domain.claims import BYTES, Claim
from zcloud.domain.storage import GIB, Pool
from zcloud.store import Tx


def second_pool(web: Web, **more: object) -> Pool:
    """Add a pool with room on the host of the other one."""

    def work(tx: Tx) -> Pool:
        pool = tx.pools.add(builders.pool(name="fast", host_id=web.cloud.host.id, **more))
        tx.claims.set_capacity(pool.ref, {BYTES: 100 * GIB})
        return pool

    return web.cloud.store.transact(work)


def give_disk(web: Web) -> str:
    """Give the stopped instance a disk."""

    def work(tx: Tx) -> str:
        it, pool = web.cloud.instance, web.cloud.pool
        disk = tx.volumes.add(builders.volume(it.project_id, pool.id, name="its-root", instance_id=it.id, slot=0))
        tx.claims.note([Claim(pool.ref, disk.id, BYTES, disk.size)])
        return disk.id

    return web.cloud.store.transact(work)


@pytest.mark.parametrize(
    ("kind", "said"), [("volume", "cannot be attached"), ("instance", "web cannot be started until they are")]
)
def test_the_page_says_what_will_happen_and_then_it_does(web: Web, kind: str, said: str) -> None:
    second_pool(web)
    disk = give_disk(web)
    it = web.cloud.volume if kind == "volume" else web.cloud.instance
    path, before = f"/{kind}s/{it.id}/move", web.cloud.rows()
    assert '<option value="fast"' in web.get(path).text
    assert f'<option value="{web.cloud.pool.name}"' not in web.get(path).text
    told = web.post(f"{path}/plan", data={"pool": "fast"}).text
    assert (said in told, f"zcloud {kind} move {it.name} --pool fast" in told) == (True, True), told
    assert web.cloud.rows() == before
    answer = web.post(path, user="member", data={"pool": "fast"})
    assert answer.status_code == 303, answer.text
    assert "Move" in web.get(answer.headers["location"], user="member").text
    with web.cloud.store.read() as tx:
        begun = tx.operations.get(answer.headers["location"].rpartition("/")[2])
    assert (begun.verb, list(begun.args["volumes"])) == ("move", [it.id if kind == "volume" else disk])


def test_a_running_guest_goes_on_and_that_is_said(web: Web) -> None:
    second_pool(web)
    with web.cloud.store.write() as tx:
        it = web.cloud.running
        disk = tx.volumes.add(builders.volume(it.project_id, web.cloud.pool.id, name="r", instance_id=it.id, slot=0))
    for path in (f"/instances/{it.id}", f"/volumes/{disk.id}"):
        assert f"{it.name} goes on running" in web.post(f"{path}/move/plan", data={"pool": "fast"}).text


def test_a_refused_move_comes_back_with_the_form(web: Web) -> None:
    path = f"/volumes/{web.cloud.volume.id}/move"
    assert "Choose a pool" in web.post(f"{path}/plan", data={"pool": ""}).text
    for where in (path, f"{path}/plan"):
        assert "already" in web.post(where, data={"pool": web.cloud.pool.name}).text
    assert web.post(path, data={"pool": web.cloud.pool.name}).status_code == 409
    assert web.post(path, user="member", data={"pool": "nope"}).status_code == 404
    assert 'name="pool" type="text"' in web.get(path, user="member").text  # a member is told no pools
    assert web.get(path, user="viewer").status_code == 403
    assert web.get(path, user="stranger").status_code == 404


def test_pages_lead_to_it(web: Web) -> None:
    give_disk(web)
    for path, page in ((f"/volumes/{web.cloud.volume.id}", ""), (f"/instances/{web.cloud.instance.id}", "/change")):
        assert f'href="{path}/move"' in web.get(path + page, user="member").text
        assert f'href="{path}/move"' not in web.get(path + page, user="viewer").text
