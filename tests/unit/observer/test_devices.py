"""What the observer makes of libvirt's events about devices."""

from __future__ import annotations

from datetime import timedelta

from tests import builders
from tests.unit.observer.conftest import Watched, wait_for
from tests.unit.observer.test_observer import observing

from zcloud.domain.operation import OperationStatus
from zcloud.drivers.compute.devices import design_scsi
from zcloud.ports import Layer


def test_a_device_plugged_in_by_hand_is_told(watched: Watched) -> None:
    """libvirt sends no event about the definition then, only that the running domain has another device."""
    instance = watched.launch()
    with observing(watched):
        for layer in (Layer.DEFINITION, Layer.LIVE):
            watched.hypervisor.attach_device(instance.id, design_scsi(), layer)
        wait_for(lambda: watched.events("drift.definition"))
    assert watched.instance().hardware["places"] >= 0


def test_a_device_that_is_gone_wakes_who_waits_for_it(watched: Watched) -> None:
    instance = watched.launch()
    tomorrow = watched.cloud.clock.now() + timedelta(days=1)
    waiting = builders.operation(
        workflow="instance_stop_v1", status=OperationStatus.WAITING, resource_id=instance.id, wake_at=tomorrow
    )
    watched.cloud.stop()  # nobody takes it
    watched.cloud.store.transact(lambda tx: tx.operations.add(waiting))
    with observing(watched):
        watched.hypervisor.attach_device(instance.id, design_scsi(), Layer.LIVE)
        alias = watched.hypervisor.domain_xml(instance.id, inactive=False)
        assert alias
        name = alias.rpartition("<alias name=")[2].split('"')[1]
        watched.hypervisor.unplug_device(instance.id, name)
        watched.hypervisor.domain_xml(instance.id, inactive=False)
        wait_for(lambda: watched.cloud.read(lambda tx: tx.operations.get(waiting.id)).wake_at != tomorrow)
