"""The observer's look at a host's pools: shared ones are joined, all are measured, and what changes is told."""

from __future__ import annotations

from uuid import uuid4

import pytest
from tests.unit.observer.conftest import Watched

from zcloud.domain.errors import DeadlineExceeded, StorageFailed
from zcloud.domain.storage import MOUNTS, JoinState, Pool
from zcloud.observer.orphans import OrphanWatch
from zcloud.observer.pools import PoolWatch
from zcloud.ports import Space
from zcloud.services.pools import Pools, PoolSpec
from zcloud.testing.cloud import ADMIN


def shared_pool(watched: Watched) -> Pool:
    options = {"server": "files.test", "export": f"/{uuid4()}"}
    pool, operation = Pools(watched.cloud.services).create(ADMIN, PoolSpec("files", driver="nfs", options=options))
    watched.cloud.wait(operation)
    return watched.cloud.read(lambda tx: tx.pools.get(pool.id))


def look(watched: Watched, host_id: str = "") -> None:
    id = host_id or watched.host_id
    PoolWatch(watched.cloud.store).run(id, watched.cloud.links.link(id))


def state(watched: Watched, pool: Pool) -> JoinState:
    return watched.cloud.read(lambda tx: tx.pool_hosts.of_pool(pool.id)[watched.host_id].state)


def test_a_host_that_came_later_joins_and_one_that_was_booted_joins_again(watched: Watched) -> None:
    pool = shared_pool(watched)
    later = watched.cloud.add_host("later", address="192.168.78")
    look(watched, later)
    disk = watched.cloud.links.hosts[later].shell.disk
    assert set(disk.mounts) == {f"{MOUNTS}/{pool.id}"}
    assert watched.events("pool.usable") == ["The pool files can be used on later."]
    disk.mounts.clear()
    look(watched, later)
    look(watched, later)
    assert set(disk.mounts) == {f"{MOUNTS}/{pool.id}"}
    assert watched.events("host.healed") == ["later: the pool files was not joined, and is again."]


def test_a_server_that_stalls_degrades_its_pool_and_nothing_else(watched: Watched) -> None:
    pool = shared_pool(watched)
    shell = watched.link.shell
    own = watched.cloud.read(lambda tx: next(each for each in tx.pools.all() if each.host_id))
    for _ in range(2):
        shell.fail(f"space {MOUNTS}", DeadlineExceeded("stat did not end in time and was killed."))
        shell.disk.total -= 1 << 30
        look(watched)
        assert state(watched, pool) is JoinState.ERROR
        seen = watched.cloud.read(lambda tx: tx.pools.get(own.id))
        assert seen.total == shell.disk.total, "the others are measured as ever"
    told = watched.events("pool.unusable")
    assert told == ["The pool files cannot be used on alpha: stat did not end in time and was killed."]
    look(watched)
    assert state(watched, pool) is JoinState.READY
    assert len(watched.events("pool.usable")) == 1


def test_a_pool_that_fills_is_told_once(watched: Watched) -> None:
    disk = watched.link.shell.disk
    for share, told in ((0.8, 0), (0.91, 1), (0.95, 1), (0.89, 1), (0.91, 1), (0.5, 1), (0.92, 2)):
        disk.used = int(disk.total * share)
        look(watched)
        assert len(watched.events("pool.filling")) == told, share


def test_one_that_is_being_deleted_is_not_joined_again(watched: Watched) -> None:
    pool = shared_pool(watched)
    watched.cloud.wait(Pools(watched.cloud.services).delete(ADMIN, pool.id))
    look(watched)
    assert not watched.link.shell.disk.mounts


def test_one_that_is_deleted_during_the_look_is_left(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    pool, shell = shared_pool(watched), watched.link.shell
    space = shell.space

    def delete_then_measure(path: str) -> Space:
        if path.startswith(MOUNTS):
            watched.cloud.wait(Pools(watched.cloud.services).delete(ADMIN, pool.id))
            shell.disk.make_directory(path)
            shell.disk.mount("files.test:/late", path)  # as a mount that came to its end only now
        return space(path)

    monkeypatch.setattr(shell, "space", delete_then_measure)
    look(watched)
    assert not shell.disk.mounts
    assert not watched.events("pool.unusable")


def test_another_host_s_seed_in_a_shared_pool_is_no_orphan(watched: Watched) -> None:
    shared_pool(watched)
    later = watched.cloud.add_host("later", address="192.168.78")
    watched.cloud.links.hosts[later].shell.answers["ip -j link show"] = b"[]"
    look(watched, later)
    watched.launch("web", host="later", pool="files")
    for host_id in (watched.host_id, later):
        assert not OrphanWatch(watched.cloud.store).run(host_id, watched.cloud.links.link(host_id))


def test_a_pool_that_cannot_be_read_is_told_once_and_when_it_can(watched: Watched) -> None:
    pool = watched.cloud.read(lambda tx: next(each for each in tx.pools.all() if each.host_id))
    for told in (1, 1):
        watched.link.shell.fail("space", StorageFailed("no such disk"))
        look(watched)
        assert len(watched.events("pool.degraded")) == told
    assert watched.cloud.read(lambda tx: tx.pools.get(pool.id)).warning == "It cannot be read: no such disk"
    look(watched)
    assert len(watched.events("pool.sound")) == 1


def test_what_a_cluster_warns_of_is_told_once_and_when_it_is_over(watched: Watched) -> None:
    options = {"monitors": "192.0.2.1", "pool": "vms", "key": "A" * 38 + "=="}
    pool, operation = Pools(watched.cloud.services).create(ADMIN, PoolSpec("ceph", driver="rbd", options=options))
    watched.cloud.wait(operation)
    for words in ("1 osds down", "2 osds down"):
        watched.link.shell.rbd.checks = {"OSD_DOWN": {"summary": {"message": words}}}
        look(watched)
        assert watched.cloud.read(lambda tx: tx.pools.get(pool.id)).warning == words
    watched.link.shell.rbd.checks = {}
    look(watched)
    assert watched.events("pool.degraded") == ["The pool ceph is degraded: 1 osds down"]
    assert watched.events("pool.sound") == ["What the pool ceph lies in is whole again."]
