"""What a restored store is told before anybody opens it: nothing goes on where it was, and no number comes twice."""

from __future__ import annotations

from collections.abc import Sequence

from zcloud.backup.archive import Manifest
from zcloud.domain.errors import Restored
from zcloud.domain.image import ImageState
from zcloud.domain.instance import InstanceStatus
from zcloud.domain.network import NetworkState
from zcloud.domain.reconcile import KEY, Mode
from zcloud.domain.storage import PoolState, VolumeState
from zcloud.store import Tx, end_operations

_FORGOTTEN = ("observer.lease", "backups.state")


def settle(tx: Tx, manifest: Manifest, identity: str) -> int:
    """End what was unfinished, leap over the numbers that were given out since, begin the reconcile mode.

    Gives how many operations were ended. Their claims are kept until the observer has seen what hosts run.
    """
    error = Restored(f"The server was restored from a backup that was taken at {manifest.made_at[:19]} UTC.")
    worked_on = [instance.id for instance in tx.instances.all() if instance.operation_id is not None]
    ended = end_operations(tx, error)
    _settle_instances(tx, worked_on)
    _settle_places(tx)
    for image in tx.images.all():
        if image.state is not ImageState.READY and image.state is not ImageState.ERROR:
            tx.images.update(image.id, state=ImageState.ERROR, error=error.to_record())
    for name in _FORGOTTEN:
        tx.settings.delete(name)
    lost = tx.events.leap()
    mode = Mode(identity, manifest.made_at, tx.now.isoformat(), [each.id for each in ended], lost.to_json())
    tx.settings.put(KEY, mode.to_json())
    tx.events.add(
        "server.restored",
        resource_kind="server",
        resource_id=identity,
        resource_name=manifest.zone,
        message=f"The server was restored from a backup of {manifest.made_at[:19]} UTC; {len(ended)} operations that "
        "were unfinished then are not run again. Nothing is changed until an admin ends the reconcile mode.",
        data={"taken_at": manifest.made_at, "operations": len(ended)},
    )
    return len(ended)


def _settle_instances(tx: Tx, worked_on: Sequence[str]) -> None:
    """Whatever an operation was doing to an instance, only its host knows how far it came."""
    for instance_id in worked_on:
        tx.instances.update(instance_id, status=InstanceStatus.UNKNOWN)
    for instance in tx.instances.all():
        if instance.down_with:  # to run again after its host's boot: by now that is for people to say
            tx.instances.update(instance.id, down_with="")
    for volume in tx.volumes.all():
        if volume.state in (VolumeState.CREATING, VolumeState.DELETING):
            tx.volumes.update(volume.id, state=VolumeState.READY)


def _settle_places(tx: Tx) -> None:
    """A pool or network that was being made or removed can be neither used nor trusted: it can be deleted."""
    for pool in tx.pools.all():
        if pool.state in (PoolState.CREATING, PoolState.DELETING):
            tx.pools.update(pool.id, state=PoolState.ERROR)
    for network in tx.networks.all():
        if network.state in (NetworkState.CREATING, NetworkState.DELETING):
            tx.networks.update(network.id, state=NetworkState.ERROR)
