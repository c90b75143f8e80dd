"""Save an instance's memory to a file beside its root volume, let it go on from there, or forget the file.

The undo of a save is a restore, and that of a restore is a save: what the guest had in memory is lost on neither way.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from zcloud.domain.claims import ProviderKind
from zcloud.domain.errors import HypervisorFailed, StorageFailed, ZcloudError
from zcloud.domain.instance import Instance, InstanceStatus, Power, Ready
from zcloud.drivers.compute.patch import patch_incarnation
from zcloud.operations.model import Step, Waiting, Workflow
from zcloud.ports import DomainState, Hypervisor
from zcloud.store import Tx
from zcloud.workflows import parts
from zcloud.workflows.context import Run, load_whole
from zcloud.workflows.design import saved_name

_POLL = timedelta(seconds=1)
_AT_WORK = frozenset({"save", "migration", "starting_up", "dump", "snapshot"})  # libvirt's reasons for a short pause


def _path(run: Run, instance: Instance) -> str:
    _, pool = load_whole(run).root
    return run.storage(pool, instance.host_id).artifact_path(saved_name(instance))


def _write(run: Run) -> None:
    """Write the memory; a write that another worker began is waited for."""
    instance = parts.load_instance(run)
    hypervisor = run.link(instance.host_id).hypervisor
    settle(run, hypervisor, instance)
    hypervisor.save(instance.id, _path(run, instance))


def _go_on(run: Run) -> None:
    """Begin a new run from the saved memory, unless the guest is on already."""
    instance = parts.load_instance(run)
    hypervisor = run.link(instance.host_id).hypervisor
    settle(run, hypervisor, instance)
    if not parts.is_off(hypervisor, instance.id):
        return
    path = _path(run, instance)
    xml = hypervisor.saved_xml(path)
    if xml is None:
        raise StorageFailed(
            f"The saved memory of {instance.name} is not there, or not whole: {path}.",
            hint=f"Let it boot afresh: `zcloud instance discard-saved {instance.name}`, then start it.",
        )
    with run.store.write() as tx:
        tx.instances.begin_incarnation(instance.id, run.args["incarnation"], instance.host_id)
    hypervisor.restore(instance.id, path, patch_incarnation(xml, run.args["incarnation"]))
    settle(run, hypervisor, instance)
    parts.set_clock(run, instance)


def _back_to_running(run: Run) -> None:
    """Undo a save: the guest goes on, and its file is removed."""
    instance = parts.load_instance(run)
    hypervisor = run.link(instance.host_id).hypervisor
    settle(run, hypervisor, instance)
    if parts.is_off(hypervisor, instance.id) and hypervisor.saved_xml(_path(run, instance)) is None:
        raise HypervisorFailed(f"{instance.name} went off while its memory was being saved.")
    _go_on(run)
    _forget(run)


def _back_to_file(run: Run) -> None:
    """Undo a restore: what the guest has in memory by now is saved again. One that never went on is left as it is."""
    instance = parts.load_instance(run)
    if not parts.is_off(run.link(instance.host_id).hypervisor, instance.id):
        _write(run)


def _forget(run: Run) -> None:
    instance = parts.load_instance(run)
    _, pool = load_whole(run).root
    run.storage(pool, instance.host_id).delete_artifact(saved_name(instance))


def settle(run: Run, hypervisor: Hypervisor, instance: Instance) -> None:
    """Wait while libvirt itself is at work on the domain.

    One that was held is held again after a restore, and libvirt goes on to give the restore as the reason.
    """
    facts = next((each for each in hypervisor.list_domains() if each.uuid == instance.id), None)
    held = (run.args.get("was") or instance.saved.get("was")) == InstanceStatus.PAUSED
    at_work = _AT_WORK - {"migration"} if held else _AT_WORK
    if facts is not None and facts.state is DomainState.PAUSED and facts.reason in at_work:
        raise Waiting("libvirt is at work on the guest's memory.", run.now() + _POLL)


def _saved(run: Run, tx: Tx) -> None:
    """Give CPU and memory back, and note what the file fits."""
    instance = tx.instances.get(run.resource_id)
    host = tx.hosts.get(instance.host_id)
    saved = {
        "at": tx.now.isoformat(),
        "claimed": run.args["size"],
        "was": run.args["was"],
        "definition": instance.hardware.get("definition"),
        "accel": host.accel.value,
        "cpu": host.inventory.get("cpu_model"),
    }
    tx.claims.release(instance.id, ProviderKind.HOST)
    hardware = {**instance.hardware, "saved": saved}
    tx.instances.update(instance.id, status=InstanceStatus.SAVED, hardware=hardware)


def _save_failed(run: Run, tx: Tx, error: ZcloudError) -> None:
    """The guest runs on; the file and its claim are gone."""
    del error
    instance = tx.instances.get(run.resource_id)
    tx.claims.release(instance.id, ProviderKind.POOL)
    status = InstanceStatus(run.args["was"])
    tx.instances.update(instance.id, status=status, desired=Power.RUNNING, hardware=_without_file(instance))


def _restored(run: Run, tx: Tx) -> None:
    """The guest is as it was, and as ready; one that was paused is paused still."""
    instance = tx.instances.get(run.resource_id)
    status = InstanceStatus(instance.saved["was"])
    tx.claims.release(instance.id, ProviderKind.POOL)
    tx.instances.update(instance.id, status=status, started_at=tx.now, hardware=_without_file(instance))


def _restore_failed(run: Run, tx: Tx, error: ZcloudError) -> None:
    tx.claims.release(run.resource_id, ProviderKind.HOST)
    tx.instances.update(run.resource_id, status=InstanceStatus.SAVED, desired=Power.STOPPED, error=error.to_record())


def _discarded(run: Run, tx: Tx) -> None:
    instance = tx.instances.get(run.resource_id)
    tx.claims.release(instance.id, ProviderKind.POOL)
    changes: dict[str, Any] = {"hardware": _without_file(instance)}
    if instance.status is InstanceStatus.SAVED:
        changes |= {"status": InstanceStatus.STOPPED, "ready": Ready.NONE, "ready_detail": "", "error": None}
    tx.instances.update(instance.id, **changes)


def _discard_failed(run: Run, tx: Tx, error: ZcloudError) -> None:
    """Whether the file is still there is not known; the record says so until it is discarded again."""
    del run, tx, error


def _without_file(instance: Instance) -> dict[str, Any]:
    return {key: value for key, value in instance.hardware.items() if key != "saved"}


INSTANCE_SAVE = Workflow(
    name="instance_save_v1",
    title="Save an instance to disk",
    steps=(Step("save", "Write the guest's memory to a file", _write, _back_to_running),),
    succeed=_saved,
    fail=_save_failed,
)

INSTANCE_RESTORE = Workflow(
    name="instance_restore_v1",
    title="Let a saved instance go on",
    steps=(
        Step("ports", "Admit the network ports", parts.admit_ports),
        Step("restore", "Read the guest's memory back", _go_on, _back_to_file),
        Step("forget", "Remove the file", _forget),
    ),
    succeed=_restored,
    fail=_restore_failed,
)

INSTANCE_DISCARD = Workflow(
    name="instance_discard_v1",
    title="Forget an instance's saved memory",
    steps=(Step("forget", "Remove the file", _forget),),
    succeed=_discarded,
    fail=_discard_failed,
    cancellable=False,
)
