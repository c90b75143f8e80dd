"""Disks of hosts on pages: the list, a plan that is seen first, and the way back."""

from __future__ import annotations

import re

from tests.web.conftest import Web

from zcloud.domain.operation import Operation


def latest(web: Web) -> Operation:
    with web.cloud.store.read() as tx:
        (operation,) = tx.operations.page(limit=1, sort="-created_at").items
        return operation


def test_a_disk_is_prepared_after_its_plan_was_seen(web: Web) -> None:
    base = f"/hosts/{web.cloud.host.id}/disks"
    assert f'href="{base}"' in web.get(f"/hosts/{web.cloud.host.id}").text
    listed = web.get(base).text
    assert f'href="{base}/vdb"' in listed
    assert f'href="{base}/sda"' not in listed, "the system's own disk is offered to nobody"
    assert 'value="/srv/vdb"' in web.get(f"{base}/vdb").text
    before = web.cloud.rows()
    refused = web.get(f"{base}/vdc?mount=/srv/fast")
    assert (refused.status_code, refused.headers["x-zcloud-error"]) == (409, "disk_not_empty")
    assert "ntfs on vdc1" in refused.text
    plan = web.get(f"{base}/vdc?mount=/srv/fast&filesystem=xfs&erase=1").text
    assert "mkfs.xfs -q" in plan
    assert "Erase and prepare" in plan
    assert web.cloud.rows() == before
    form = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', plan))
    answer = web.post(f"{base}/vdc/prepare", data=form)
    assert answer.status_code == 303, answer.text
    operation = latest(web)
    assert answer.headers["location"] == f"/operations/{operation.id}"
    assert (operation.workflow, operation.args["filesystem"]) == ("host_disk_prepare_v1", "xfs")
    assert "Prepare disk" in web.get(answer.headers["location"]).text


def test_a_form_that_is_wrong_is_asked_again(web: Web) -> None:
    base = f"/hosts/{web.cloud.host.id}/disks"
    for query in ("mount=/etc", "mount=/srv/fast&filesystem=vfat"):
        answer = web.get(f"{base}/vdb?{query}")
        assert (answer.status_code, answer.headers["x-zcloud-error"]) == (400, "invalid_input")
        assert 'aria-invalid="true"' in answer.text
    stale = web.post(f"{base}/vdb/prepare", data={"mount": "/srv/fast", "digest": "0" * 32})
    assert stale.headers["x-zcloud-error"] == "disk_changed"


def test_only_an_admin_sees_disks(web: Web) -> None:
    host = web.cloud.host.id
    assert f"/hosts/{host}/disks" not in web.get(f"/hosts/{host}", user="operator").text
    for path in (f"/hosts/{host}/disks", f"/hosts/{host}/disks/vdb"):
        assert web.get(path, user="operator").status_code == 403
    assert web.post(f"/hosts/{host}/disks/release", user="operator", data={"mount": "/srv/slow"}).status_code == 403


def test_a_disk_is_let_go(web: Web) -> None:
    base = f"/hosts/{web.cloud.host.id}/disks"
    answer = web.post(f"{base}/release", data={"mount": "/srv/slow"})
    assert answer.status_code == 303, answer.text
    assert latest(web).workflow == "host_disk_release_v1"
