"""Domains of others: seen in bulk, counted, adopted, used, and forgotten; nothing is written on their host."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
from tests.unit.observer.conftest import Watched

from zcloud.base.ids import new_id
from zcloud.domain.claims import MEMORY_MIB, VCPUS
from zcloud.domain.errors import (
    AlreadyExists,
    Forbidden,
    InstanceAdopted,
    InUse,
    NoRoom,
    NotFound,
    Protected,
    QuotaExceeded,
    WrongState,
)
from zcloud.domain.foreign import Others
from zcloud.domain.instance import Instance, InstanceStatus, OnBoot, Ready
from zcloud.domain.network import NetworkState
from zcloud.domain.operation import OperationStatus
from zcloud.domain.people import Actor, Quota, Role
from zcloud.observer.foreign import ForeignWatch
from zcloud.observer.host import Looks
from zcloud.observer.orphans import OrphanWatch
from zcloud.observer.ready import ReadyWatch
from zcloud.observer.sync import PowerSync
from zcloud.ports import DomainState
from zcloud.services.adoption import Adopting
from zcloud.services.context import Window
from zcloud.services.direct import Direct
from zcloud.services.hosts import Hosts
from zcloud.services.lifecycle import Lifecycle
from zcloud.services.naming import Naming
from zcloud.services.sizes import SizeChange, Sizes
from zcloud.services.trash import Trash
from zcloud.testing.cloud import ADMIN

AGENT = "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
DISK = "<disk type='file' device='disk'><source file='/srv/vm/a.img'/><target dev='vda' bus='virtio'/></disk>"
WRITES = {"define", "undefine", "destroy", "attach_device", "detach_device", "save", "resize"}


def xml_of(uuid: str, name: str, *, memory_mib: int = 512, devices: str = DISK) -> str:
    return (
        f"<domain type='kvm'><name>{name}</name><uuid>{uuid}</uuid><memory unit='MiB'>{memory_mib}</memory>"
        f"<vcpu>2</vcpu><os><type arch='x86_64' machine='pc'>hvm</type></os><devices>{devices}</devices></domain>"
    )


def define(watched: Watched, name: str, *, start: bool = True, uuid: str = "", **how: object) -> str:
    uuid = uuid or new_id()
    watched.hypervisor.define(xml_of(uuid, name, **how))  # type: ignore[arg-type]
    if start:
        watched.hypervisor.start(uuid)
    return uuid


def look(watched: Watched) -> None:
    ForeignWatch(watched.cloud.store).run(watched.host_id, watched.link)


def adopting(watched: Watched) -> Adopting:
    return Adopting(watched.cloud.services, Direct(lambda _: watched.link))


def names(watched: Watched) -> list[str]:
    return [each.name for each in adopting(watched).page(ADMIN, "alpha", Window()).items]


def adopt(watched: Watched, ref: str, name: str = "") -> Instance:
    look(watched)
    instance, operation = adopting(watched).adopt(ADMIN, "alpha", ref, name=name)
    ended = watched.cloud.wait(operation)
    assert ended.status is OperationStatus.SUCCEEDED, ended.error
    return watched.instance(instance.id)


def test_hundreds_are_seen_in_one_call_and_listed_in_pages(watched: Watched) -> None:
    watched.launch()
    for number in range(300):
        define(watched, f"vm{number:03}", start=number % 2 == 0)
    watched.hypervisor.calls.clear()
    look(watched)
    assert watched.hypervisor.calls == {"outlines": 1}
    service, found, cursor = adopting(watched), [], None
    while True:
        page = service.page(ADMIN, "alpha", Window(cursor=cursor, limit=64, count=True))
        found += [each.name for each in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert found == [f"vm{number:03}" for number in range(300)]
    assert page.total == 300
    assert Hosts(watched.cloud.services).others() == {watched.host_id: Others(150, 300, 150 * 512)}
    assert watched.hypervisor.calls == {"outlines": 1}


def test_definitions_of_others_are_read_once_for_their_mark(watched: Watched) -> None:
    for number in range(3):
        define(watched, f"vm{number}")
    orphans = OrphanWatch(watched.cloud.store)
    orphans.run(watched.host_id, watched.link)
    watched.hypervisor.calls.clear()
    orphans.run(watched.host_id, watched.link)
    assert watched.hypervisor.calls["domain_xml"] == 0


def test_what_others_use_is_not_given_to_instances(watched: Watched) -> None:
    define(watched, "large", memory_mib=65536 - 300)
    look(watched)
    watched.launch("one")  # 256 MiB
    with pytest.raises(NoRoom):
        watched.launch("two")


def test_only_changes_are_written(watched: Watched) -> None:
    uuid = define(watched, "mail", start=False)
    look(watched)
    [before] = adopting(watched).page(ADMIN, "alpha", Window()).items
    watched.hypervisor.start(uuid)
    look(watched)
    [after] = adopting(watched).page(ADMIN, "alpha", Window()).items
    assert (before.state, after.state) == ("shutoff", "running")
    assert after.seen_at == before.seen_at
    watched.hypervisor.destroy(uuid)
    watched.hypervisor.undefine(uuid)
    look(watched)
    assert names(watched) == []


def test_a_running_domain_is_adopted_used_and_forgotten(watched: Watched) -> None:
    uuid = define(watched, "Mail Server", devices=DISK + AGENT)
    before = watched.hypervisor.domains[uuid].xml
    adopted = adopt(watched, uuid)
    assert (adopted.name, adopted.domain_name, adopted.id) == ("mail-server", "Mail Server", uuid)
    assert (adopted.status, adopted.incarnation, adopted.on_boot) == (InstanceStatus.RUNNING, 1, OnBoot.STAY_OFF)
    assert (adopted.ready, adopted.image_id) == (Ready.WAITING, None)
    [disk] = adopted.adopted["disks"]
    assert (disk["source"], disk["size"]) == ("/srv/vm/a.img", 1 << 30)
    assert watched.claims() == {VCPUS: 2, MEMORY_MIB: 512}
    assert names(watched) == []
    assert Hosts(watched.cloud.services).others() == {}
    assert len(watched.events("instance.adopted")) == 1
    for verb in ("pause", "resume", "reset"):
        assert watched.cloud.wait(Lifecycle(watched.cloud.services).act(ADMIN, "", uuid, verb)).error is None
    for operation in (watched.cloud.instances.stop, watched.cloud.instances.start, watched.cloud.instances.restart):
        assert watched.cloud.wait(operation(ADMIN, "", uuid)).error is None
    assert watched.cloud.wait(Naming(watched.cloud.services).rename(ADMIN, "", uuid, "post")).error is None
    assert watched.instance("post").incarnation == 3
    adopting(watched).forget(ADMIN, "", "post")
    assert watched.claims() == {}
    assert Hosts(watched.cloud.services).others() == {watched.host_id: Others(1, 2, 512)}
    look(watched)
    assert names(watched) == ["Mail Server"]
    assert watched.hypervisor.domains[uuid].xml == before
    assert watched.hypervisor.domains[uuid].state is DomainState.RUNNING
    assert adopt(watched, uuid).name == "mail-server"


def test_nothing_is_written_on_the_host(watched: Watched) -> None:
    uuid = define(watched, "mail")
    watched.hypervisor.calls.clear()
    adopt(watched, uuid)
    watched.cloud.wait(watched.cloud.instances.stop(ADMIN, "", uuid))
    watched.cloud.wait(watched.cloud.instances.start(ADMIN, "", uuid))
    adopting(watched).forget(ADMIN, "", uuid)
    assert not WRITES & watched.hypervisor.calls.keys()


def test_a_domain_that_runs_is_claimed_although_its_host_is_full(watched: Watched) -> None:
    uuid = define(watched, "huge", memory_mib=70000)
    look(watched)
    plan = adopting(watched).plan(ADMIN, "alpha", "huge")
    assert "although alpha" in plan.room
    assert plan.adoption.memory_mib == 70000
    assert names(watched) == ["huge"]
    adopt(watched, uuid)
    assert watched.claims()[MEMORY_MIB] == 70000
    with pytest.raises(NoRoom):
        watched.launch("another")


def test_what_takes_owning_is_refused(watched: Watched) -> None:
    uuid = define(watched, "mail")
    adopt(watched, uuid)
    services = watched.cloud.services
    refused: tuple[Callable[[], object], ...] = (
        lambda: Trash(services).delete(ADMIN, "", uuid),
        lambda: Trash(services).delete(ADMIN, "", uuid, purge=True),
        lambda: Sizes(services).resize(ADMIN, "", uuid, SizeChange(vcpus=4)),
        lambda: Lifecycle(services).act(ADMIN, "", uuid, "save"),
        lambda: Naming(services).rename(ADMIN, "", uuid, "x", hostname=True),
    )
    for ask in refused:
        with pytest.raises(InstanceAdopted):
            ask()
    assert uuid in watched.hypervisor.domains
    with pytest.raises(InUse, match="instances"):
        Hosts(services).remove(ADMIN, "alpha")


def test_what_cannot_be_adopted_changes_nothing(watched: Watched) -> None:
    uuid = define(watched, "mail")
    look(watched)
    service, store = adopting(watched), watched.cloud.store
    with pytest.raises(NotFound):
        service.adopt(ADMIN, "alpha", "nobody")
    with pytest.raises(Forbidden):
        service.adopt(Actor(user_id="u", user_name="u", role=Role.VIEWER), "alpha", "mail")
    watched.launch("mail")
    with pytest.raises(AlreadyExists, match="mail"):
        service.adopt(ADMIN, "alpha", "mail")
    project = watched.cloud.read(lambda tx: tx.projects.resolve("default"))
    store.transact(lambda tx: tx.projects.update(project.id, quota=Quota(instances=1)))
    with pytest.raises(QuotaExceeded):
        service.adopt(ADMIN, "alpha", "mail", name="other")
    store.transact(lambda tx: tx.projects.update(project.id, quota=Quota()))
    [row] = watched.cloud.read(lambda tx: list(tx.foreign.on_host(watched.host_id).values()))
    store.transact(lambda tx: tx.foreign.put(watched.host_id, [dataclasses.replace(row, persistent=False)]))
    with pytest.raises(WrongState, match="transient"):
        service.adopt(ADMIN, "alpha", uuid, name="other")
    with pytest.raises(WrongState, match="made by zcloud"):
        service.forget(ADMIN, "", "mail")
    assert names(watched) == ["mail"]


def test_a_domain_that_is_gone_by_then_leaves_no_record(watched: Watched) -> None:
    uuid = define(watched, "mail", start=False)
    look(watched)
    watched.hypervisor.undefine(uuid)
    ended = watched.cloud.wait(adopting(watched).adopt(ADMIN, "alpha", uuid)[1])
    assert ended.status is OperationStatus.FAILED
    with pytest.raises(NotFound):
        watched.instance(uuid)
    assert watched.claims() == {}


def test_a_protected_one_is_not_forgotten(watched: Watched) -> None:
    uuid = define(watched, "mail")
    adopt(watched, uuid)
    watched.cloud.instances.change(ADMIN, "", uuid, {"protected": True}, None)
    with pytest.raises(Protected):
        adopting(watched).forget(ADMIN, "", uuid)


def test_the_record_follows_a_definition_that_others_change(watched: Watched) -> None:
    uuid = define(watched, "mail", start=False)
    adopt(watched, uuid)
    watched.hypervisor.define(xml_of(uuid, "mail", memory_mib=1024))
    PowerSync(watched.cloud.store).check_definition(uuid, watched.hypervisor)
    assert watched.instance(uuid).memory_mib == 1024
    assert len(watched.events("drift.definition")) == 1


def test_one_that_others_start_is_counted(watched: Watched) -> None:
    uuid = define(watched, "huge", start=False, memory_mib=70000)
    adopt(watched, uuid)
    assert watched.claims() == {}
    watched.hypervisor.start(uuid)
    Looks(watched.cloud.store, watched.observer()._settings).sync.run(watched.host_id, watched.hypervisor)
    assert watched.claims()[MEMORY_MIB] == 70000
    assert watched.instance(uuid).ready is Ready.NONE  # it has no agent to say more


def test_addresses_on_our_networks_are_kept_from_others(watched: Watched) -> None:
    [network] = watched.cloud.read(lambda tx: tx.networks.all())
    assert network.state is NetworkState.READY
    taken = watched.launch("web")
    [port] = watched.cloud.read(lambda tx: tx.ports.of_instance(taken.id))
    nic = "<interface type='bridge'><mac address='52:54:00:00:00:0{n}'/><source bridge='{bridge}'/></interface>"
    bridge = f"zbr-{network.id[:8]}"
    devices = AGENT + nic.format(n=1, bridge=bridge) + nic.format(n=2, bridge=bridge)
    uuid = define(watched, "mail", devices=devices)
    adopt(watched, uuid)
    reported = {"52:54:00:00:00:01": ["192.168.77.50"], "52:54:00:00:00:02": [port.address, "junk", "10.0.0.1"]}
    watched.hypervisor.addresses_of = lambda mac: reported.get(mac, [])  # type: ignore[method-assign]
    ReadyWatch(watched.cloud.store).look(watched.instance(uuid), watched.link)
    kept = watched.instance(uuid).adopted
    assert kept["reserved"] == [[network.id, "192.168.77.50"]]
    assert any(port.address in each for each in kept["unmapped"])
    assert watched.cloud.read(lambda tx: tx.ports.fenced(network.id)) == ["192.168.77.50"]
    adopting(watched).forget(ADMIN, "", uuid)
    assert watched.cloud.read(lambda tx: tx.ports.fenced(network.id)) == []


def test_a_mac_that_somebody_else_has_is_told(watched: Watched) -> None:
    web = watched.launch("web")
    [port] = watched.cloud.read(lambda tx: tx.ports.of_instance(web.id))
    nic = "<interface type='bridge'><mac address='{}'/><source bridge='br9'/></interface>"
    same = "52:54:00:00:00:0a"
    adopt(watched, define(watched, "first", devices=nic.format(same)))
    copy = define(watched, "copy", devices=nic.format(port.mac) + nic.format(same) + nic.format(same))
    look(watched)
    told = [
        f"The NIC {port.mac} has the MAC of the instance web; on one network they would disturb each other.",
        f"The NIC {same} has the MAC of the instance first; on one network they would disturb each other.",
        f"Two of its NICs have the MAC {same}.",
    ]
    assert list(adopting(watched).plan(ADMIN, "alpha", copy).adoption.unmapped[:3]) == told
    assert adopt(watched, copy).adopted["unmapped"][:3] == told
