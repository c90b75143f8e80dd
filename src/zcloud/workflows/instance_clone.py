"""Clones of an instance: off, running or a template; copies of its disks, or disks over a template's or a mark's.

One operation makes all clones that were asked for at once, or none. What a clone is told apart by (name, addresses,
cloud-init's instance id) is in its record and seed, as at a launch; its UEFI variables are born anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from functools import wraps

from zcloud.domain.errors import StorageFailed, ZcloudError
from zcloud.domain.instance import Instance, InstanceStatus
from zcloud.domain.storage import Pool, Volume, VolumeState
from zcloud.drivers.compute.devices import find_disk
from zcloud.drivers.storage.base import Arrival, StorageDriver, VolumeSpec
from zcloud.operations.model import Step, Waiting, Workflow
from zcloud.store import Tx
from zcloud.workflows import parts
from zcloud.workflows.context import Run, Whole, load_whole
from zcloud.workflows.instance_create import mark_running
from zcloud.workflows.leaving import tell_waits
from zcloud.workflows.moving import fill
from zcloud.workflows.plugging import running
from zcloud.workflows.quiet import go_on, held_fast, held_still, thaw

_SOON, _LATER = timedelta(seconds=0.2), timedelta(seconds=1)
_QUICK = 64 << 20


def _clones(run: Run) -> Iterator[Run]:
    return (run.about(identity) for identity in run.args["clones"])


def _each(do: Callable[[Run], None]) -> Callable[[Run], None]:
    """Give a step that does something for every clone."""

    @wraps(do)
    def work(run: Run) -> None:
        for clone in _clones(run):
            do(clone)

    return work


def copy_disks(run: Run) -> None:
    """Give every clone its disks."""
    source = load_whole(run)
    wholes = [load_whole(clone) for clone in _clones(run)]
    if run.args["marked"]:
        _copy_marked(run, source, wholes)
        return
    if run.args["linked"]:
        for clone in _clones(run):
            parts.make_volumes(clone)
        return
    live, warning = running(run, source.instance), ""
    if live:
        _copy_live(run, source, wholes[0], live)
        along = {volume.slot for volume, _ in wholes[0].volumes}
        left = [volume for volume, _ in source.disks if volume.slot not in along]
        warning = tell_waits(run, source.instance, left, live) if left else ""
        source, wholes = wholes[0], wholes[1:]
    for number, whole in enumerate(wholes):
        for origin, volume, pool in _pairs(source, whole):
            _copy(run, (source, origin), (whole, volume), pool)
        run.control.progress(number + 1, len(wholes))
    if warning:
        run.control.progress(0, 0, warning)


def _copy(run: Run, origin: tuple[Whole, Volume], copied: tuple[Whole, Volume], pool: Pool) -> None:
    """Copy a disk that nobody writes to, by its backend or to another pool."""
    (source, volume), (clone, copy), host_id = origin, copied, origin[0].instance.host_id
    driver, wanted, spec = run.storage(pool, host_id), clone.volume_spec(copy), source.volume_spec(volume)
    if volume.pool_id == pool.id:
        driver.copy_volume(wanted, spec)
        return
    old = run.read(lambda tx: tx.pools.get(volume.pool_id))
    fill(run, host_id, pool, (run.storage(old, host_id), spec), (driver, wanted))


def remove_disks(run: Run) -> None:
    """Break a copy off, and remove what came of it."""
    instance = parts.load_instance(run)
    if instance.status is not InstanceStatus.STOPPED:
        run.link(instance.host_id).hypervisor.abort_copy(instance.id)
        go_on(run, instance)
        thaw(run, instance)
    for clone in _clones(run):
        parts.remove_volumes(clone)
    if run.args["marked"]:
        source = load_whole(run)
        _forget(run, _marks(run, source, load_whole(next(_clones(run)))))


_Marks = list[tuple[StorageDriver, VolumeSpec]]


def _copy_marked(run: Run, source: Whole, wholes: list[Whole]) -> None:
    """Have the pools mark the disks, all at one moment, and make the clones' of that; the guest goes on at once."""
    marks = _marks(run, source, wholes[0])
    if not _is_noted(run):
        go_on(run, source.instance)
        thaw(run, source.instance)
        _forget(run, marks)  # what a worker before this one marked may be of several moments
        _note(run, quiet=_mark(run, source.instance, marks))
    for number, whole in enumerate(wholes):
        for origin, volume, pool in _pairs(source, whole):
            wanted, spec = whole.volume_spec(volume), source.volume_spec(origin)
            driver = run.storage(pool, source.instance.host_id)
            driver.copy_snapshot(wanted, spec, run.operation.id, linked=run.args["linked"])
        run.control.progress(number + 1, len(wholes))
    _forget(run, marks)


def _marks(run: Run, source: Whole, clone: Whole) -> _Marks:
    """Give the disks that are marked: those that go along."""
    host_id = source.instance.host_id
    return [(run.storage(pool, host_id), source.volume_spec(origin)) for origin, _, pool in _pairs(source, clone)]


def _mark(run: Run, instance: Instance, marks: _Marks) -> bool:
    """Mark the disks, and give whether their file systems are whole."""
    if parts.is_off(run.link(instance.host_id).hypervisor, instance.id):
        _take(run, marks)
        return True
    with held_still(run, instance) as quiet, held_fast(run, instance) if len(marks) > 1 else nullcontext():
        _take(run, marks)
    return quiet


def _take(run: Run, marks: _Marks) -> None:
    for driver, spec in marks:
        driver.take_snapshot(spec, run.operation.id)


def _forget(run: Run, marks: _Marks) -> None:
    for driver, spec in marks:
        driver.drop_snapshot(spec, run.operation.id)


def _copy_live(run: Run, source: Whole, clone: Whole, live: str) -> None:
    """Have the hypervisor copy the disks as they are at one moment; whoever comes later joins in."""
    host_id, uuid = source.instance.host_id, source.instance.id
    thaw(run, source.instance)
    pairs = [
        (origin, clone.volume_spec(volume), run.storage(pool, host_id))
        for origin, volume, pool in _pairs(source, clone)
    ]
    arrived = {driver.arrival(spec) for _, spec, driver in pairs}
    if arrived == {Arrival.WHOLE}:
        return
    hypervisor = run.link(host_id).hypervisor
    job = hypervisor.copy_job(uuid)
    if job.active:
        run.control.progress(job.done, job.total)
        raise Waiting("The disks are being copied.", run.now() + (_SOON if job.total < _QUICK else _LATER))
    if _is_noted(run):  # it was begun
        if not job.succeeded:
            raise StorageFailed(f"The copy of the disks of {source.instance.name} broke off.")
        for _, spec, driver in pairs:
            driver.settle_volume(spec)
        return
    copies = {}
    for origin, spec, driver in pairs:
        disk = find_disk(live, origin.serial)
        if disk is None or not disk.target:
            raise StorageFailed(f"The running guest of {source.instance.name} does not have {origin.name}.")
        copies[disk.target] = driver.prepare_arrival(replace(spec, size=origin.size))
    with held_still(run, source.instance) as quiet:
        hypervisor.begin_copy(uuid, copies)
    _note(run, quiet=quiet)
    raise Waiting("The disks are being copied.", run.now() + _SOON)


def _is_noted(run: Run) -> bool:
    return "quiesced" in parts.load_instance(next(_clones(run))).guest["clone_of"]


def _note(run: Run, *, quiet: bool) -> None:
    """Keep with the clones whether their file systems are whole, or as after a loss of power."""
    with run.store.write() as tx:
        for clone in _clones(run):
            guest = dict(tx.instances.get(clone.resource_id).guest)
            guest["clone_of"] = {**guest["clone_of"], "quiesced": quiet}
            tx.instances.update(clone.resource_id, guest=guest)


def _pairs(source: Whole, clone: Whole) -> Iterator[tuple[Volume, Volume, Pool]]:
    """Give each disk of the source that goes along, with the clone's and its pool."""
    origins = {volume.slot: volume for volume, _ in source.volumes}
    return ((origins[volume.slot], volume, pool) for volume, pool in clone.volumes)


def _start(run: Run) -> None:
    """Start the clone, if that was asked for."""
    if run.args["start"]:
        parts.power_on(run)


def _succeed(run: Run, tx: Tx) -> None:
    for clone in _clones(run):
        for volume in tx.volumes.of_instance(clone.resource_id):
            tx.volumes.update(volume.id, state=VolumeState.READY)
        if run.args["start"]:
            mark_running(clone, tx)
        else:
            tx.instances.update(clone.resource_id, status=InstanceStatus.STOPPED)


def _fail(run: Run, tx: Tx, error: ZcloudError) -> None:
    """Nothing is left of the clones, so nothing is kept; the source is as before."""
    del error
    for identity in run.args["clones"]:
        for volume in tx.volumes.of_instance(identity):
            tx.claims.release(volume.id)
            tx.volumes.delete(volume.id)
        for port in tx.ports.of_instance(identity):
            tx.ports.delete(port.id)
        tx.claims.release(identity)
        tx.secrets.delete(identity)
        tx.instances.delete(identity)


def _seal(run: Run) -> None:
    """Seal the disks, or open them."""
    _set_sealed(run, sealed=run.args["on"])


def _unseal(run: Run) -> None:
    """Do the opposite."""
    _set_sealed(run, sealed=not run.args["on"])


def _set_sealed(run: Run, *, sealed: bool) -> None:
    whole = load_whole(run)
    for volume, pool in whole.volumes:
        run.storage(pool, whole.instance.host_id).seal_volume(whole.volume_spec(volume), sealed)


def _settled(run: Run, tx: Tx) -> None:
    instance = tx.instances.get(run.resource_id)
    hardware = {key: value for key, value in instance.hardware.items() if key != "template"}
    tx.instances.update(instance.id, hardware=hardware | ({"template": True} if run.args["on"] else {}), bump=True)


def _as_before(run: Run, tx: Tx, error: ZcloudError) -> None:
    """It was not a template before the end."""
    del run, tx, error


INSTANCE_CLONE = Workflow(
    name="instance_clone_v1",
    title="Clone an instance",
    steps=(
        Step("copy", "Make the clones' disks", copy_disks, remove_disks),
        Step("ports", "Admit their network ports", _each(parts.admit_ports), _each(parts.remove_ports)),
        Step("seed", "Write their guests' seeds", _each(parts.write_seed), _each(parts.remove_artifacts)),
        Step("define", "Define their domains", _each(parts.define), _each(parts.undefine)),
        Step("start", "Start their guests", _each(_start), _each(parts.power_off)),
    ),
    succeed=_succeed,
    fail=_fail,
)

INSTANCE_TEMPLATE = Workflow(
    name="instance_template_v1",
    title="Make a template of an instance, or an instance of a template",
    steps=(
        Step(
            "seal",
            "Let nobody write to its disks, or let its guest again",
            _seal,
            _unseal,
        ),
    ),
    succeed=_settled,
    fail=_as_before,
)
