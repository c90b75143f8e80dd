"""Instances, and what they are made of."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine
from tests import builders
from tests.threads import in_threads
from tests.unit.store.world import World

from zcloud.base.ids import new_id, new_mac
from zcloud.domain.errors import AlreadyExists, HostUnreachable, InUse, NotFound, WrongState
from zcloud.domain.host import HostState
from zcloud.domain.image import ImageState
from zcloud.domain.instance import Instance, InstanceStatus, Ready
from zcloud.domain.network import pick_address
from zcloud.store import ImageFilter, InstanceFilter, NetworkFilter, PoolFilter, Store, VolumeFilter


@pytest.fixture
def world(store: Store) -> World:
    return World(store)


def found(world: World, filter: InstanceFilter) -> list[str]:
    with world.store.read() as tx:
        page = tx.instances.page(filter, count=True)
    assert page.total == len(page.items)
    return [each.name for each in page.items]


def test_filters(world: World) -> None:
    other = builders.project()
    with world.store.write() as tx:
        tx.projects.add(other)
    web = world.add(name="web-1", tags=("a", "b"), status=InstanceStatus.RUNNING)
    world.add(name="web_2", tags=("a",))
    world.add(name="db", project_id=other.id)
    with world.store.write() as tx:
        tx.ports.add(builders.port(web.id, world.network.id, address="10.9.7.7"))
    everything = ["db", "web-1", "web_2"]
    cases: list[tuple[InstanceFilter, list[str]]] = [
        (InstanceFilter(), everything),
        (InstanceFilter({world.project.id}), ["web-1", "web_2"]),
        (InstanceFilter(set()), []),
        (InstanceFilter(status=[InstanceStatus.RUNNING]), ["web-1"]),
        (InstanceFilter(tags=["a"]), ["web-1", "web_2"]),
        (InstanceFilter(tags=["a", "b"]), ["web-1"]),
        (InstanceFilter(tags=["a", "z"]), []),
        (InstanceFilter(host_id=world.host.id), everything),
        (InstanceFilter(host_id=new_id()), []),
        (InstanceFilter(image_id=world.image.id), everything),
        (InstanceFilter(image_id=new_id()), []),
        (InstanceFilter(search="web"), ["web-1", "web_2"]),
        (InstanceFilter(search="_"), ["web_2"]),
        (InstanceFilter(search="%"), []),
        (InstanceFilter(search=web.id), ["web-1"]),
        (InstanceFilter(search="10.9.7.7"), ["web-1"]),
    ]
    for filter, expected in cases:
        assert found(world, filter) == expected, filter


def test_names_belong_to_projects(world: World) -> None:
    other = builders.project()
    with world.store.write() as tx:
        tx.projects.add(other)
    mine, theirs = world.add(name="web"), world.add(name="web", project_id=other.id)
    with world.store.read() as tx:
        assert tx.instances.resolve("web", world.project.id) == mine
        assert tx.instances.resolve(theirs.id, other.id) == tx.instances.find("web", other.id) == theirs
        with pytest.raises(NotFound):
            tx.instances.resolve(theirs.id, world.project.id)
    with pytest.raises(AlreadyExists, match="an instance 'web'"):
        world.add(name="web")


def test_tags_are_replaced_and_go_with_the_instance(world: World) -> None:
    record = world.add(tags=("b", "a"))
    with world.store.write() as tx:
        assert tx.instances.get(record.id).tags == ("a", "b")
        changed = tx.instances.update(record.id, tags=("c",), bump=True)
        assert (changed.tags, changed.revision, changed.updated_at) == (("c",), 2, tx.now)
        tx.instances.delete(record.id)
        tx.instances.add(record)
        assert tx.instances.get(record.id).tags == ("a", "b")


def test_an_instance_with_parts_stays(world: World) -> None:
    record = world.add(tags=("a",))
    with world.store.write() as tx:
        port = tx.ports.add(builders.port(record.id, world.network.id))
    with pytest.raises(InUse), world.store.write() as tx:
        tx.instances.delete(record.id)
    with world.store.write() as tx:
        assert tx.instances.get(record.id).tags == ("a",)
        tx.ports.delete(port.id)
        tx.instances.delete(record.id)


def test_a_run_is_begun_once(world: World) -> None:
    record = world.add()

    def begin(number: int, host_id: str = world.host.id) -> None:
        with world.store.write() as tx:
            tx.instances.begin_incarnation(record.id, number, host_id)

    in_threads([lambda: begin(1)] * 8)  # a step may run twice, also at once
    with world.store.read() as tx:
        assert tx.instances.get(record.id).incarnation == 1
    begin(2)
    for late in (0, 1, 4):
        with pytest.raises(WrongState, match="run 2"):
            begin(late)
    with pytest.raises(WrongState):
        begin(3, new_id())
    with pytest.raises(NotFound), world.store.write() as tx:
        tx.instances.begin_incarnation(new_id(), 1, world.host.id)


def test_lookups_in_bulk(world: World) -> None:
    first, second = world.add(name="a"), world.add(name="b")
    with world.store.write() as tx:
        ports = [builders.port(first.id, world.network.id, slot=slot, address=f"10.9.0.{9 - slot}") for slot in (1, 0)]
        for port in ports:
            tx.ports.add(port)
        data = builders.volume(world.project.id, world.pool.id, instance_id=first.id, slot=1)
        root = builders.volume(world.project.id, world.pool.id, instance_id=first.id, slot=0)
        for volume in (data, root):
            tx.volumes.add(volume)
    with world.store.read() as tx:
        assert tx.ports.for_instances([first.id, second.id]) == {first.id: ports[::-1]}
        assert tx.volumes.for_instances([first.id, second.id]) == {first.id: [root, data]}
        assert tx.volumes.for_instances([]) == {} == tx.ports.for_instances([])
        assert tx.volumes.of_instance(first.id) == [root, data]
        assert tx.ports.of_instance(second.id) == []
        assert tx.instances.on_host(world.host.id) == [first, second]
        assert tx.instances.waiting() == []
        assert set(tx.ports.on_host(world.host.id)) == set(tx.ports.on_network(world.network.id)) == set(ports)
        assert tx.volumes.in_pool(world.pool.id) == sorted([root, data], key=lambda each: each.id)
        assert len(tx.volumes.page(VolumeFilter({world.project.id}, pool_id=world.pool.id), sort="-size").items) == 2


def test_a_page_costs_the_same_for_one_row_and_for_many(world: World) -> None:
    def statements() -> int:
        seen: list[str] = []

        def note(*arguments: Any) -> None:
            seen.append(arguments[2])

        event.listen(Engine, "before_cursor_execute", note)
        try:
            with world.store.read() as tx:
                ids = [each.id for each in tx.instances.page().items]
                tx.ports.for_instances(ids)
                tx.volumes.for_instances(ids)
        finally:
            event.remove(Engine, "before_cursor_execute", note)
        return sum(each.startswith("SELECT") for each in seen)

    world.add(tags=("a",))
    one = statements()
    for _ in range(20):
        world.add(tags=("a", "b"))
    assert statements() == one == 4


def test_an_address_is_given_out_once(world: World) -> None:
    instances = [world.add() for _ in range(12)]

    def take(instance: Instance) -> str:
        with world.store.write() as tx:
            address = pick_address(world.network, tx.ports.taken(world.network.id))
            return tx.ports.add(builders.port(instance.id, world.network.id, address=address)).address

    taken = in_threads([lambda each=each: take(each) for each in instances])  # type: ignore[misc]
    assert sorted(taken, key=lambda address: int(address.split(".")[3])) == [f"10.9.0.{n}" for n in range(2, 14)]


def test_ports_do_not_share(world: World) -> None:
    first, second = world.add(), world.add()
    port = builders.port(first.id, world.network.id)
    with world.store.write() as tx:
        tx.ports.add(port)
    clashes = [
        builders.port(second.id, world.network.id),
        builders.port(second.id, world.network.id, address="10.9.0.3", mac=port.mac),
        builders.port(first.id, world.network.id, address="10.9.0.3"),
    ]
    for clash in clashes:
        with pytest.raises(AlreadyExists, match=f"port '{clash.address}"), world.store.write() as tx:
            tx.ports.add(clash)


def test_a_mac_never_comes_twice(store: Store) -> None:
    mac, mine = new_mac(), new_id()

    def reserve() -> bool:
        with store.write() as tx:
            return tx.ports.reserve_mac(mac, mine)

    assert sum(in_threads([reserve] * 6)) == 1
    assert reserve() is False


def test_the_newest_ready_image_is_meant(world: World) -> None:
    old, mine = builders.image(name="debian"), builders.image(name="debian", project_id=world.project.id)
    newest = replace(
        builders.image(name="debian", state=ImageState.IMPORTING), created_at=builders.NOW.replace(year=2027)
    )
    mine = replace(mine, created_at=builders.NOW.replace(month=2))
    with world.store.write() as tx:
        for each in (old, mine, newest):
            tx.images.add(each)
    with world.store.read() as tx:
        assert tx.images.resolve("debian") == tx.images.find("debian", world.project.id) == mine
        assert tx.images.resolve("debian", new_id()) == old
        assert tx.images.resolve(newest.id) == newest
        with pytest.raises(NotFound):
            tx.images.resolve(mine.id, new_id())
        assert tx.images.with_digest(old.digest)
        ready = tx.images.page(ImageFilter(set(), ImageState.READY, old.digest), sort="-created_at", count=True)
        assert ready.total == 2


def test_allocations_are_noted(world: World) -> None:
    volumes = [builders.volume(world.project.id, world.pool.id, allocated=1) for _ in range(3)]
    with world.store.write() as tx:
        for volume in volumes:
            tx.volumes.add(volume)
        first, second, third = (each.id for each in volumes)
        tx.volumes.note_allocation(world.pool.id, {first: 7, second: 1, new_id(): 9})
        tx.volumes.note_allocation(new_id(), {third: 9})
        assert [tx.volumes.get(id).allocated for id in (first, second, third)] == [7, 1, 1]
        assert tx.volumes.get(first).revision == 1
        waiting = tx.instances.add(world.instance(ready=Ready.WAITING))
        assert tx.instances.waiting() == [waiting]


def test_any_host_that_is_up(world: World) -> None:
    with world.store.write() as tx:
        assert tx.hosts.any_up() == world.host
        tx.hosts.update(world.host.id, state=HostState.LOST)
        with pytest.raises(HostUnreachable):
            tx.hosts.any_up()


def test_what_is_where(world: World) -> None:
    own = builders.pool(host_id=world.host.id, is_default=False)
    private = builders.network(project_id=world.project.id, is_default=False)
    with world.store.write() as tx:
        tx.pools.add(own)
        tx.networks.add(private)
    with world.store.read() as tx:
        assert tx.pools.defaults() == [world.pool]
        assert {each.id for each in tx.pools.page(PoolFilter(world.host.id)).items} == {own.id, world.pool.id}
        assert tx.pools.page(PoolFilter(new_id(), driver="directory")).items == (world.pool,)
        assert tx.networks.defaults() == [world.network]
        assert tx.networks.resolve(private.name, world.project.id) == private
        assert tx.networks.page(NetworkFilter(set(), new_id(), "bridge")).items == (world.network,)
        with pytest.raises(NotFound):
            tx.networks.resolve(private.id, new_id())
