"""Change an instance's hardware: its definition now, its guest from the next start on."""

from __future__ import annotations

from typing import Any

from zcloud.domain.errors import ZcloudError
from zcloud.domain.hardware import settle
from zcloud.domain.size import wanted_size
from zcloud.drivers.compute.hardware import Frame
from zcloud.drivers.compute.patch import patch_hardware, patch_loader, patch_machine
from zcloud.operations.model import Step, Workflow
from zcloud.store import Tx
from zcloud.workflows import parts
from zcloud.workflows.context import Run
from zcloud.workflows.design import known


def _define(run: Run) -> None:
    """Write the new hardware into the definition."""
    _change(run, run.args["old"], run.args["new"])


def _define_back(run: Run) -> None:
    """Write the old hardware into the definition."""
    _change(run, run.args["new"], run.args["old"])


def _change(run: Run, before: dict[str, Any], after: dict[str, Any]) -> None:
    instance = parts.load_instance(run)
    host = run.read(lambda tx: tx.hosts.get(instance.host_id))
    old, new = settle(before["options"]), settle(after["options"])
    frame = Frame(wanted_size(instance), host.accel)

    def patch(xml: str) -> str:
        if old.secure_boot != new.secure_boot:
            image = known(host, "uefi_secure" if new.secure_boot else "uefi")
            xml = patch_loader(xml, image["loader"], secure_boot=new.secure_boot)
        return patch_machine(patch_hardware(xml, old, new, frame), after["machine"])

    parts.redefine(run, patch)


def _succeed(run: Run, tx: Tx) -> None:
    """The record has it since it was asked for; that there was a TPM once is remembered for the deletion."""
    instance = tx.instances.get(run.resource_id)
    if settle(instance.options).tpm != "off":
        tx.instances.update(instance.id, hardware={**instance.hardware, "tpm": True})


def _fail(run: Run, tx: Tx, error: ZcloudError) -> None:
    """The record is what it was; what failed is told by the operation."""
    del error
    old: dict[str, Any] = run.args["old"]
    tx.instances.update(run.resource_id, **old)


INSTANCE_HARDWARE = Workflow(
    name="instance_hardware_v1",
    title="Change an instance's hardware",
    steps=(Step("define", "Change the definition", _define, _define_back),),
    succeed=_succeed,
    fail=_fail,
)
