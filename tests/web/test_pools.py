"""Pools on pages: room, what is promised beyond it, volumes, and making and removing one."""

from __future__ import annotations

from tests import builders
from tests.web.conftest import Web

from zcloud.domain.storage import GIB


def test_a_pool_shows_its_room_and_its_volumes(web: Web) -> None:
    with web.cloud.store.write() as tx:
        tx.pools.update(web.cloud.pool.id, available=25 * GIB)
    page = web.get(f"/pools/{web.cloud.pool.id}").text
    assert "75 GiB of 100 GiB, 25 GiB free" in page
    assert "spare" in page


def test_volumes_come_a_page_at_a_time(web: Web) -> None:
    home, pool = web.cloud.home.id, web.cloud.pool.id
    with web.cloud.store.write() as tx:
        for number in range(60):
            tx.volumes.add(builders.volume(home, pool, name=f"v-{number:03}"))
    first = web.get(f"/pools/{pool}").text
    assert "v-000" in first
    assert "v-059" not in first
    link = first.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    assert "v-059" in web.get(f"/pools/{pool}{link}").text


def test_a_pool_is_made_and_a_refused_one_says_why(web: Web) -> None:
    form = {"name": "fast", "host": "anton", "path": "/srv/fast", "overcommit": "1.5"}
    refused = web.post("/pools/new", data={**form, "path": "srv/../x"})
    assert refused.status_code == 400
    assert 'value="srv/../x"' in refused.text
    assert 'aria-invalid="true"' in refused.text
    made = web.post("/pools/new", data=form)
    assert made.status_code == 303
    with web.cloud.store.read() as tx:
        pool = tx.pools.resolve("fast")
    assert (pool.overcommit, pool.options["path"], pool.is_default) == (1.5, "/srv/fast", False)


def test_overcommit_is_changed_and_what_is_beyond_the_room_is_told(web: Web) -> None:
    path = f"/pools/{web.cloud.pool.id}"
    assert web.post(f"{path}/change", data={"overcommit": "3", "revision": "1"}).status_code == 303
    assert web.post(f"{path}/change", data={"overcommit": "much", "revision": "2"}).status_code == 400
    assert "3 for each byte" in web.get(path).text


def test_a_pool_with_volumes_stays(web: Web) -> None:
    answer = web.post(f"/pools/{web.cloud.pool.id}/delete")
    assert (answer.status_code, "volumes" in answer.text) == (409, True)


def test_a_member_sees_no_pool(web: Web) -> None:
    assert web.get(f"/pools/{web.cloud.pool.id}", user="member").status_code == 403
    assert web.post("/pools/new", user="member", data={"name": "x"}).status_code == 403


def test_each_kind_has_its_own_form_and_a_secret_never_comes_back(web: Web) -> None:
    assert 'name="export"' in web.get("/pools/new?kind=nfs").text
    form = {"kind": "rbd", "name": "Bad Name", "monitors": "192.0.2.1", "user": "zcloud", "key": "c2VjcmV0LWtleQ=="}
    refused = web.post("/pools/new", data=form)
    assert refused.status_code == 400
    assert 'value="192.0.2.1"' in refused.text
    assert "c2VjcmV0LWtleQ" not in refused.text
    nfs = {"kind": "nfs", "name": "shared", "server": "192.0.2.9", "export": "/srv/zcloud"}
    made = web.post("/pools/new", data=nfs)
    assert made.status_code == 303, made.text
    with web.cloud.store.read() as tx:
        pool = tx.pools.resolve("shared")
    assert (pool.driver, pool.host_id, pool.options["server"]) == ("nfs", None, "192.0.2.9")


def test_where_a_shared_pool_is_joined_is_told_with_the_reason(web: Web) -> None:
    with web.cloud.store.write() as tx:
        pool = tx.pools.add(builders.pool(name="shared", driver="nfs", options={"server": "s", "export": "/e"}))
        tx.pool_hosts.note(pool.id, web.cloud.host.id, "The server is silent.")
    assert "The server is silent." in web.get(f"/pools/{pool.id}").text


def test_it_is_drained_and_looked_at_and_told_to_be_nearly_full(web: Web) -> None:
    path = f"/pools/{web.cloud.pool.id}"
    assert "nearly full" not in web.get(path).text
    with web.cloud.store.write() as tx:
        tx.pools.update(web.cloud.pool.id, filling=True, warning="1 osds down")
    assert web.post(f"{path}/drain", data={"on": "1"}).status_code == 303
    for page in (path, "/pools"):
        assert ("takes no new volumes" in web.get(page).text, "nearly full" in web.get(page).text) == (True, True)
    assert ("1 osds down" in web.get(path).text, "degraded" in web.get("/pools").text) == (True, True)
    assert web.post(f"{path}/drain", data={"on": ""}).status_code == 303
    assert "takes no new volumes" not in web.get(path).text
    assert web.post(f"{path}/refresh").status_code == 303
    with web.cloud.store.read() as tx:
        assert tx.operations.get(tx.pools.get(web.cloud.pool.id).operation_id or "").verb == "refresh"
    for what in ("drain", "refresh"):
        assert web.post(f"{path}/{what}", user="viewer", data={"on": "1"}).status_code == 403


def test_a_kind_that_can_be_grown_is_and_another_says_what_grows_it(web: Web) -> None:
    with web.cloud.store.write() as tx:
        options = {"volume_group": "vg0"}
        thin = tx.pools.add(builders.pool(name="thin", driver="lvmthin", host_id=web.cloud.host.id, options=options))
    assert f"/pools/{thin.id}/grow" in web.get(f"/pools/{thin.id}").text
    assert web.post(f"/pools/{thin.id}/grow", data={"size": "50"}).status_code == 400, "it has 100 GiB"
    assert web.post(f"/pools/{thin.id}/grow", data={"size": "200"}).status_code == 303
    with web.cloud.store.read() as tx:
        operation = tx.operations.get(tx.pools.get(thin.id).operation_id or "")
    assert (operation.workflow, operation.args["size"]) == ("pool_grow_v1", 200 << 30)
    assert "/grow" not in web.get(f"/pools/{web.cloud.pool.id}").text
    refused = web.post(f"/pools/{web.cloud.pool.id}/grow", data={"size": "200"})
    assert refused.status_code == 409
    assert "Enlarge its file system" in refused.text


def test_a_shared_pool_may_be_for_some_hosts_only(web: Web) -> None:
    nfs = {"kind": "nfs", "name": "shared", "server": "192.0.2.9", "export": "/srv/zcloud", "hosts": "anton"}
    refused = web.post("/pools/new", data={**nfs, "name": "Bad Name"})
    assert 'value="anton" checked' in refused.text
    assert web.post("/pools/new", data={**nfs, "hosts": "nope"}).status_code == 404
    made = web.post("/pools/new", data=nfs)
    assert made.status_code == 303, made.text
    with web.cloud.store.read() as tx:
        assert tx.pools.resolve("shared").hosts == (web.cloud.host.id,)
    assert "every host" not in web.get(made.headers["location"]).text
