"""Take the CD with drivers out of an instance's drive, whether it runs or not; the drive stays."""

from __future__ import annotations

from zcloud.domain.errors import ZcloudError
from zcloud.drivers.compute.devices import find_drivers
from zcloud.operations.model import Step, Workflow
from zcloud.ports import Layer
from zcloud.store import Tx
from zcloud.workflows.context import Run
from zcloud.workflows.parts import load_instance
from zcloud.workflows.plugging import definition, note_definition, running


def _eject(run: Run) -> None:
    """The running guest first: one that holds its tray closed refuses, and nothing has changed then."""
    instance = load_instance(run)
    hypervisor = run.link(instance.host_id).hypervisor
    for layer, xml in ((Layer.LIVE, running(run, instance)), (Layer.DEFINITION, definition(run, instance))):
        drive = find_drivers(xml) if xml else None
        if drive is not None:
            del drive.source
            hypervisor.update_device(instance.id, drive.to_xml(), layer)
    note_definition(run, instance)


def _ejected(run: Run, tx: Tx) -> None:
    tx.instances.update(run.resource_id, driver_image_id=None)


def _as_before(run: Run, tx: Tx, error: ZcloudError) -> None:
    """It is still on record, and can be taken out once more."""
    del run, tx, error


INSTANCE_EJECT = Workflow(
    name="instance_eject_v1",
    title="Take the CD out",
    steps=(Step("eject", "Open the drive", _eject),),
    succeed=_ejected,
    fail=_as_before,
)
