"""The verbs that every noun has, on both stores."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from tests import builders

from zcloud.base.ids import new_id
from zcloud.domain.errors import AlreadyExists, Busy, InUse, InvalidInput, NotFound, RevisionMismatch
from zcloud.store import InstanceFilter, Store


def test_add_get_find_resolve_delete(store: Store) -> None:
    host = builders.host(name="alpha")
    with store.write() as tx:
        assert tx.hosts.add(host) is host
    with store.read() as tx:
        assert tx.hosts.get(host.id) == host
        assert tx.hosts.find("alpha") == tx.hosts.resolve("alpha") == tx.hosts.resolve(host.id) == host
        assert tx.hosts.find("beta") is None
        assert tx.hosts.all() == [host]
        assert tx.hosts.many([host.id, new_id()]) == {host.id: host}
        assert tx.hosts.many([]) == {}
    with store.write() as tx:
        tx.hosts.delete(host.id)
    for call in ("get", "resolve", "delete"):
        with pytest.raises(NotFound, match="no host"), store.write() as tx:
            getattr(tx.hosts, call)(host.id)


def test_an_id_wins_over_a_name_that_looks_like_it(store: Store) -> None:
    first = builders.host(name="first")
    with store.write() as tx:
        tx.hosts.add(builders.host(name=first.id))
        tx.hosts.add(first)
        assert tx.hosts.resolve(first.id) == first


def test_names_are_there_once(store: Store) -> None:
    with store.write() as tx:
        tx.hosts.add(builders.host(name="alpha"))
        beta = tx.hosts.add(builders.host(name="beta"))
    with pytest.raises(AlreadyExists, match="already a host 'alpha'"), store.write() as tx:
        tx.hosts.add(builders.host(name="alpha"))
    with pytest.raises(AlreadyExists, match="alpha"), store.write() as tx:
        tx.hosts.update(beta.id, name="alpha")


def test_what_is_referred_to_stays(store: Store) -> None:
    host = builders.host()
    with store.write() as tx:
        tx.hosts.add(host)
        tx.pools.add(builders.pool(host_id=host.id))
    with pytest.raises(InUse, match="host"), store.write() as tx:
        tx.hosts.delete(host.id)
    with pytest.raises(NotFound, match="refers to"), store.write() as tx:
        tx.pools.add(builders.pool(host_id=new_id()))


def test_an_error_undoes_the_transaction(store: Store) -> None:
    def fail() -> None:
        with store.write() as tx:
            tx.hosts.add(builders.host())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with store.read() as tx:
        assert tx.hosts.all() == []


def test_the_revision_grows_only_when_told(store: Store) -> None:
    host = builders.host()
    with store.write() as tx:
        tx.hosts.add(host)
        assert tx.hosts.update(host.id, state_reason="observed").revision == 1
        assert tx.hosts.update(host.id, expect_revision=1, bump=True, cpu_ratio=2.0).revision == 2
    with pytest.raises(RevisionMismatch), store.write() as tx:
        tx.hosts.update(host.id, expect_revision=1, bump=True, cpu_ratio=8.0)
    with pytest.raises(RevisionMismatch), store.write() as tx:
        tx.hosts.update(host.id, expect_revision=1)
    with store.write() as tx:
        assert tx.hosts.update(host.id, expect_revision=2).revision == 2
    with pytest.raises(NotFound), store.write() as tx:
        tx.hosts.update(new_id(), expect_revision=1, cpu_ratio=8.0)
    with store.read() as tx:
        kept = tx.hosts.get(host.id)
    assert (kept.cpu_ratio, kept.revision, kept.state_reason) == (2.0, 2, "observed")


def test_one_operation_at_a_time(store: Store) -> None:
    host, first, second = builders.host(name="alpha"), builders.operation(verb="drain"), builders.operation()
    with store.write() as tx:
        tx.hosts.add(host)
        tx.operations.add(first)
        tx.hosts.lock(host.id, first.id)
        tx.hosts.lock(host.id, first.id)
    with pytest.raises(Busy, match="A drain operation works on the host 'alpha'") as busy, store.write() as tx:
        tx.hosts.lock(host.id, second.id)
    assert busy.value.details["operation"] == first.id
    with store.write() as tx:
        tx.hosts.unlock(host.id, second.id)
        assert tx.hosts.get(host.id).operation_id == first.id
        tx.hosts.unlock(host.id, first.id)
        tx.hosts.lock(host.id, second.id)
    with pytest.raises(NotFound), store.write() as tx:
        tx.hosts.lock(new_id(), first.id)


@pytest.mark.parametrize("noun", ["images", "volumes", "pools", "networks", "instances", "hosts"])
def test_every_locked_noun_has_the_lock(sqlite_store: Store, noun: str) -> None:
    with pytest.raises(NotFound), sqlite_store.write() as tx:
        getattr(tx, noun).lock(new_id(), new_id())


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"sort": "host_key"}, "sort"),
        ({"sort": "--name"}, "sort"),
        ({"limit": 0}, "limit"),
        ({"limit": 1001}, "limit"),
        ({"cursor": "!"}, "cursor"),
        ({"cursor": "W10"}, "cursor"),  # []
        ({"cursor": "WyJuYW1lIiwxLDJd"}, "cursor"),  # ["name",1,2]
        ({"cursor": "W1tbW1tbW1tb"}, "cursor"),
        ({"cursor": "é"}, "cursor"),
    ],
)
def test_pages_refuse_what_they_do_not_know(store: Store, asked: dict[str, Any], field: str) -> None:
    with store.read() as tx, pytest.raises(InvalidInput) as refused:
        tx.hosts.page(**asked)
    assert refused.value.details["field"] == field


@pytest.mark.parametrize("value", [1 << 31, -(1 << 31), 1 << 70, 1.5, True, None, "1"])
def test_cursors_with_other_values_are_refused(store: Store, value: Any) -> None:
    cursor = base64.urlsafe_b64encode(json.dumps(["vcpus", value, new_id()]).encode()).decode()
    with store.read() as tx, pytest.raises(InvalidInput):
        tx.instances.page(sort="vcpus", cursor=cursor)
    with store.read() as tx, pytest.raises(InvalidInput):
        tx.hosts.page(cursor=base64.urlsafe_b64encode(json.dumps(["name", "\0", "\ud800"]).encode()).decode())


def test_reading_cannot_write(store: Store) -> None:
    with pytest.raises(Exception, match=r"read.?only"), store.read() as tx:
        tx.hosts.add(builders.host())


def test_a_write_within_a_write_is_a_defect(store: Store) -> None:
    with store.write(), pytest.raises(RuntimeError, match="within"), store.write():
        pass
    with store.write() as tx:
        tx.hosts.add(builders.host())


def test_names_of_any_script_and_hostile_ones_are_only_text(store: Store) -> None:
    names = ["ä", "'; DROP TABLE hosts; --", "%", "_", "日本", "a" * 255]
    with store.write() as tx:
        for name in names:
            tx.hosts.add(builders.host(name=name))
    with store.read() as tx:
        assert {host.name for host in tx.hosts.all()} == set(names)
        assert [host.name for host in tx.hosts.all()] == sorted(names, key=lambda name: name.encode())


@pytest.mark.parametrize("text", ["a\0b", "\ud800", "a" * 256], ids=repr)
def test_keys_that_no_store_can_keep_are_refused_and_other_text_is_mended(store: Store, text: str) -> None:
    with store.write() as tx:
        tx.hosts.add(builders.host(name="alpha"))
        host = tx.hosts.resolve("alpha")
        for ask in (tx.hosts.get, tx.hosts.find, tx.hosts.resolve, tx.instances.resolve):
            with pytest.raises(InvalidInput):
                ask(text)
        for filter in (InstanceFilter(search=text), InstanceFilter(tags=[text]), InstanceFilter({text})):
            with pytest.raises(InvalidInput):
                tx.instances.page(filter)
        with pytest.raises(InvalidInput):
            tx.hosts.update(host.id, name=text)
        with pytest.raises(InvalidInput):
            tx.sessions.login_failed(f"name:{text}")
        kept = tx.hosts.update(host.id, inventory={"text": text}, state_reason=text * 9)
        assert kept.state_reason == text.translate({0: 0xFFFD, 0xD800: 0xFFFD}) * 9
        tx.audit.add(text, actor=text, outcome=text, address=text, detail=text)
    with store.read() as tx:
        assert tx.hosts.get(host.id).inventory == {"text": text}
        assert tx.audit.before()[0].actor in ("a?b", "?", "a" * 255)
