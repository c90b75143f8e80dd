"""Attach, detach and limit an instance's disks, whether it runs or not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from zcloud.domain.attachment import PLAIN, DiskBus, IoLimits, limits_of
from zcloud.domain.errors import DiskMounted, DiskUnchecked, GuestSilent, ZcloudError
from zcloud.domain.instance import Instance
from zcloud.domain.operation import StepStatus
from zcloud.domain.storage import Pool, Volume, VolumeRole, VolumeState
from zcloud.drivers.compute import devices
from zcloud.drivers.compute.design import design_disk
from zcloud.drivers.guest.filesystems import mounts_of
from zcloud.operations.model import Step, Workflow
from zcloud.ports import Layer
from zcloud.store import Tx
from zcloud.workflows.context import Run, Whole, load_whole
from zcloud.workflows.design import plug_disk
from zcloud.workflows.plugging import Wanted, definition, drop, note_definition, plug, pull, running, unplug

_AGENT_S = 10


def _mine(run: Run) -> tuple[Whole, Volume, Pool]:
    """Give the instance, and the volume that the operation is about."""
    whole = load_whole(run)
    volume, pool = next(each for each in whole.disks if each[0].id == run.args["volume"])
    return whole, volume, pool


def _wanted(run: Run) -> tuple[Instance, Wanted]:
    whole, volume, pool = _mine(run)
    bus = volume.attachment.bus
    wanted = Wanted(
        f"the disk {volume.name}",
        lambda xml: devices.find_disk(xml, volume.serial),
        design_disk(plug_disk(run, whole, volume, pool)),
        lambda xml: devices.takes_place(bus, xml),
    )
    return whole.instance, wanted


def make_new(run: Run) -> None:
    """Make the volume, where it is a new one."""
    if run.args["new"]:
        whole, volume, pool = _mine(run)
        run.storage(pool, whole.instance.host_id).ensure_volume(whole.volume_spec(volume))


def remove_new(run: Run) -> None:
    """Remove the volume that was made for this."""
    if run.args["new"]:
        whole, volume, pool = _mine(run)
        run.storage(pool, whole.instance.host_id).delete_volume(volume.id)


def plug_in(run: Run) -> None:
    """Plug the disk in; the first SCSI disk brings the controller of all."""
    instance, wanted = _wanted(run)
    if _mine(run)[1].attachment.bus is DiskBus.SCSI:
        plug(run, instance, Wanted("a SCSI controller", devices.find_scsi, devices.design_scsi()))
    plug(run, instance, wanted)


def pull_out(run: Run) -> None:
    """Have the disk gone again."""
    pull(run, *_wanted(run))


def ask_guest(run: Run) -> None:
    """Ask the guest's agent whether the disk is mounted; raises DiskMounted, DiskUnchecked (nobody can tell)."""
    whole, volume, _ = _mine(run)
    instance = whole.instance
    live = "" if run.args["force"] else running(run, instance)
    disk = devices.find_disk(live, volume.serial) if live else None
    if disk is None:
        return
    hypervisor, unknown = run.link(instance.host_id).hypervisor, f"Whether {volume.name} is mounted is not known"
    try:
        answer = hypervisor.agent(instance.id, "guest-get-fsinfo", {}, timeout_s=_AGENT_S)
    except GuestSilent as error:
        raise DiskUnchecked(f"{unknown}. {error.message}") from error
    found = mounts_of(answer, devices.known_disk(disk))
    if found is None:
        raise DiskUnchecked(f"{unknown}: the guest's agent gave no answer that tells.")
    if found:
        raise DiskMounted(f"{instance.name} has {volume.name} mounted on {', '.join(found)}.", mounts=list(found))


def let_go(run: Run) -> None:
    """Have the guest let go of the disk."""
    unplug(run, *_wanted(run))


def forget(run: Run) -> None:
    """Take the disk out of the definition."""
    drop(run, *_wanted(run))


def plug_again(run: Run) -> None:
    """Put the disk back where it was, unless its volume is being removed already."""
    if not _is_past_return(run):
        plug(run, *_wanted(run))


def remove(run: Run) -> None:
    """Delete the volume where that was asked for."""
    if run.args["delete"]:
        whole, volume, pool = _mine(run)
        run.storage(pool, whole.instance.host_id).delete_volume(volume.id)


def set_limits(run: Run) -> None:
    """Give the disk its new limits."""
    _limit(run, limits_of(run.args["limits"]))


def restore_limits(run: Run) -> None:
    """Give the disk the limits back that are on record."""
    _limit(run, _mine(run)[1].attachment.limits)


def _limit(run: Run, limits: IoLimits) -> None:
    whole, volume, _ = _mine(run)
    instance = whole.instance
    hypervisor = run.link(instance.host_id).hypervisor
    for layer, xml in ((Layer.DEFINITION, definition(run, instance)), (Layer.LIVE, running(run, instance))):
        disk = devices.find_disk(xml, volume.serial) if xml else None
        if disk is not None and disk.target:
            hypervisor.limit_disk(instance.id, disk.target, devices.tune_of(limits), layer)
    note_definition(run, instance)


def _is_past_return(run: Run) -> bool:
    steps = run.read(lambda tx: tx.operations.get(run.operation.id).steps)
    return any(each.name == _REMOVE.name and each.status is not StepStatus.PENDING for each in steps)


def _attached(run: Run, tx: Tx) -> None:
    tx.volumes.update(run.args["volume"], state=VolumeState.READY)


def _not_attached(run: Run, tx: Tx, error: ZcloudError) -> None:
    """Free the volume again, or forget it where it was new; one that the guest would not give back stays its own."""
    del error
    steps = {each.name: each.status for each in tx.operations.get(run.operation.id).steps}
    volume_id = run.args["volume"]
    if steps.get(_PLUG.name) is StepStatus.LEFT:
        tx.volumes.update(volume_id, state=VolumeState.READY)
    elif run.args["new"]:
        tx.claims.release(volume_id)
        tx.volumes.delete(volume_id)
    else:
        _free(run, tx)


def _detached(run: Run, tx: Tx) -> None:
    volume_id = run.args["volume"]
    if run.args["delete"]:
        tx.claims.release(volume_id)
        tx.volumes.delete(volume_id)
    else:
        _free(run, tx)


def _not_detached(run: Run, tx: Tx, error: ZcloudError) -> None:
    """The disk stays as it was; one that is out already is free, and can be deleted again."""
    del error
    if _is_past_return(run):
        state = VolumeState.ERROR if run.args["delete"] else VolumeState.READY
        _free(run, tx)
        tx.volumes.update(run.args["volume"], state=state)


def _limited(run: Run, tx: Tx) -> None:
    volume = tx.volumes.get(run.args["volume"])
    limits = limits_of(run.args["limits"])
    tx.volumes.update(volume.id, attachment=replace(volume.attachment, limits=limits), bump=True)


def _not_limited(run: Run, tx: Tx, error: ZcloudError) -> None:
    """Nothing was recorded before the end."""


def _free(run: Run, tx: Tx) -> None:
    """Record that the instance has the volume no more: by itself, or beside others."""
    volume_id = run.args["volume"]
    if run.resource_id in tx.readers.of_volume(volume_id):
        tx.readers.remove(volume_id, run.resource_id)
    else:
        tx.volumes.update(volume_id, **_FREE)


_FREE: dict[str, Any] = {"instance_id": None, "slot": None, "role": VolumeRole.DATA, "attachment": PLAIN}
_PLUG = Step("plug", "Plug the disk in", plug_in, pull_out)
_REMOVE = Step("remove", "Remove the volume, if it is to go", remove)

DISK_ATTACH = Workflow(
    name="instance_attach_disk_v1",
    title="Attach a disk",
    steps=(Step("volume", "Make the volume, if it is new", make_new, remove_new), _PLUG),
    succeed=_attached,
    fail=_not_attached,
)

DISK_DETACH = Workflow(
    name="instance_detach_disk_v1",
    title="Detach a disk",
    steps=(
        Step("ask", "Ask the guest whether the disk is mounted", ask_guest),
        Step("unplug", "Have the guest let go of the disk", let_go, plug_again),
        Step("forget", "Take the disk out of the definition", forget, plug_again),
        _REMOVE,
    ),
    succeed=_detached,
    fail=_not_detached,
)

DISK_LIMIT = Workflow(
    name="instance_limit_disk_v1",
    title="Limit a disk",
    steps=(Step("limit", "Set the limits", set_limits, restore_limits),),
    succeed=_limited,
    fail=_not_limited,
)
