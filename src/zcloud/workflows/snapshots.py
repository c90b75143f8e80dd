"""Snapshots of an instance: taken while it runs or not, gone back to, forgotten anywhere among the others.

They are kept by the volumes' pools (``drivers/storage/base.VolumeSnapshots``), so that no disk changes its place. What
a running guest has is marked by its pool where that can (LVM, RBD), else by QEMU (qcow2). Before an instance goes back,
what it has is marked, too: the way there can be undone.

With memory: the guest is paused while its disks are marked and its memory is written. In that order: QEMU lets go of
its disks once the memory is written, until the guest goes on. A second try begins anew, so that all is of one moment.
"""

from __future__ import annotations

import contextlib
import posixpath

from zcloud.domain.claims import BYTES, Claim
from zcloud.domain.errors import StorageFailed, WrongState, ZcloudError
from zcloud.domain.instance import Instance, InstanceStatus, Ready
from zcloud.domain.operation import StepStatus
from zcloud.domain.snapshot import Snapshot, SnapshotState
from zcloud.drivers.compute.patch import patch_incarnation
from zcloud.drivers.storage.base import Feature, StorageDriver, VolumeSpec
from zcloud.operations.model import Step, Workflow
from zcloud.store import Tx
from zcloud.workflows import parts
from zcloud.workflows.context import Run, Whole, load_whole
from zcloud.workflows.design import memory_name, nvram_copy_name, nvram_name
from zcloud.workflows.instance_create import mark_running
from zcloud.workflows.instance_power import start_failed
from zcloud.workflows.instance_save import settle
from zcloud.workflows.quiet import go_on, held_fast, held_still, thaw


def _snapshot(run: Run) -> Snapshot:
    return run.read(lambda tx: tx.snapshots.get(run.args["snapshot"]))


def take(run: Run) -> None:
    """Mark the disks, at one moment and with the guest holding still where it runs and its agent answers."""
    whole, snapshot = load_whole(run), _snapshot(run)
    instance = whole.instance
    hypervisor = run.link(instance.host_id).hypervisor
    if _stopped_halfway(run, instance):
        _drop(run, whole, snapshot.id)
    if parts.is_off(hypervisor, instance.id):
        _mark(_disks(run, whole), snapshot.id)
        quiet = True
    else:
        with held_still(run, instance) as quiet:
            _mark_running(run, whole, snapshot.id)
    _settle(run, whole, snapshot.id)
    _copy_variables(run, whole, nvram_name(instance), nvram_copy_name(instance, snapshot.id))
    with run.store.write() as tx:
        tx.snapshots.update(snapshot.id, quiesced=quiet)


def take_with_memory(run: Run) -> None:
    """Mark the disks and write the memory, while the guest is paused; its file systems are as consistent as it is."""
    whole, snapshot = load_whole(run), _snapshot(run)
    instance = whole.instance
    hypervisor = run.link(instance.host_id).hypervisor
    if parts.is_off(hypervisor, instance.id):
        raise WrongState(f"{instance.name} went off before its memory was written.")
    _stopped_halfway(run, instance)
    _drop(run, whole, snapshot.id)
    path = _memory(run, whole).artifact_path(memory_name(instance, snapshot.id))
    with held_fast(run, instance):
        _mark_running(run, whole, snapshot.id)
        _copy_variables(run, whole, nvram_name(instance), nvram_copy_name(instance, snapshot.id))
        hypervisor.snapshot_memory(instance.id, path)
    _settle(run, whole, snapshot.id)
    files = run.link(instance.host_id).shell.list_files(posixpath.dirname(path))
    written = next(each.allocated for each in files if each.path == path)
    with run.store.write() as tx:
        tx.snapshots.update(snapshot.id, memory={**snapshot.memory, "bytes": written})


def drop(run: Run) -> None:
    """Forget the snapshot, wherever it is."""
    whole = load_whole(run)
    if not parts.is_off(run.link(whole.instance.host_id).hypervisor, whole.instance.id):
        _stopped_halfway(run, whole.instance)
    _drop(run, whole, run.args["snapshot"])
    if _snapshot(run).memory:
        _memory(run, whole).delete_artifact(memory_name(whole.instance, run.args["snapshot"]))


def keep(run: Run) -> None:
    """Mark what the instance has now, to be able to come back."""
    whole = load_whole(run)
    _mark(_disks(run, whole), run.operation.id)
    _settle(run, whole, run.operation.id)
    _copy_variables(run, whole, nvram_name(whole.instance), nvram_copy_name(whole.instance, run.operation.id))


def forget(run: Run) -> None:
    """Forget what it had before."""
    _drop(run, load_whole(run), run.operation.id)


def go_back(run: Run) -> None:
    """Have disks and UEFI variables as they were then."""
    _revert(run, run.args["snapshot"])


def come_back(run: Run) -> None:
    """Have them as they were before."""
    _revert(run, run.operation.id)


def take_power(run: Run) -> None:
    """Take the power of one that runs."""
    parts.power_off(run)


def start(run: Run) -> None:
    """Let one that ran begin a new run."""
    if run.args["start"]:
        parts.fit_definition(run)
        parts.admit_ports(run)
        parts.power_on(run)


def go_on_from_memory(run: Run) -> None:
    """Begin a new run from the memory of then, unless the guest is on; its clock is set if its agent answers."""
    parts.admit_ports(run)
    whole, snapshot = load_whole(run), _snapshot(run)
    instance = whole.instance
    hypervisor = run.link(instance.host_id).hypervisor
    settle(run, hypervisor, instance)
    if parts.is_off(hypervisor, instance.id):
        path = _memory(run, whole).artifact_path(memory_name(instance, snapshot.id))
        xml = hypervisor.saved_xml(path)
        if xml is None:
            raise StorageFailed(
                f"The memory of the snapshot {snapshot.name} is not there, or not whole: {path}.",
                hint=f"Go back to its disks: `zcloud snapshot revert {instance.name} {snapshot.name} --disks-only`.",
            )
        with run.store.write() as tx:
            tx.instances.begin_incarnation(instance.id, run.args["incarnation"], instance.host_id)
        hypervisor.restore(instance.id, path, patch_incarnation(xml, run.args["incarnation"]), held=False)
        settle(run, hypervisor, instance)
    parts.set_clock(run, instance)


Disk = tuple[StorageDriver, VolumeSpec]


def _disks(run: Run, whole: Whole) -> list[Disk]:
    """Give the disks that the snapshot has; others came later, and may lie where there are no snapshots."""
    disks, host_id = _snapshot(run).disks, whole.instance.host_id
    return [(run.storage(pool, host_id), whole.volume_spec(each)) for each, pool in whole.volumes if each.id in disks]


def _by_whom(disks: list[Disk]) -> tuple[list[Disk], list[str]]:
    """Give the disks that their pools mark while the guest runs, and the files of those that QEMU marks."""
    pools = [each for each in disks if Feature.SNAPSHOT_LIVE in each[0].INFO.features]
    return pools, [driver.disk_source(spec).path for driver, spec in disks if (driver, spec) not in pools]


def _mark(disks: list[Disk], name: str) -> None:
    for driver, spec in disks:
        driver.take_snapshot(spec, name)


def _mark_running(run: Run, whole: Whole, name: str) -> None:
    """Mark at one moment what a running guest has: QEMU does so for all files, else the guest is paused for that."""
    instance, disks = whole.instance, _disks(run, whole)
    pools, paths = _by_whom(disks)
    with held_fast(run, instance) if pools and len(disks) > 1 else contextlib.nullcontext():
        if paths:
            run.link(instance.host_id).hypervisor.snapshot_disks(instance.id, paths, name)
        _mark(pools, name)


def _settle(run: Run, whole: Whole, name: str) -> None:
    for driver, spec in _disks(run, whole):
        driver.settle_snapshot(spec, name)


def _stopped_halfway(run: Run, instance: Instance) -> bool:
    """Let a guest go on that a worker before this one had held; tell whether some disks may be marked, and not all.

    What is marked from now on is of another moment, so such marks are of no use.
    """
    if _snapshot(run).memory:
        run.link(instance.host_id).hypervisor.abort_memory(instance.id)
    halfway = go_on(run, instance)
    thaw(run, instance)
    return halfway


def _drop(run: Run, whole: Whole, name: str) -> None:
    instance, disks = whole.instance, _disks(run, whole)
    hypervisor = run.link(instance.host_id).hypervisor
    paths: list[str] = []
    if not parts.is_off(hypervisor, instance.id):
        disks, paths = _by_whom(disks)
    for driver, spec in disks:
        driver.drop_snapshot(spec, name)
    if paths:
        hypervisor.drop_disk_snapshots(instance.id, paths, name)
    run.storage(whole.home, instance.host_id).delete_artifact(nvram_copy_name(instance, name))


def _revert(run: Run, name: str) -> None:
    whole = load_whole(run)
    for driver, spec in _disks(run, whole):
        driver.revert_volume(spec, name)
    _copy_variables(run, whole, nvram_copy_name(whole.instance, name), nvram_name(whole.instance))


def _copy_variables(run: Run, whole: Whole, name: str, copy: str) -> None:
    run.storage(whole.home, whole.instance.host_id).copy_artifact(name, copy)


def _memory(run: Run, whole: Whole) -> StorageDriver:
    """Give where files of memory lie: beside the root disk."""
    return run.storage(whole.root[1], whole.instance.host_id)


def _taken_with_memory(run: Run, tx: Tx) -> None:
    """Give back what was claimed for memory beyond what its file takes."""
    snapshot, pool = tx.snapshots.get(run.args["snapshot"]), tx.pools.get(run.args["pool"])
    held = sum(each.amount for each in tx.claims.held_by(snapshot.id) if each.provider == pool.ref)
    spare = max(run.args["room"] - snapshot.memory_bytes, 0)
    tx.claims.lower([Claim(pool.ref, snapshot.id, BYTES, held - spare)])
    _taken(run, tx)


def _taken(run: Run, tx: Tx) -> None:
    snapshot = tx.snapshots.update(run.args["snapshot"], state=SnapshotState.READY)
    _stand_at(tx, snapshot.instance_id, snapshot.id)


def _not_taken(run: Run, tx: Tx, error: ZcloudError) -> None:
    """Forget it, but where some disks have it still: then it can be deleted, and keeps what it claims."""
    if any(each.status is StepStatus.LEFT for each in tx.operations.get(run.operation.id).steps):
        _not_dropped(run, tx, error)
        return
    tx.claims.release(run.args["snapshot"])
    tx.snapshots.delete(run.args["snapshot"])


def _reverted(run: Run, tx: Tx) -> None:
    """It is a run that begins, or off as before."""
    _disks_reverted(run, tx)
    if run.args["start"]:
        mark_running(run, tx)
    else:
        tx.instances.update(run.resource_id, status=InstanceStatus.STOPPED, error=None)


def _reverted_with_memory(run: Run, tx: Tx) -> None:
    """It runs, and is as ready as it was then."""
    _disks_reverted(run, tx)
    mark_running(run, tx)
    if tx.snapshots.get(run.args["snapshot"]).memory.get("ready"):
        tx.instances.update(run.resource_id, ready=Ready.READY)


def _disks_reverted(run: Run, tx: Tx) -> None:
    """What has grown since is as large as then, and what was claimed for that is given back."""
    snapshot = tx.snapshots.get(run.args["snapshot"])
    for volume in tx.volumes.of_instance(snapshot.instance_id):
        if volume.id in snapshot.disks:
            size = snapshot.disks[volume.id]
            tx.volumes.update(volume.id, size=size)
            tx.claims.lower([Claim(tx.pools.get(volume.pool_id).ref, volume.id, BYTES, size)])
    _stand_at(tx, snapshot.instance_id, snapshot.id)


def _dropped(run: Run, tx: Tx) -> None:
    snapshot = tx.snapshots.get(run.args["snapshot"])
    tx.snapshots.skip(snapshot)
    if tx.instances.get(snapshot.instance_id).hardware.get("snapshot") == snapshot.id:
        _stand_at(tx, snapshot.instance_id, snapshot.parent_id)
    tx.claims.release(snapshot.id)
    tx.snapshots.delete(snapshot.id)


def _not_dropped(run: Run, tx: Tx, error: ZcloudError) -> None:
    """Some disks may have it still; it can be deleted again."""
    del error
    tx.snapshots.update(run.args["snapshot"], state=SnapshotState.ERROR)


def _stand_at(tx: Tx, instance_id: str, snapshot_id: str | None) -> None:
    """Note which snapshot the disks come from now: the parent of the next one."""
    hardware = tx.instances.get(instance_id).hardware
    tx.instances.update(instance_id, hardware={**hardware, "snapshot": snapshot_id})


INSTANCE_SNAPSHOT = Workflow(
    name="instance_snapshot_v1",
    title="Take a snapshot of an instance",
    steps=(Step("take", "Mark what its disks have", take, drop),),
    succeed=_taken,
    fail=_not_taken,
)

INSTANCE_SNAPSHOT_MEMORY = Workflow(
    name="instance_snapshot_memory_v1",
    title="Take a snapshot of an instance with its memory",
    steps=(Step("take", "Mark what its disks have and write its memory", take_with_memory, drop),),
    succeed=_taken_with_memory,
    fail=_not_taken,
)

INSTANCE_REVERT = Workflow(
    name="instance_revert_v1",
    title="Go back to a snapshot",
    steps=(
        Step("off", "Take the power away", take_power),
        Step("keep", "Mark what its disks have now", keep, forget),
        Step("revert", "Have its disks as they were then", go_back, come_back),
        Step("start", "Start the guest, if it ran", start, take_power),
        Step("forget", "Forget what its disks had before", forget, tidies=True),
    ),
    succeed=_reverted,
    fail=start_failed,  # it has what it had, and is off
)

INSTANCE_REVERT_MEMORY = Workflow(
    name="instance_revert_memory_v1",
    title="Go back to a snapshot with memory",
    steps=(
        Step("off", "Take the power away", take_power),
        Step("keep", "Mark what its disks have now", keep, forget),
        Step("revert", "Have its disks as they were then", go_back, come_back),
        Step("restore", "Let the guest go on from its memory of then", go_on_from_memory, take_power),
        Step("forget", "Forget what its disks had before", forget, tidies=True),
    ),
    succeed=_reverted_with_memory,
    fail=start_failed,  # it has what it had on its disks, and is off
)

INSTANCE_DELETE_SNAPSHOT = Workflow(
    name="instance_delete_snapshot_v1",
    title="Delete a snapshot",
    steps=(Step("drop", "Forget what its disks had", drop),),
    succeed=_dropped,
    fail=_not_dropped,
    cancellable=False,
)
