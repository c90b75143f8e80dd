"""Free volumes: make, grow, remove; a volume that an instance has can be grown too, while it runs."""

from __future__ import annotations

from dataclasses import replace

from zcloud.domain.claims import BYTES, Claim
from zcloud.domain.errors import ZcloudError
from zcloud.domain.storage import Pool, Volume, VolumeState
from zcloud.drivers.compute import devices
from zcloud.drivers.compute.devices import find_disk
from zcloud.drivers.storage.base import StorageDriver, VolumeSpec
from zcloud.operations.model import Step, Workflow
from zcloud.store import Tx
from zcloud.workflows.context import Run, volume_spec
from zcloud.workflows.growing import grow_filesystems, tell_off
from zcloud.workflows.moving import fill
from zcloud.workflows.plugging import running


def _load(run: Run) -> tuple[Volume, Pool, VolumeSpec]:
    with run.store.read() as tx:
        volume = tx.volumes.get(run.resource_id)
        return volume, tx.pools.get(volume.pool_id), volume_spec(tx, volume)


def _driver(run: Run, pool: Pool) -> StorageDriver:
    return run.storage(pool, run.read(lambda tx: tx.pool_hosts.way_to(pool)))


def make(run: Run) -> None:
    """Make the volume."""
    _, pool, spec = _load(run)
    _driver(run, pool).ensure_volume(spec)


def copy(run: Run) -> None:
    """Make the volume as a copy of another one."""
    _, pool, spec = _load(run)
    with run.store.read() as tx:
        source = tx.volumes.get(run.args["source"])
        origin, old = volume_spec(tx, source), tx.pools.get(source.pool_id)
    if old.id == pool.id:
        _driver(run, pool).copy_volume(spec, origin)
        return
    host_id = run.args["host"]
    fill(run, host_id, pool, (run.storage(old, host_id), origin), (run.storage(pool, host_id), spec))


def remove(run: Run) -> None:
    """Remove the volume's bytes."""
    volume, pool, _ = _load(run)
    _driver(run, pool).delete_volume(volume.id)


def grow(run: Run) -> None:
    """Grow the volume, and let the guest that runs with it see it."""
    volume, pool, spec = _load(run)
    spec = replace(spec, size=run.args["size"])
    if volume.instance_id is None:
        _driver(run, pool).grow_volume(spec, in_use=False)
        return
    instance = run.read(lambda tx: tx.instances.get(str(volume.instance_id)))
    live = running(run, instance)
    disk = find_disk(live, volume.serial) if live else None
    run.storage(pool, instance.host_id).grow_volume(spec, in_use=disk is not None)
    if disk is None or not disk.target:
        run.control.progress(0, 0, tell_off(instance, volume))
        return
    run.link(instance.host_id).hypervisor.resize_disk(instance.id, disk.target, spec.size)
    if run.args.get("filesystems"):
        run.control.progress(0, 0, grow_filesystems(run, instance, devices.known_disk(disk)))


def _made(run: Run, tx: Tx) -> None:
    tx.volumes.update(run.resource_id, state=VolumeState.READY)


def _not_made(run: Run, tx: Tx, error: ZcloudError) -> None:
    """Nothing is left of it, so nothing is kept."""
    del error
    _removed(run, tx)


def _grown(run: Run, tx: Tx) -> None:
    tx.volumes.update(run.resource_id, size=run.args["size"], bump=True)


def _not_grown(run: Run, tx: Tx, error: ZcloudError) -> None:
    """Give back what was claimed for the growth; what QEMU has grown all the same is grown by the next try."""
    del error
    volume = tx.volumes.get(run.resource_id)
    pool = tx.pools.get(volume.pool_id)
    tx.claims.lower([Claim(pool.ref, volume.id, BYTES, volume.size)])


def _removed(run: Run, tx: Tx) -> None:
    tx.claims.release(run.resource_id)
    tx.volumes.delete(run.resource_id)


def _not_removed(run: Run, tx: Tx, error: ZcloudError) -> None:
    del error
    tx.volumes.update(run.resource_id, state=VolumeState.ERROR)


VOLUME_CREATE = Workflow(
    name="volume_create_v1",
    title="Make a volume",
    steps=(Step("make", "Make the volume", make, remove),),
    succeed=_made,
    fail=_not_made,
)

VOLUME_CLONE = Workflow(
    name="volume_clone_v1",
    title="Copy a volume",
    steps=(Step("copy", "Copy the volume", copy, remove),),
    succeed=_made,
    fail=_not_made,
)

VOLUME_RESIZE = Workflow(
    name="volume_resize_v1",
    title="Grow a volume",
    steps=(Step("grow", "Grow the volume", grow),),
    succeed=_grown,
    fail=_not_grown,
    cancellable=False,
)

VOLUME_DELETE = Workflow(
    name="volume_delete_v1",
    title="Delete a volume",
    steps=(Step("remove", "Remove the volume", remove),),
    succeed=_removed,
    fail=_not_removed,
    cancellable=False,
)
