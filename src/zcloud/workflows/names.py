"""What an instance is called, on its host and in the records: renamed, put into the trash, or brought back.

The names come with the operation's arguments: ``name``, ``hostnames`` by port and ``volumes`` by volume. The host is
told first and the records follow in the operation's last transaction, where a name that was taken meanwhile is seen.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from zcloud.domain.claims import ProviderKind
from zcloud.domain.errors import ZcloudError
from zcloud.domain.instance import Instance, InstanceStatus, Power, Ready
from zcloud.operations.model import Step, Workflow
from zcloud.store import Tx
from zcloud.workflows import parts
from zcloud.workflows.context import Run, Whole, load_whole


def _called_anew(run: Run) -> Whole:
    """Give the instance as it will be recorded."""
    whole = load_whole(run)
    hostnames = run.args["hostnames"]
    ports = tuple((dataclasses.replace(port, hostname=hostnames[port.id]), network) for port, network in whole.ports)
    return dataclasses.replace(whole, instance=dataclasses.replace(whole.instance, name=run.args["name"]), ports=ports)


def _tell_names(run: Run) -> None:
    parts.admit_ports_of(run, _called_anew(run))


def _write_seed(run: Run) -> None:
    if run.args["hostname"]:
        parts.write_seed_of(run, _called_anew(run))


def _write_old_seed(run: Run) -> None:
    """Write the seed with the name that it had."""
    if run.args["hostname"]:
        parts.write_seed(run)


def _record_names(run: Run, tx: Tx, **changes: Any) -> Instance:
    for volume_id, name in run.args["volumes"].items():
        tx.volumes.update(volume_id, name=name)
    for port_id, hostname in run.args["hostnames"].items():
        tx.ports.update(port_id, hostname=hostname)
    return tx.instances.update(run.resource_id, name=run.args["name"], bump=True, **changes)


def _tell(run: Run, tx: Tx, instance: Instance, kind: str, message: str, **data: Any) -> None:
    tx.events.add(
        kind,
        project_id=instance.project_id,
        resource_kind="instance",
        resource_id=instance.id,
        resource_name=run.args.get("shown", instance.name),
        actor=run.operation.actor,
        message=message,
        data=data,
    )


def _renamed(run: Run, tx: Tx) -> None:
    old = tx.instances.get(run.resource_id).name
    instance = _record_names(run, tx)
    message = f"The instance {old} is called {instance.name} now."
    _tell(run, tx, instance, "instance.renamed", message, old=old, new=instance.name)


def _trashed(run: Run, tx: Tx) -> None:
    """Give CPU and memory back, and the name; volumes and addresses stay claimed."""
    before = tx.instances.get(run.resource_id)
    trash = {"at": tx.now.isoformat(), "name": before.name, "was": run.args["was"]}
    tx.claims.release(before.id, ProviderKind.HOST)
    instance = _record_names(
        run,
        tx,
        status=InstanceStatus.TRASHED,
        desired=Power.STOPPED,
        ready=Ready.NONE,
        ready_detail="",
        down_with="",
        hardware={**before.hardware, "trash": trash},
    )
    until = run.args["until"]
    message = f"{before.name} is in the trash; it can be brought back until {until[:16]} UTC."
    _tell(run, tx, instance, "instance.trashed", message, until=until)


def _trash_failed(run: Run, tx: Tx, error: ZcloudError) -> None:
    """It is as it was, or off: the observer tells which."""
    tx.instances.update(run.resource_id, status=InstanceStatus(run.args["was"]), error=error.to_record())


def _untrashed(run: Run, tx: Tx) -> None:
    before = tx.instances.get(run.resource_id)
    hardware = {key: value for key, value in before.hardware.items() if key != "trash"}
    status = InstanceStatus.SAVED if before.saved else InstanceStatus.STOPPED
    instance = _record_names(run, tx, status=status, hardware=hardware, error=None)
    _tell(run, tx, instance, "instance.untrashed", f"{instance.name} was brought back from the trash; it is {status}.")


def _as_before(run: Run, tx: Tx, error: ZcloudError) -> None:
    """The records were not touched."""
    del run, tx, error


_NAMES = Step("names", "Tell the networks its names", _tell_names, parts.admit_ports)

INSTANCE_RENAME = Workflow(
    name="instance_rename_v1",
    title="Rename an instance",
    steps=(_NAMES, Step("seed", "Tell cloud-init the host name", _write_seed, _write_old_seed)),
    succeed=_renamed,
    fail=_as_before,
)

INSTANCE_TRASH = Workflow(
    name="instance_trash_v1",
    title="Put an instance into the trash",
    steps=(Step("off", "Take the power away", parts.power_off), _NAMES),
    succeed=_trashed,
    fail=_trash_failed,
)

INSTANCE_UNTRASH = Workflow(
    name="instance_untrash_v1",
    title="Bring an instance back from the trash",
    steps=(_NAMES,),
    succeed=_untrashed,
    fail=_as_before,
)
