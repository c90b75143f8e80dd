"""Images on pages: imported, paused, sent from a browser in pieces, and told apart by who may what."""

from __future__ import annotations

from typing import Any

import pytest
from tests import builders
from tests.web.conftest import Web

from zcloud.domain.image import Image, ImageState
from zcloud.domain.operation import Operation, OperationStatus, StepRecord, StepStatus
from zcloud.store.operations import Due

SCRIPT = {"HX-Request": "true"}
VENDOR = "D2EB44626FDDC30B513D5BB71A5D6C4C7DB87C81"


def add(web: Web, **changes: Any) -> Image:
    home = web.cloud.home.id
    return web.cloud.store.transact(lambda tx: tx.images.add(builders.image(project_id=home, **changes)))


def importing(web: Web, done: int, total: int) -> tuple[Image, Operation]:
    """Give an image whose download is as far as that, with the operation that a worker runs."""
    image = add(
        web, name="rocky-9", state=ImageState.IMPORTING, source={"kind": "url", "url": "https://x.example/a?key=1"}
    )
    about = {"resource_kind": "image", "resource_id": image.id, "resource_name": image.name, "verb": "import"}
    with web.cloud.store.write() as tx:
        it = tx.operations.add(builders.operation(project_id=image.project_id, workflow="image_import_v1", **about))
        tx.images.lock(image.id, it.id)
        taken = tx.operations.take(Due(it.id, it.epoch), "w")
        assert taken is not None
        step = StepRecord(0, "fetch", "Fetch the image", StepStatus.RUNNING, tx.now, None, done, total, "")
        tx.operations.write_steps(Due(it.id, taken.epoch), [step])
    return image, it


def send(web: Web, image: str, offset: int, data: bytes, user: str = "member", **headers: str) -> Any:
    path = f"/images/{image}/upload?offset={offset}"
    return web.ask("PUT", path, user, content=data, headers={"Origin": "http://testserver", **SCRIPT, **headers})


def test_an_image_is_imported_by_its_name_in_the_catalogue(web: Web) -> None:
    answer = web.post("/images/new", data={"kind": "catalogue", "catalogue": "debian-12", "public": "1"})
    with web.cloud.store.read() as tx:
        image = tx.images.get(answer.headers["location"].rpartition("/")[2])
    assert (image.os_id, image.state, image.project_id) == ("debian12", ImageState.IMPORTING, None)


def test_an_address_that_cannot_be_trusted_is_refused_with_what_was_filled_in(web: Web) -> None:
    answer = web.post("/images/new", data={"kind": "url", "name": "mine", "url": "http://x.example/i.qcow2"})
    assert answer.status_code == 400
    assert 'value="http://x.example/i.qcow2"' in answer.text
    assert "needs a checksum" in answer.text


def test_what_comes_is_shown_as_it_comes_and_paused(web: Web) -> None:
    image, _ = importing(web, 30, 40)
    assert "75 %" in web.get("/images").text
    page = web.get(f"/images/{image.id}").text
    assert "30 B of 40 B" in page
    assert "https://x.example/a<" in page  # without its query, which may be a signature
    assert web.post(f"/images/{image.id}/pause").status_code == 303
    assert "Go on" in web.get(f"/images/{image.id}").text
    assert web.post(f"/images/{image.id}/resume").status_code == 303
    assert web.post(f"/images/{image.id}/resume").status_code == 409


def test_an_import_is_cancelled(web: Web) -> None:
    image, operation = importing(web, 0, 0)
    assert f'action="/operations/{operation.id}/cancel"' in web.get(f"/images/{image.id}").text
    assert web.post(f"/operations/{operation.id}/cancel").status_code == 303


def test_a_page_says_what_an_image_is_and_who_uses_it(web: Web) -> None:
    source = {"kind": "catalogue", "url": "https://x.example/i", "verified_by": VENDOR}
    image = add(web, name="ubuntu", digest="ab" * 32, source=source)
    page = web.get(f"/images/{image.id}").text
    assert "ab" * 32 in page
    assert VENDOR in page
    assert ">web</a>" in web.get(f"/images/{web.cloud.image.id}").text
    answer = web.post(f"/images/{web.cloud.image.id}/delete")
    assert (answer.status_code, "is the base of" in answer.text) == (409, True)
    assert web.post(f"/images/{image.id}/delete").status_code == 303


def test_a_file_is_sent_in_pieces_and_gone_on_with(web: Web) -> None:
    form = {"kind": "upload", "name": "mine", "size": "8"}
    made = web.post("/images/new", user="member", data=form, headers=SCRIPT)
    assert made.status_code == 201
    id = made.json()["id"]
    assert send(web, id, 0, b"QFI\xfb").json()["offset"] == 4
    assert send(web, id, 0, b"QFI\xfb").status_code == 409
    page = web.get(f"/images/{id}", user="member").text
    assert 'data-offset="4"' in page
    assert "4 B of 8 B are there" in page
    there = web.get(f"/images/{id}/upload", user="member").json()
    assert (there["offset"], len(there["tail_sha256"])) == (4, 64)
    assert send(web, id, 4, b"abcd").status_code == 200
    assert web.post(f"/images/{id}/upload/finish", user="member", headers=SCRIPT).status_code == 202
    with web.cloud.store.read() as tx:
        assert tx.images.get(id).state is ImageState.IMPORTING
        operation = tx.operations.get(tx.images.get(id).operation_id or "")
        assert operation.status is OperationStatus.QUEUED


@pytest.mark.parametrize(
    ("user", "headers", "status"),
    [("viewer", {}, 403), ("stranger", {}, 404), ("", {}, 401), ("member", {"Origin": "http://evil.example"}, 403)],
)
def test_bytes_come_from_members_and_from_pages_of_ours_only(
    web: Web, user: str, headers: dict[str, str], status: int
) -> None:
    image = add(web, name="mine", state=ImageState.WAITING, source={"kind": "upload", "size": 4})
    assert send(web, image.id, 0, b"abcd", user, **headers).status_code == status
    assert list(web.cloud.upload_dir.iterdir()) == []


def test_an_upload_of_no_sense_is_told_to_the_script(web: Web) -> None:
    answer = web.post("/images/new", data={"kind": "upload", "name": "X", "size": "8"}, headers=SCRIPT)
    assert answer.status_code == 400
    assert "<html" not in answer.text


def test_the_library_of_cds_has_pages_of_its_own(web: Web) -> None:
    assert "No CD yet" in web.get("/media").text
    made = web.post("/media/new", data={"kind": "url", "url": "https://example.org/x.iso", "name": "netinst"})
    path = made.headers["location"]
    assert web.cloud.get(f"/v1{path}").json()["format"] == "iso"
    assert "netinst" in web.get("/media").text
    assert "netinst" not in web.get("/images").text
    assert "Install from it" not in web.get(path).text
    with web.cloud.store.write() as tx:
        image = tx.images.update(path.rpartition("/")[2], state=ImageState.READY)
        tx.instances.update(web.cloud.instance.id, cd_image_id=image.id)
    page = web.get(path).text
    assert "/launch?source=install&amp;media=netinst" in page
    assert "/launch?source=install&amp;media=netinst" in web.get("/media").text
    with web.cloud.store.write() as tx:
        tx.images.update(image.id, os_id="virtio-win")
    assert all("source=install" not in web.get(each).text for each in (path, "/media"))
    assert 'value="netinst"' not in web.get("/launch").text
    assert f'href="/instances/{web.cloud.instance.id}"' in page
    assert f'href="/instances/{web.cloud.running.id}"' not in page
