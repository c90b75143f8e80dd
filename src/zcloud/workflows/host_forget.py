"""Forget a host that is lost for good, with all that only it had. It is not asked: there is nobody to answer."""

from __future__ import annotations

from zcloud.domain.errors import HostForgotten, ZcloudError
from zcloud.domain.host import HostState
from zcloud.domain.instance import Instance
from zcloud.domain.storage import Volume, VolumeRole
from zcloud.operations.model import Step, Workflow
from zcloud.store import Tx, end_operations, holdings
from zcloud.workflows.context import Run


def _end_work(run: Run) -> None:
    """End what works on anything there, and hold it all, so that nothing new begins."""
    run.store.transact(lambda tx: _seize(run, tx))


def _seize(run: Run, tx: Tx) -> None:
    host, there = tx.hosts.get(run.resource_id), holdings(tx, run.resource_id)
    error = HostForgotten(f"The host {host.name} was lost, and is forgotten with all that was there.")
    end_operations(tx, error, [each.id for each in there.operations if each.id != run.operation.id])
    for instance in there.instances:
        tx.instances.lock(instance.id, run.operation.id)
    for volume in there.volumes:
        tx.volumes.lock(volume.id, run.operation.id)
    for pool in there.pools:
        tx.pools.lock(pool.id, run.operation.id)
    for network in there.networks:
        tx.networks.lock(network.id, run.operation.id)


def _forget_instances(run: Run) -> None:
    """One after the other, so that thousands hold up nobody."""
    there = run.read(lambda tx: [each.id for each in tx.instances.on_host(run.resource_id)])
    for done, instance_id in enumerate(there):
        run.control.progress(done, len(there), "")
        run.control.fence()
        run.store.transact(lambda tx, id=instance_id: _drop_instance(run, tx, id))  # type: ignore[misc]


def _drop_instance(run: Run, tx: Tx, instance_id: str) -> None:
    """Remove an instance with its ports, and with its volumes where their pool goes too."""
    instance = tx.instances.many([instance_id]).get(instance_id)
    if instance is None:
        return
    ports, lost = tx.ports.of_instance(instance_id), list[Volume]()
    for volume in tx.volumes.of_instance(instance_id):
        if tx.pools.get(volume.pool_id).host_id is None:
            tx.volumes.update(volume.id, instance_id=None, slot=None, role=VolumeRole.DATA)
        else:
            lost.append(volume)
            tx.claims.release(volume.id)
            tx.volumes.delete(volume.id)
    for port in ports:
        tx.ports.delete(port.id)
    tx.readers.remove_instance(instance_id)
    tx.claims.release(instance_id)
    tx.secrets.delete(instance_id)
    tx.instances.delete(instance_id)
    _tell_instance(run, tx, instance, [each.name for each in lost])


def _tell_instance(run: Run, tx: Tx, instance: Instance, volumes: list[str]) -> None:
    with_it = f", with its disks {', '.join(volumes)}" if volumes else ""
    tx.events.add(
        "instance.lost",
        project_id=instance.project_id,
        resource_kind="instance",
        resource_id=instance.id,
        resource_name=instance.name,
        actor=run.operation.actor,
        message=f"{instance.name} is gone{with_it}: its host {run.operation.resource_name} was lost and is forgotten.",
        data={"host": run.operation.resource_name, "volumes": volumes, "domain": instance.domain_name},
    )


def _forgotten(run: Run, tx: Tx) -> None:
    """Whatever came meanwhile goes too; then the places, and the host."""
    _seize(run, tx)
    there, host = holdings(tx, run.resource_id), tx.hosts.get(run.resource_id)
    for instance in there.instances:
        _drop_instance(run, tx, instance.id)
    for volume in holdings(tx, host.id).volumes:
        tx.claims.release(volume.id)
        tx.volumes.delete(volume.id)
        _tell_volume(run, tx, volume)
    for network in there.networks:
        tx.networks.delete(network.id)
    for pool in there.pools:
        tx.claims.remove_provider(pool.ref)
        tx.pools.delete(pool.id)
    tx.ports.unfence_host(host.id)
    tx.claims.remove_provider(host.ref)
    tx.hosts.delete(host.id)
    tx.operations.wake_host(host.id)
    tx.events.add(
        "host.forgotten",
        resource_kind="host",
        resource_id=host.id,
        resource_name=host.name,
        actor=run.operation.actor,
        message=f"{host.name} was lost and is forgotten. Should it come back, what it runs is not zcloud's.",
        data=dict(run.args),
    )


def _tell_volume(run: Run, tx: Tx, volume: Volume) -> None:
    tx.events.add(
        "volume.lost",
        project_id=volume.project_id,
        resource_kind="volume",
        resource_id=volume.id,
        resource_name=volume.name,
        actor=run.operation.actor,
        message=f"The volume {volume.name} is gone: its host {run.operation.resource_name} was lost and is forgotten.",
        data={"host": run.operation.resource_name},
    )


def _failed(run: Run, tx: Tx, error: ZcloudError) -> None:
    """It can be asked for again: what is gone is gone, the rest is as it was."""
    error.left = "What is forgotten already stays so; ask again for the rest."
    tx.hosts.update(run.resource_id, state=HostState.LOST)


HOST_FORGET = Workflow(
    name="host_forget_v1",
    title="Forget a lost host",
    steps=(
        Step("work", "End what works there", _end_work),
        Step("instances", "Forget its instances", _forget_instances),
    ),
    succeed=_forgotten,
    fail=_failed,
    cancellable=False,
)
