"""Snapshots on an instance's page: the tree, and what is said before something is lost."""

from __future__ import annotations

from datetime import timedelta

from tests import builders
from tests.web.conftest import Web

from zcloud.base.ids import new_id
from zcloud.domain.instance import Instance
from zcloud.domain.snapshot import Snapshot, SnapshotState
from zcloud.domain.storage import GIB
from zcloud.store import Tx
from zcloud.web.snapshots import branch_levels


def take(web: Web, instance: Instance, name: str, parent: Snapshot | None = None, minutes: int = 0) -> Snapshot:
    """Record a snapshot of the instance's disks as they are."""

    def work(tx: Tx) -> Snapshot:
        disks = {each.id: each.size for each in tx.volumes.of_instance(instance.id)}
        made = Snapshot(new_id(), instance.id, name, parent.id if parent else None, SnapshotState.READY, True, "admin",
                        builders.NOW + timedelta(minutes=minutes), disks)  # fmt: skip
        return tx.snapshots.add(made)

    return web.cloud.store.transact(work)


def test_only_a_branch_is_indented(web: Web) -> None:
    first = take(web, web.cloud.instance, "first")
    side = take(web, web.cloud.instance, "side", first, 1)
    tip = take(web, web.cloud.instance, "tip", side, 2)
    main = take(web, web.cloud.instance, "main", first, 3)
    assert branch_levels([first, side, tip, main]) == [0, 1, 1, 0]


def test_one_is_taken_and_the_page_tells_how_it_goes(web: Web) -> None:
    path = f"/instances/{web.cloud.instance.id}/snapshots"
    assert "None yet." in web.get(path).text
    answer = web.post(path, user="member", data={"name": "before-upgrade"})
    assert (answer.status_code, answer.headers["location"]) == (303, path)
    page = web.get(path).text
    assert "before-upgrade" in page
    assert "Creating" in page
    assert "No worker has begun yet." in page


def test_one_with_memory_is_asked_for_and_gone_back_to_with_it_or_without(web: Web) -> None:
    instance = web.cloud.running
    path = f"/instances/{instance.id}/snapshots"
    refused = web.post(path, data={"name": "as-it-runs", "memory": "on"})  # it has no root disk
    assert (refused.status_code, "could be kept" in refused.text) == (409, True)
    assert 'name="memory" value="on" checked' in refused.text
    plain, whole = take(web, instance, "plain"), take(web, instance, "whole", minutes=1)
    with web.cloud.store.write() as tx:
        tx.snapshots.update(whole.id, memory={"bytes": 94 << 20, "fits": {"its size": []}})
    assert "with memory</span> 94 MiB" in web.get(path).text
    assert "disks_only" not in web.get(f"{path}/{plain.id}/revert").text
    assert 'name="disks_only"' in web.get(f"{path}/{whole.id}/revert").text
    refused = web.post(f"{path}/{whole.id}/revert")
    assert (refused.status_code, "its size changed since" in refused.text) == (409, True)
    assert web.post(f"{path}/{whole.id}/revert", data={"disks_only": "on"}).status_code == 303


def test_a_refused_one_is_told_in_place_and_its_name_stays(web: Web) -> None:
    take(web, web.cloud.instance, "first")
    answer = web.post(f"/instances/{web.cloud.instance.id}/snapshots", data={"name": "first"})
    assert answer.status_code == 409
    assert "already_exists" in answer.text
    assert 'value="first"' in answer.text


def test_going_back_says_what_is_lost_and_what_stays(web: Web) -> None:
    instance = web.cloud.running
    with web.cloud.store.write() as tx:
        root = tx.volumes.add(builders.volume(instance.project_id, web.cloud.pool.id, name="r", instance_id=instance.id,
                                              slot=0, size=8 * GIB))  # fmt: skip
    snapshot = take(web, instance, "first")
    with web.cloud.store.write() as tx:
        tx.volumes.add(builders.volume(instance.project_id, web.cloud.pool.id, name="late", instance_id=instance.id,
                                       slot=1))  # fmt: skip
    path = f"/instances/{instance.id}/snapshots/{snapshot.id}/revert"
    assert f'hx-get="{path}"' in web.get(f"/instances/{instance.id}/snapshots").text
    asked = web.get(path, user="member").text
    assert "loses its power now" in asked
    lost, stays = asked.split("These came later", 1)
    assert (root.name in lost, "late" in lost, "late" in stays) == (True, False, True)
    assert web.post(path, user="member").status_code == 303
    with web.cloud.store.read() as tx:
        held = tx.instances.get(instance.id).operation_id
        assert held
        assert tx.operations.get(held).verb == "revert"


def test_one_is_deleted_after_it_was_asked_for(web: Web) -> None:
    snapshot = take(web, web.cloud.instance, "first")
    path = f"/instances/{web.cloud.instance.id}/snapshots/{snapshot.id}/delete"
    assert "The disks stay as they are now" in web.get(path).text
    assert web.post(path).status_code == 303
    assert web.get(path.replace(snapshot.id, "nope")).status_code == 404


def test_who_may_only_look_sees_the_tree_and_no_buttons(web: Web) -> None:
    snapshot = take(web, web.cloud.instance, "first")
    path = f"/instances/{web.cloud.instance.id}/snapshots"
    page = web.get(path, user="viewer").text
    assert "first" in page
    assert "Go back" not in page
    assert "Take a snapshot" not in page
    assert web.post(path, user="viewer", data={"name": "x"}).status_code == 403
    assert web.get(f"{path}/{snapshot.id}/revert", user="viewer").status_code == 403
    assert web.get(path, user="stranger").status_code == 404
