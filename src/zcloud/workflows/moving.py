"""Volumes brought to another pool of their host, while their instance runs or not; also of another kind of pool.

A guest that runs has its disks mirrored until both places are alike, and then goes on with the new one. What nobody
has open is copied, and read again beside the original. The record follows as soon as a disk is in use in its new
place; the old one is removed after that. A volume that was moved stands by itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from zcloud.domain.claims import BYTES, Claim
from zcloud.domain.errors import CommandFailed, PoolFull, StorageFailed, ZcloudError
from zcloud.domain.instance import Instance
from zcloud.domain.plug import DiskPlug, DiskSource
from zcloud.domain.storage import Pool, Volume
from zcloud.drivers import registry
from zcloud.drivers.compute.design import design_disk, move_disk
from zcloud.drivers.compute.devices import find_disk
from zcloud.drivers.fileartifacts import FULL
from zcloud.drivers.qemu_img import compare_argv, convert_argv
from zcloud.drivers.storage.base import Arrival, StorageDriver, VolumeSpec
from zcloud.libvirtxml.disk import Disk
from zcloud.operations.model import Step, Waiting, Workflow
from zcloud.store import Tx
from zcloud.workflows import parts
from zcloud.workflows.context import Run, volume_spec
from zcloud.workflows.plugging import definition, note_definition, running

_SOON, _LATER = timedelta(seconds=0.2), timedelta(seconds=1)
_QUICK, _SLOW_S = 64 << 20, 6 * 3600.0


@dataclass(frozen=True, slots=True)
class _Move:
    """A volume on its way, with its present place and the one that it is to have."""

    volume: Volume
    spec: VolumeSpec
    source: StorageDriver
    target: StorageDriver
    pool: Pool  # it is to lie in

    @property
    def moved(self) -> bool:
        """Tell whether it is recorded in its new place."""
        return self.volume.pool_id == self.pool.id

    @property
    def alone(self) -> VolumeSpec:
        """Give what it is there: it lies over nothing, and may have to be larger."""
        return VolumeSpec(self.spec.id, registry.whole_size(self.pool, self.spec.size))

    def plug(self, source: DiskSource) -> DiskPlug:
        """Give how it is plugged in, being there."""
        return DiskPlug(source=source, slot=self.volume.slot or 0, attachment=self.volume.attachment)

    def is_where(self, disk: Disk | None, place: DiskSource) -> bool:
        """Tell whether a domain's disk is there."""
        return disk is not None and place.path in (disk.source.file, disk.source.dev, disk.source.name)


def _moves(run: Run) -> list[_Move]:
    sources, host_id = run.args["volumes"], run.args["host"]
    with run.store.read() as tx:
        pool = tx.pools.get(run.args["pool"])
        volumes = [(tx.volumes.get(each), tx.pools.get(sources[each])) for each in sorted(sources)]
        specs = [volume_spec(tx, volume) for volume, _ in volumes]
    target = run.storage(pool, host_id)
    return [
        _Move(volume, spec, run.storage(old, host_id), target, pool)
        for (volume, old), spec in zip(volumes, specs, strict=True)
    ]


def _instance(run: Run) -> Instance | None:
    identity = run.args["owner"]
    return run.read(lambda tx: tx.instances.get(identity)) if identity else None


def copy(run: Run) -> None:
    """Have the bytes in the new place, too."""
    instance, moves = _instance(run), _moves(run)
    if instance is not None and run.args["live"]:
        _mirror(run, instance, moves)
        return
    for number, each in enumerate(moves):
        if not each.moved:
            fill(run, run.args["host"], each.pool, (each.source, each.spec), (each.target, each.alone))
        run.control.progress(number + 1, len(moves))


_Place = tuple[StorageDriver, VolumeSpec]


def fill(run: Run, host_id: str, pool: Pool, origin: _Place, copied: _Place) -> None:
    """Copy a volume that nobody has open to a pool of the same host, and read both again; one that is whole is left.

    Raises PoolFull, StorageFailed.
    """
    (source, spec), (target, wanted) = origin, copied
    if target.arrival(wanted) is Arrival.WHOLE:
        return
    there, shell = source.disk_source(spec), run.link(host_id).shell
    here = target.prepare_arrival(replace(wanted, size=spec.size))
    try:
        shell.run(convert_argv(there, here), timeout_s=_SLOW_S)
    except CommandFailed as error:
        if FULL in error.message:
            raise _full(pool) from error
        raise
    compared = shell.run(compare_argv(there, here), check=False, timeout_s=_SLOW_S)
    if compared.code:
        raise StorageFailed(f"What was written to the pool {pool.name} is not what the volume has.")
    target.settle_volume(wanted)


def _full(pool: Pool) -> PoolFull:
    return PoolFull(
        f"The pool {pool.name} became full.", hint="Free space in the pool, or choose another.", pool=pool.name
    )


def _mirror(run: Run, instance: Instance, moves: list[_Move]) -> None:
    """Begin the mirrors, or join those that were begun; over when all are ready."""
    hypervisor, live = run.link(instance.host_id).hypervisor, running(run, instance)
    begun = set(instance.hardware.get("moving", ()))
    done = total = ready = 0
    for each in moves:
        place, disk = each.target.disk_source(each.alone), find_disk(live, each.volume.serial) if live else None
        if each.moved or each.is_where(disk, place):
            ready += 1
            continue
        if disk is None or not disk.target:
            raise StorageFailed(
                f"The guest of {instance.name} went off, or lost {each.volume.name}, while its disks were copied.",
                hint="Move it again.",
            )
        job = hypervisor.mirror_job(instance.id, disk.target)
        if not job.active:
            if each.volume.id in begun:
                raise _broke_off(each)
            _grow(run, instance, each, disk.target)
            place = each.target.ensure_volume(each.alone)
            hypervisor.begin_mirror(instance.id, disk.target, design_disk(each.plug(place)))
        done, total, ready = done + job.done, total + job.total, ready + job.ready
    if begun != {each.volume.id for each in moves}:
        _note(run, instance, moves)
    if ready < len(moves):
        run.control.progress(done, total)
        raise Waiting("The disks are being copied.", run.now() + (_SOON if total < _QUICK else _LATER))


def _grow(run: Run, instance: Instance, move: _Move, target: str) -> None:
    """Make a disk as large where it is as it is to be: QEMU mirrors only to what has the same size."""
    size = move.alone.size
    if size > move.volume.size:
        move.source.grow_volume(replace(move.spec, size=size), in_use=True)
        run.link(instance.host_id).hypervisor.resize_disk(instance.id, target, size)
        with run.store.write() as tx:
            tx.volumes.update(move.volume.id, size=size, bump=True)


def _broke_off(move: _Move) -> StorageFailed:
    free = move.target.capacity().available
    return StorageFailed(
        f"The copy of {move.volume.name} to the pool {move.pool.name} broke off; {free} bytes are free there.",
        hint="If they are few, free space in the pool, or choose another. Then move it again.",
    )


def _note(run: Run, instance: Instance, moves: list[_Move]) -> None:
    """Keep which mirrors were begun: one that is not there any more broke off."""
    with run.store.write() as tx:
        hardware = tx.instances.get(instance.id).hardware
        tx.instances.update(instance.id, hardware={**hardware, "moving": [each.volume.id for each in moves]})


def turn(run: Run) -> None:
    """Have each volume used in its new place, and record that."""
    instance = _instance(run)
    for each in _moves(run):
        if each.moved:
            continue
        if instance is not None:
            if run.args["live"]:
                _pivot(run, instance, each)
            _define(run, instance, each, each.target.disk_source(each.alone))
        _record(run, instance, each)
    _bring(run, instance)


def _pivot(run: Run, instance: Instance, move: _Move) -> None:
    """Have the running guest go on with the new place; a definition tells of one that went off after it."""
    hypervisor, place = run.link(instance.host_id).hypervisor, move.target.disk_source(move.alone)
    live = running(run, instance)
    disk = find_disk(live or definition(run, instance), move.volume.serial)
    if move.is_where(disk, place):
        return
    if not live or disk is None or not disk.target or not hypervisor.mirror_job(instance.id, disk.target).active:
        raise _broke_off(move)
    hypervisor.end_mirror(instance.id, disk.target, turn=True)


def _define(run: Run, instance: Instance, move: _Move, place: DiskSource) -> None:
    parts.redefine(run.about(instance.id), lambda xml: move_disk(xml, move.plug(place)))
    note_definition(run, instance)


def _record(run: Run, instance: Instance | None, move: _Move) -> None:
    with run.store.write() as tx:
        pool_id, size = move.pool.id, move.alone.size
        tx.volumes.update(move.volume.id, pool_id=pool_id, size=size, image_id=None, parent_id=None, bump=True)
        if instance is not None and not move.volume.slot:  # its small files are where they were
            hardware = dict(tx.instances.get(instance.id).hardware)
            home = hardware.pop("small_files", move.volume.pool_id)
            if home != move.pool.id:
                hardware["small_files"] = home
            tx.instances.update(instance.id, hardware=hardware)


def _bring(run: Run, instance: Instance | None) -> None:
    """Bring its small files along, unless its guest has them open: then the next start does."""
    if instance is not None and parts.is_off(run.link(instance.host_id).hypervisor, instance.id):
        parts.bring_small_files(run.about(instance.id))


def turn_back(run: Run) -> None:
    """Have volumes used where they are recorded; a guest that has turned to a new place stays there."""
    instance = _instance(run)
    for each in _moves(run):
        if each.moved or instance is None:
            continue
        if _has_turned(run, instance, each):
            _define(run, instance, each, each.target.disk_source(each.alone))
            _record(run, instance, each)
        else:
            _define(run, instance, each, each.source.disk_source(each.spec))
    _bring(run, instance)
    remove_sources(run)


def _has_turned(run: Run, instance: Instance, move: _Move) -> bool:
    """Tell whether a guest that runs, or ran when it was asked for, has a volume in its new place."""
    xml = running(run, instance) or definition(run, instance) if run.args["live"] else ""
    disk = find_disk(xml, move.volume.serial) if xml else None
    return move.is_where(disk, move.target.disk_source(move.alone))


def remove_copies(run: Run) -> None:
    """End the mirrors, and remove what came of the copies."""
    instance = _instance(run)
    for each in _moves(run):
        if each.moved or (instance is not None and _has_turned(run, instance, each)):
            continue
        live = running(run, instance) if instance is not None else ""
        disk = find_disk(live, each.volume.serial) if live else None
        if instance is not None and disk is not None and disk.target:
            run.link(instance.host_id).hypervisor.end_mirror(instance.id, disk.target, turn=False)
        each.target.delete_volume(each.volume.id)


def remove_sources(run: Run) -> None:
    """Remove volumes from where they were."""
    for each in _moves(run):
        if each.moved:
            each.source.delete_volume(each.volume.id)


def _moved(run: Run, tx: Tx) -> None:
    """Each volume holds its room in one pool again, and no more than it has."""
    for identity in run.args["volumes"]:
        volume = tx.volumes.get(identity)
        pool = tx.pools.get(volume.pool_id)
        tx.claims.give_up(identity, pool.ref)
        tx.claims.lower([Claim(pool.ref, identity, BYTES, volume.size)])
    if run.args["owner"]:
        hardware = tx.instances.get(run.args["owner"]).hardware
        kept = {key: value for key, value in hardware.items() if key != "moving"}
        tx.instances.update(run.args["owner"], hardware=kept)


def _not_moved(run: Run, tx: Tx, error: ZcloudError) -> None:
    """What has not turned is where it was."""
    del error
    _moved(run, tx)


_STEPS = (
    Step("copy", "Copy the bytes", copy, remove_copies),
    Step("turn", "Use them in their new place", turn, turn_back),
    Step("remove", "Remove them from the old one", remove_sources, tidies=True),
)

INSTANCE_MOVE = Workflow(
    name="instance_move_v1",
    title="Move an instance's disks to another pool",
    steps=_STEPS,
    succeed=_moved,
    fail=_not_moved,
)

VOLUME_MOVE = Workflow(
    name="volume_move_v1",
    title="Move a volume to another pool",
    steps=_STEPS,
    succeed=_moved,
    fail=_not_moved,
)
