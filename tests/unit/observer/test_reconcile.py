"""A restored server and its hosts: all is recognised, nothing is touched, nothing in use is given out again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.backups import back_up, furnish, put_back
from tests.conftest import open_store
from tests.unit.observer.conftest import FAST, Watched, wait_for

from zcloud.base.config import Config
from zcloud.domain.errors import HostsUnseen, Reconciling
from zcloud.domain.host import HostState
from zcloud.domain.instance import InstanceSpec, InstanceStatus, NicRequest
from zcloud.domain.operation import OperationStatus
from zcloud.domain.reconcile import Difference, DifferenceKind, report_key
from zcloud.observer.observer import Observer
from zcloud.services.instances import Instances
from zcloud.services.reconcile import Reconcile
from zcloud.testing.cloud import ADMIN, FakeCloud
from zcloud.testing.fakepool import FakePool

READS = {"list_domains", "domain_xml", "list_networks", "network_xml", "stats", "agent", "guest_addresses", "node"}


class Restored:
    """A cloud restored from a backup, over the hosts that went on."""

    def __init__(self, watched: Watched, backup: bytes, data: Path) -> None:
        put_back(backup, Config(data_dir=data))
        self.config = Config(data_dir=data)
        self.store = open_store(self.config.url)
        self.cloud = FakeCloud(self.store, self.config, links=watched.cloud.links)
        self.pool = FakePool(self.cloud.links)
        self.reconcile = Reconcile(self.cloud.services)
        self.host_id, self.hypervisor = watched.host_id, watched.hypervisor
        self.shell = watched.link.shell

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run operations and observe."""
        self.cloud.start()
        observer = Observer(self.store, self.pool, FAST, self.cloud.clock)
        observer.start()
        try:
            yield
        finally:
            observer.stop()
            self.cloud.stop()
            self.store.close()

    def differences(self) -> set[tuple[str, str, str]]:
        """Give kind, name and what was found of each, once the host was looked at."""
        wait_for(lambda: not self.reconcile.show(ADMIN).unseen)
        found: tuple[Difference, ...] = self.reconcile.differences(ADMIN, None, 100).items
        return {(each.kind, each.resource_name, each.found) for each in found}

    def status(self, name: str) -> InstanceStatus:
        return self.cloud.instances.show(ADMIN, "", name).instance.status


@pytest.fixture
def restored(watched: Watched, tmp_path: Path) -> Restored:
    """Give a cloud restored from a backup after which one was launched, one deleted, one restarted, one stopped."""
    config = furnish(Config(data_dir=tmp_path / "old"))
    for name in ("stays", "deleted", "restarted", "stopped"):
        watched.launch(name)
    operation = watched.cloud.instances.stop(ADMIN, "", "stays", deadline_s=60)
    backup = back_up(watched.cloud.store, config)  # its stop is unfinished in it, or not even begun
    watched.cloud.wait(operation)
    cloud, instances = watched.cloud, watched.cloud.instances
    for ask, name in (
        (instances.start, "stays"),
        (instances.delete, "deleted"),
        (instances.restart, "restarted"),
        (instances.restart, "restarted"),
        (instances.stop, "stopped"),
    ):
        ended = cloud.wait(ask(ADMIN, "", name))
        assert ended.status is OperationStatus.SUCCEEDED
    watched.launch("orphan")
    cloud.stop()
    return Restored(watched, backup, tmp_path / "new")


def test_everything_is_recognised_and_nothing_is_touched(restored: Restored) -> None:
    before = Counter(restored.hypervisor.calls)
    domains = {uuid: (each.state, each.starts, each.xml) for uuid, each in restored.hypervisor.domains.items()}
    files = dict(restored.shell.disk.files)
    with restored.running():
        found = restored.differences()
        kinds = {(kind, name) for kind, name, _ in found}
        assert {
            (DifferenceKind.MISSING, "deleted"),
            (DifferenceKind.CHANGED, "stopped"),
            (DifferenceKind.FENCED, "restarted"),
            (DifferenceKind.FENCED, "alpha-net"),
            (DifferenceKind.ORPHAN, "orphan (default)"),
        } <= kinds
        assert restored.status("stopped") is InstanceStatus.RUNNING  # as recorded: nothing is taken as true yet
        with pytest.raises(Reconciling):
            restored.cloud.launch.launch(ADMIN, "", InstanceSpec(name="x", image="tiny", vcpus=1, memory_mib=256))
        with pytest.raises(Reconciling):
            Instances(restored.cloud.services).stop(ADMIN, "", "restarted")
        assert set((restored.hypervisor.calls - before).keys()) <= READS
    after = {uuid: (each.state, each.starts, each.xml) for uuid, each in restored.hypervisor.domains.items()}
    assert (after, dict(restored.shell.disk.files)) == (domains, files)


def test_the_end_takes_hosts_as_they_are_and_gives_out_what_is_free(restored: Restored) -> None:
    with restored.running():
        restored.differences()
        used = {address for each in restored.hypervisor.domains.values() for address in _addresses(restored, each.uuid)}
        restored.reconcile.finish(ADMIN)
        wait_for(lambda: restored.status("stopped") is InstanceStatus.STOPPED)
        wait_for(lambda: restored.status("deleted") is InstanceStatus.MISSING)
        wait_for(lambda: restored.status("stays") is InstanceStatus.RUNNING)
        restarted = restored.cloud.instances.show(ADMIN, "", "restarted").instance
        assert restarted.incarnation == 3
        spec = InstanceSpec(name="fresh", image="tiny", vcpus=1, memory_mib=256, nics=(NicRequest(""),))
        instance, operation = restored.cloud.launch.launch(ADMIN, "", spec)
        assert restored.cloud.wait(operation).status is OperationStatus.SUCCEEDED
        [port] = restored.cloud.read(lambda tx: tx.ports.of_instance(instance.id))
        assert port.address not in used
        macs = [mac for each in restored.hypervisor.domains.values() for mac in each.macs]
        assert len(macs) == len(set(macs))
        operation = restored.cloud.instances.restart(ADMIN, "", "restarted")
        assert restored.cloud.wait(operation).status is OperationStatus.SUCCEEDED
        assert restored.cloud.instances.show(ADMIN, "", "restarted").instance.incarnation == 4
        orphans = {each.uuid for each in restored.hypervisor.domains.values()}
        recorded = {each.id for each in restored.cloud.read(lambda tx: tx.instances.all())}
        assert len(orphans - recorded) == 1  # left alone


def test_what_ran_before_a_boot_does_not_come_back_by_itself(restored: Restored) -> None:
    """The host was booted after the backup: whether its guests are wanted is for people to say."""
    restored.shell.answers["cat /proc/sys/kernel/random/boot_id"] = b"another\n"
    restored.store.transact(lambda tx: tx.hosts.update(restored.host_id, boot_id="before"))
    with restored.running():
        restored.differences()
        restored.reconcile.finish(ADMIN)
        wait_for(lambda: restored.status("stopped") is InstanceStatus.STOPPED)
        with restored.store.read() as tx:
            assert tx.hosts.get(restored.host_id).boot_id == "another"
            assert tx.events.after(0, limit=1000, kinds=["host.booted"]) == []
            assert not any(each.down_with for each in tx.instances.all())


def test_a_host_that_does_not_answer_is_compared_when_it_is_back(restored: Restored) -> None:
    restored.pool.set(restored.host_id, HostState.LOST, "silent")
    with restored.running():
        with pytest.raises(HostsUnseen):
            restored.reconcile.finish(ADMIN)
        restored.reconcile.finish(ADMIN, anyway=True)
        assert restored.reconcile.show(ADMIN).pending == ("alpha",)
        restored.pool.set(restored.host_id, HostState.UP)
        wait_for(lambda: not restored.reconcile.show(ADMIN).pending)
        wait_for(lambda: restored.status("stopped") is InstanceStatus.STOPPED)
        assert restored.cloud.instances.show(ADMIN, "", "restarted").instance.incarnation == 3
        with restored.store.read() as tx:
            assert tx.settings.get(report_key(restored.host_id)) is None


def _addresses(restored: Restored, uuid: str) -> list[str]:
    """Give what the host lets the domain's taps use, whether it runs or not."""
    macs = restored.hypervisor.domains[uuid].macs
    files = [file.data.decode() for path, file in restored.shell.disk.files.items() if "/dnsmasq/" in path]
    leases = [text.split(",") for text in files]
    return [fields[1] for fields in leases if fields[0] in macs]
