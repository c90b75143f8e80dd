"""Renaming, the trash and the way back from it, over fake hosts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from zcloud.domain.claims import ProviderKind
from zcloud.domain.errors import AlreadyExists, CommandFailed, InvalidInput, NotFound, Protected, WrongState
from zcloud.domain.instance import DiskRequest, Instance, InstanceSpec, InstanceStatus, NicRequest
from zcloud.domain.operation import Operation, OperationStatus
from zcloud.ports import DomainState, NetworkSection
from zcloud.services.context import Services, Window
from zcloud.services.instances import InstanceQuery
from zcloud.services.lifecycle import Lifecycle
from zcloud.services.naming import Naming
from zcloud.services.trash import Trash
from zcloud.store import Store
from zcloud.testing.cloud import ADMIN, FakeCloud

SPEC = InstanceSpec(
    name="web",
    image="tiny",
    vcpus=1,
    memory_mib=256,
    nics=(NicRequest(""),),
    disks=(DiskRequest(1 << 30), DiskRequest(1 << 30, name="extra")),
)


class Owner:
    """Whoever has instances on the host ``alpha``."""

    def __init__(self, cloud: FakeCloud) -> None:
        self.cloud = cloud
        self.host_id = cloud.add_host("alpha")
        self.link = cloud.links.hosts[self.host_id]
        self.naming, self.trash = Naming(cloud.services), Trash(cloud.services)

    def launch(self, spec: InstanceSpec = SPEC) -> str:
        """Make ``web`` and give its id."""
        made, operation = self.cloud.launch.launch(ADMIN, "", spec)
        self.done(operation)
        return made.id

    def done(self, operation: Operation) -> Operation:
        ended = self.cloud.wait(operation)
        assert ended.status is OperationStatus.SUCCEEDED, ended.error
        return ended

    def instance(self, id: str) -> Instance:
        return self.cloud.read(lambda tx: tx.instances.get(id))

    def listed(self) -> list[str]:
        page = self.cloud.instances.page(ADMIN, InstanceQuery(), Window())
        return [view.instance.name for view in page.items]

    def in_trash(self) -> list[str]:
        return [view.instance.trash["name"] for view in self.trash.page(ADMIN, "", Window()).items]

    def volumes(self, id: str) -> list[str]:
        return [each.name for each in self.cloud.read(lambda tx: tx.volumes.of_instance(id))]

    def dns(self) -> set[str]:
        """Give the names that the host's network knows."""
        (network,) = self.link.hypervisor.networks.values()
        entries = network.entries[NetworkSection.DNS_HOST]
        return {str(name.text) for entry in entries for name in entry.iter("hostname")}

    def used(self) -> dict[str, int]:
        """Give what is claimed of everything."""
        views = self.cloud.read(lambda tx: [view for kind in ProviderKind for view in tx.claims.views(kind)])
        return {key: amount for view in views for key, amount in view.used.items() if amount}

    def events(self, kind: str) -> list[str]:
        return [
            each.message for each in self.cloud.read(lambda tx: tx.events.after(0, limit=1000)) if each.kind == kind
        ]


@pytest.fixture
def owner(sqlite_store: Store, tmp_path: Path) -> Iterator[Owner]:
    cloud = FakeCloud(sqlite_store, tmp_path)
    cloud.start()
    yield Owner(cloud)
    cloud.stop()


def test_a_new_name_reaches_records_volumes_and_dns_but_not_libvirt(owner: Owner) -> None:
    id = owner.launch()
    domain = owner.instance(id).domain_name
    owner.done(owner.naming.rename(ADMIN, "", "web", "shop"))
    assert (owner.listed(), owner.volumes(id)) == (["shop"], ["shop-root", "shop-data-1", "extra"])
    assert owner.dns() == {"shop.default.cloud.internal", "shop.default"}
    assert (owner.instance(id).domain_name, owner.link.hypervisor.domains[id].name) == (domain, domain)
    assert owner.events("instance.renamed") == ["The instance web is called shop now."]
    with pytest.raises(NotFound):
        owner.cloud.instances.show(ADMIN, "", "web")
    owner.launch(replace(SPEC, disks=SPEC.disks[:1]))  # the old name is free, with those of its volumes
    with pytest.raises(AlreadyExists, match="an instance shop"):
        owner.naming.rename(ADMIN, "", "web", "shop")
    with pytest.raises(InvalidInput):
        owner.naming.rename(ADMIN, "", "web", "no~tilde")


def test_cloud_init_is_told_only_where_asked(owner: Owner) -> None:
    id = owner.launch()
    (path,) = [path for path in owner.link.shell.disk.files if path.endswith(f"{id}.seed.iso")]
    before = owner.link.shell.disk.files[path].digest
    owner.done(owner.naming.rename(ADMIN, "", "web", "shop"))
    assert owner.link.shell.disk.files[path].digest == before
    owner.done(owner.naming.rename(ADMIN, "", "shop", "store", hostname=True))
    assert owner.link.shell.disk.files[path].digest != before


def test_a_rename_that_fails_is_undone(owner: Owner) -> None:
    id = owner.launch()
    owner.link.shell.fail("write_file", CommandFailed("the disk is gone"))
    assert owner.cloud.wait(owner.naming.rename(ADMIN, "", "web", "shop")).status is OperationStatus.FAILED
    assert (owner.listed(), owner.dns()) == (["web"], {"web.default.cloud.internal", "web.default"})
    assert owner.volumes(id)[0] == "web-root"


def test_the_trash_keeps_disks_and_addresses_and_frees_the_rest(owner: Owner) -> None:
    id = owner.launch()
    address = owner.cloud.read(lambda tx: tx.ports.of_instance(id))[0].address
    claimed = owner.used()
    ended = owner.done(owner.trash.delete(ADMIN, "", "web"))
    assert ended.resource_name == "web"
    assert (owner.listed(), owner.in_trash()) == ([], ["web"])
    assert owner.instance(id).status is InstanceStatus.TRASHED
    assert owner.link.hypervisor.domains[id].state is DomainState.SHUTOFF
    assert owner.used() == {"bytes": claimed["bytes"]}
    assert not {name for name in owner.dns() if name.startswith("web")}
    for verb in ("start", "stop", "restart"):
        with pytest.raises(WrongState, match="trashed") as refused:
            getattr(owner.cloud.instances, verb)(ADMIN, "", id)
        assert "zcloud trash restore web" in refused.value.hint
    with pytest.raises(WrongState):
        Lifecycle(owner.cloud.services).act(ADMIN, "", id, "save")
    other = owner.launch()  # the name is free again
    assert owner.cloud.read(lambda tx: tx.ports.of_instance(other))[0].address != address


def test_what_comes_back_is_as_it_was(owner: Owner) -> None:
    id = owner.launch()
    ports, volumes = owner.cloud.read(lambda tx: (tx.ports.of_instance(id), tx.volumes.of_instance(id)))
    owner.done(owner.trash.delete(ADMIN, "", "web"))
    owner.done(owner.trash.restore(ADMIN, "", "web"))
    now = owner.instance(id)
    assert (now.name, now.status, now.trash) == ("web", InstanceStatus.STOPPED, {})
    assert owner.cloud.read(lambda tx: tx.ports.of_instance(id)) == ports
    assert [each.name for each in volumes] == owner.volumes(id)
    assert owner.in_trash() == []
    owner.done(owner.cloud.instances.start(ADMIN, "", "web"))


def test_a_taken_name_asks_for_another(owner: Owner) -> None:
    first = owner.launch()
    owner.done(owner.trash.delete(ADMIN, "", "web"))
    owner.launch()
    with pytest.raises(AlreadyExists) as refused:
        owner.trash.restore(ADMIN, "", "web")
    assert "--name" in refused.value.hint
    assert owner.in_trash() == ["web"]
    with pytest.raises(AlreadyExists, match="volume extra"):  # a volume that the new one was given, too
        owner.trash.restore(ADMIN, "", "web", "older")
    owner.done(owner.cloud.instances.delete(ADMIN, "", "web"))
    owner.done(owner.trash.restore(ADMIN, "", "web", "older"))
    assert (owner.instance(first).name, owner.volumes(first)) == ("older", ["older-root", "older-data-1", "extra"])


def test_two_of_one_name_are_told_apart_by_id(owner: Owner) -> None:
    ids = []
    for _ in range(2):
        ids.append(owner.launch())
        owner.done(owner.trash.delete(ADMIN, "", "web"))
    with pytest.raises(InvalidInput, match="2 instances") as refused:
        owner.trash.purge(ADMIN, "", "web")
    assert all(id in refused.value.hint for id in ids)
    owner.done(owner.trash.purge(ADMIN, "", ids[0]))
    owner.done(owner.trash.purge(ADMIN, "", "web"))
    assert owner.used() == {}
    with pytest.raises(NotFound):
        owner.trash.purge(ADMIN, "", "web")


def test_purging_and_emptying_leave_nothing(owner: Owner) -> None:
    owner.launch()
    owner.done(owner.trash.delete(ADMIN, "", "web", purge=True))
    assert (owner.in_trash(), owner.used()) == ([], {})
    owner.launch()
    owner.done(owner.trash.delete(ADMIN, "", "web"))
    for operation in owner.trash.empty(ADMIN, ""):
        owner.done(operation)
    assert (owner.in_trash(), owner.used(), owner.link.hypervisor.domains) == ([], {}, {})
    assert not [path for path in owner.link.shell.disk.files if "/volumes/" in path or "/artifacts/" in path]


def test_what_is_protected_is_refused(owner: Owner) -> None:
    owner.launch()
    owner.cloud.instances.change(ADMIN, "", "web", {"protected": True}, None)
    for purge in (True, False):
        with pytest.raises(Protected):
            owner.trash.delete(ADMIN, "", "web", purge=purge)


def test_saved_memory_waits_in_the_trash_too(owner: Owner) -> None:
    id = owner.launch()
    owner.done(Lifecycle(owner.cloud.services).act(ADMIN, "", "web", "save"))
    owner.done(owner.trash.delete(ADMIN, "", "web"))
    owner.done(owner.trash.restore(ADMIN, "", "web"))
    assert owner.instance(id).status is InstanceStatus.SAVED
    owner.done(Lifecycle(owner.cloud.services).act(ADMIN, "", "web", "restore"))
    assert owner.link.hypervisor.domains[id].memory == 1


def test_the_sweep_takes_what_is_over_and_nothing_else(owner: Owner) -> None:
    id = owner.launch()
    owner.done(owner.trash.delete(ADMIN, "", "web"))
    assert owner.trash.sweep() == []
    before = owner.instance(id)
    past = (owner.cloud.clock.now() - timedelta(days=3, seconds=1)).isoformat()
    hardware = {**before.hardware, "trash": {**before.trash, "at": past}}
    owner.cloud.store.transact(lambda tx: tx.instances.update(id, hardware=hardware))
    (operation,) = owner.trash.sweep()
    assert operation.actor == "zcloud"
    owner.done(operation)
    assert owner.used() == {}


def test_without_days_there_is_no_trash(owner: Owner) -> None:
    owner.launch()
    services = Services(owner.cloud.store, owner.cloud.clock, "cloud.internal", trash_days=0)
    owner.done(Trash(services).delete(ADMIN, "", "web"))
    assert (owner.in_trash(), owner.used()) == ([], {})
