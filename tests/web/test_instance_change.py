"""What an owner changes of an instance from its page: each does what the API does, and a refusal is told in place."""

from __future__ import annotations

import pytest
from tests import builders
from tests.web.conftest import Web

from zcloud.domain.claims import BYTES, Claim
from zcloud.domain.storage import GIB, VolumeRole
from zcloud.store import Tx


def verb_of(web: Web, id: str) -> str:
    with web.cloud.store.read() as tx:
        operation_id = tx.instances.get(id).operation_id
        return tx.operations.get(operation_id).verb if operation_id else ""


def give_disk(web: Web, id: str) -> str:
    """Give an instance a data disk that is claimed, and return its id."""

    def work(tx: Tx) -> str:
        pool = web.cloud.pool
        disk = tx.volumes.add(builders.volume(web.cloud.home.id, pool.id, name="data", size=GIB, instance_id=id,
                                              slot=1, role=VolumeRole.DATA))  # fmt: skip
        tx.claims.note([Claim(pool.ref, disk.id, BYTES, disk.size)])
        return disk.id

    return web.cloud.store.transact(work)


@pytest.mark.parametrize(
    ("path", "form", "verb"),
    [
        ("disks/attach", {"size": "1.5", "name": "more"}, "attach_disk"),
        ("disks/attach", {"volume": "spare"}, "attach_disk"),
        ("nics/attach", {"network": "lan", "address": "10.9.0.99"}, "attach_nic"),
        ("nics/link", {"nic": "0", "up": ""}, "link_nic"),
        ("nics/detach", {"nic": "0"}, "detach_nic"),
        ("resize", {"flavor": "", "vcpus": "2", "memory": "1"}, "resize"),
        ("rename", {"name": "renamed", "hostname": "on"}, "rename"),
    ],
)
def test_a_change_is_an_operation_whose_steps_are_shown(web: Web, path: str, form: dict[str, str], verb: str) -> None:
    id = web.cloud.instance.id
    answer = web.post(f"/instances/{id}/{path}", user="member", data=form)
    assert (answer.status_code, answer.headers.get("location")) == (303, f"/instances/{id}")
    assert verb_of(web, id) == verb


def test_a_disk_is_grown_and_taken_away(web: Web) -> None:
    id = web.cloud.instance.id
    disk = give_disk(web, id)
    assert web.post(f"/instances/{id}/disks/grow", data={"disk": web.cloud.volume.id, "size": "9"}).status_code == 400
    assert web.post(f"/instances/{id}/disks/detach", data={"disk": disk, "delete": "on"}).status_code == 303
    assert verb_of(web, id) == "detach_disk"


def test_choices_are_kept_at_once(web: Web) -> None:
    id = web.cloud.instance.id
    form = {"protected": "on", "on_boot": "start", "tags": "one two"}
    assert web.post(f"/instances/{id}/choices", data=form).status_code == 303
    with web.cloud.store.read() as tx:
        found = tx.instances.get(id)
    assert (found.protected, found.on_boot, found.tags) == (True, "start", ("one", "two"))


def test_a_refusal_is_told_above_the_forms_and_audited(web: Web) -> None:
    id, before = web.cloud.instance.id, web.cloud.rows()
    answer = web.post(f"/instances/{id}/rename", data={"name": "db"})
    assert answer.status_code == 409
    assert "already_exists" in answer.text
    assert 'action="/instances/' in answer.text
    assert web.cloud.rows() == before
    assert web.cloud.get("/v1/audit").json()["items"][0]["outcome"] == "already_exists"


def test_a_guest_is_asked_by_its_agent(web: Web) -> None:
    base = f"/instances/{web.cloud.running.id}/guest"
    assert "gave 0 MiB" in web.post(f"{base}/trim").text
    answer = web.post(f"{base}/password", data={"user": "debian", "password": "s3cret-word"})
    assert "The password of debian was changed." in answer.text
    assert "s3cret-word" not in answer.text
    assert web.post(f"{base}/password", data={"user": "debian", "password": ""}).status_code == 400


def test_xml_is_edited_after_its_difference_was_seen(web: Web) -> None:
    path = f"/instances/{web.cloud.instance.id}/xml"
    page = web.get(path).text
    digest = page.partition('name="digest" value="')[2].partition('"')[0]
    same = web.post(path, data={"xml": "<domain><devices/></domain>", "digest": digest})
    assert "Nothing: it says the same." in same.text
    bad = web.post(path, data={"xml": "<domain>", "digest": digest})
    assert bad.status_code == 400
    assert "invalid_xml" in bad.text
    late = web.post(path, data={"xml": "<domain/>", "digest": "0" * 64})
    assert "revision_mismatch" in late.text
    form = {"xml": "<domain><title>new</title><devices/></domain>", "digest": digest}
    shown = web.post(path, data=form)
    assert "What would change" in shown.text
    assert verb_of(web, web.cloud.instance.id) == ""
    assert web.post(path, data={**form, "apply": "on"}).status_code == 303
    assert verb_of(web, web.cloud.instance.id) == "edit"


def test_only_who_may_sees_and_makes_changes(web: Web) -> None:
    id = web.cloud.instance.id
    assert "/change" not in web.get(f"/instances/{id}", user="viewer").text
    assert web.get(f"/instances/{id}/change", user="viewer").status_code == 403
    assert web.post(f"/instances/{id}/rename", user="viewer", data={"name": "mine"}).status_code == 403
    assert web.post(f"/instances/{id}/rename", user="stranger", data={"name": "mine"}).status_code == 404
    assert web.post(f"/instances/{id}/xml", user="member", data={"xml": "<domain/>"}).status_code == 403


KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIyCZ4kGrAkyYEZ8hWgr6mZHwTVqDHwcK3XkSPdFb2bR mia"


def test_the_system_on_a_stopped_ones_disk_is_changed_and_its_secrets_stay_sealed(web: Web) -> None:
    it = web.cloud.instance
    assert f'action="/instances/{it.id}/customize"' in web.get(f"/instances/{it.id}/change").text
    form = {"hostname": "old-box", "person": "mia", "password": "Swordfish-9", "keys": KEY, "network": "on"}
    answer = web.post(f"/instances/{it.id}/customize", user="member", data={**form, "commands": "true\n\nfalse"})
    assert answer.status_code == 303, answer.text
    assert verb_of(web, it.id) == "customize"
    with web.cloud.store.read() as tx:
        operation = tx.operations.get(tx.instances.get(it.id).operation_id or "")
    assert set(operation.args["what"]) == {"hostname", "users", "passwords", "nics", "commands"}
    assert "Swordfish" not in str(web.cloud.rows())


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({}, "Nothing is to be changed."),
        ({"password": "Swordfish-9"}, "Name the user."),
        ({"person": "mia", "keys": "no key"}, "invalid_input"),
        ({"commands": "true\n" * 65}, "At most 64 lines"),
    ],
)
def test_what_cannot_be_customized_is_told_in_place(still: Web, form: dict[str, str], said: str) -> None:
    answer = still.post(f"/instances/{still.cloud.instance.id}/customize", data=form)
    assert (answer.status_code, said in answer.text, "Swordfish" in answer.text) == (400, True, False)


def test_only_a_stopped_one_is_customized(still: Web) -> None:
    path = f"/instances/{still.cloud.running.id}"
    assert "/customize" not in still.get(f"{path}/change").text
    assert still.post(f"{path}/customize", data={"hostname": "x"}).status_code == 409
