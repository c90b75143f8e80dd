"""Volumes on pages: over all pools, and each change is what the API does."""

from __future__ import annotations

import pytest
from tests import builders
from tests.web.conftest import Web

from zcloud.domain.image import CD, ImageState
from zcloud.domain.storage import GIB


def verb_of(web: Web, kind: str, id: str) -> str:
    with web.cloud.store.read() as tx:
        record = tx.volumes.get(id) if kind == "volume" else tx.instances.get(id)
        return tx.operations.get(record.operation_id).verb if record.operation_id else ""


def test_volumes_are_listed_by_pool_and_the_free_ones(web: Web) -> None:
    with web.cloud.store.write() as tx:
        home, pool = web.cloud.home.id, web.cloud.pool.id
        tx.volumes.add(builders.volume(home, pool, name="held", instance_id=web.cloud.instance.id, slot=1))
    whole = web.get("/volumes", user="member").text
    assert ("spare" in whole, "held" in whole) == (True, True)
    assert web.cloud.instance.name in whole
    free = web.get("/volumes?free=1").text
    assert ("spare" in free, "held" in free) == (True, False)
    listed = web.cloud.get("/v1/volumes?unused=true")
    assert listed.status_code == 200, listed.text
    assert [each["name"] for each in listed.json()["items"]] == ["spare"]
    assert "spare" in web.get(f"/volumes?pool={web.cloud.pool.id}").text
    assert "spare" not in web.get("/volumes", user="stranger").text


def test_a_volume_is_made_and_a_refused_one_keeps_what_was_filled_in(web: Web) -> None:
    made = web.post("/volumes/new", user="member", data={"name": "logs", "size": "1.5"})
    assert made.status_code == 303, made.text
    page = web.get(made.headers["location"], user="member").text
    assert "logs" in page
    assert "1.5 GiB" in page
    refused = web.post("/volumes/new", data={"name": "logs", "size": "2"})
    assert (refused.status_code, 'value="2"' in refused.text) == (409, True)
    assert web.post("/volumes/new", user="viewer", data={"name": "x", "size": "1"}).status_code == 403


@pytest.mark.parametrize(
    ("path", "form", "verb"),
    [
        ("grow", {"size": "20", "filesystems": "on"}, "resize"),
        ("clone", {"name": "copy"}, "clone"),
        ("delete", {}, "delete"),
    ],
)
def test_what_is_done_with_one_is_an_operation(web: Web, path: str, form: dict[str, str], verb: str) -> None:
    answer = web.post(f"/volumes/{web.cloud.volume.id}/{path}", user="member", data=form)
    assert answer.status_code == 303, answer.text
    assert verb_of(web, "volume", web.cloud.volume.id) == verb


def test_one_is_renamed_and_attached_and_a_refusal_is_told_in_place(web: Web) -> None:
    path = f"/volumes/{web.cloud.volume.id}"
    assert web.post(f"{path}/rename", data={"name": "better"}).status_code == 303
    assert "better" in web.get(path).text
    refused = web.post(f"{path}/detach")
    assert (refused.status_code, "wrong_state" in refused.text) == (409, True)
    assert web.post(f"{path}/grow", data={"size": "0.1"}).status_code == 400
    assert web.post(f"{path}/attach", user="member", data={"instance": "nope"}).status_code == 404
    assert web.post(f"{path}/attach", user="member", data={"instance": "web"}).status_code == 303
    assert verb_of(web, "instance", web.cloud.instance.id) == "attach_disk"
    assert web.post(f"{path}/rename", user="stranger", data={"name": "mine"}).status_code == 404


def test_one_that_several_read_names_them_and_is_taken_from_each(web: Web) -> None:
    path, reader = f"/volumes/{web.cloud.volume.id}", web.cloud.instance
    form = {"instance": reader.name, "shared": "on"}
    assert web.post(f"{path}/attach", user="member", data=form).status_code == 303
    with web.cloud.store.write() as tx:
        for rows, id in ((tx.instances, reader.id), (tx.volumes, web.cloud.volume.id)):
            rows.unlock(id, rows.locked_by(id) or "")
    for page in (path, "/volumes"):
        assert f'/instances/{reader.id}">{reader.name}' in web.get(page, user="member").text
    whole = web.get(path).text
    assert ("/grow" in whole, f'name="reader" value="{reader.id}"' in whole) == (False, True)
    assert "shared" in web.get(f"/instances/{reader.id}").text
    assert web.post(f"{path}/delete").status_code == 409
    assert "spare" not in web.get("/volumes?free=1").text
    assert web.cloud.get(f"/v1/volumes/{web.cloud.volume.id}").json()["readers"] == [reader.id]
    assert web.post(f"{path}/detach", data={"reader": reader.id}).status_code == 303
    assert verb_of(web, "instance", reader.id) == "detach_disk"


def test_a_cd_is_put_in_and_taken_out(web: Web) -> None:
    id = web.cloud.instance.id
    assert "There is no CD in the library" in web.get(f"/instances/{id}/change").text
    with web.cloud.store.write() as tx:
        disc = tx.images.add(builders.image(name="rescue", format=CD, state=ImageState.READY, size=GIB))
    assert "rescue" in web.get(f"/instances/{id}/change").text
    assert web.post(f"/instances/{id}/cd/insert", user="member", data={"image": "rescue"}).status_code == 303
    assert verb_of(web, "instance", id) == "insert"
    with web.cloud.store.write() as tx:
        tx.instances.unlock(id, tx.instances.locked_by(id) or "")
        tx.instances.update(id, cd_image_id=disc.id)
    assert web.post(f"/instances/{id}/cd/eject", data={"drive": "cd"}).status_code == 303
    assert verb_of(web, "instance", id) == "eject"


def test_a_screen_by_spice_is_told_with_what_opens_it(web: Web) -> None:
    it = web.cloud.running
    assert "virt-viewer" not in web.get(f"/instances/{it.id}/console").text
    with web.cloud.store.write() as tx:
        live = {**it.live, "hardware": {"screen": "spice"}}
        tx.instances.update(it.id, live=live)
    page = web.get(f"/instances/{it.id}/console").text
    assert f"zcloud console {it.name} --spice --port 5930" in page
    file = web.get(f"/instances/{it.id}/viewer", user="member")
    assert file.headers["content-type"] == "application/x-virt-viewer"
    assert "type=spice\nhost=127.0.0.1\nport=5930\n" in file.text
