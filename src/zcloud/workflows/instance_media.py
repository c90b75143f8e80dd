"""Put a CD into a drive of an instance and take it out, whether it runs or not; the drive stays."""

from __future__ import annotations

from typing import Any

from zcloud.domain.attachment import Drive
from zcloud.domain.errors import ZcloudError
from zcloud.domain.hardware import settle
from zcloud.domain.plug import DiskSource
from zcloud.drivers.compute.drives import disc_of, find_drive, patch_disc, set_disc
from zcloud.operations.model import Step, Workflow
from zcloud.ports import Layer
from zcloud.store import Tx
from zcloud.workflows import parts
from zcloud.workflows.context import Run, base_image, load_whole
from zcloud.workflows.plugging import running


def _bring(run: Run) -> None:
    """Put the image into the pool of the root disk, where it stays for the next one."""
    whole = load_whole(run)
    parts.bring_image(run, whole, run.read(lambda tx: tx.images.get(run.args["image_id"])))


def _insert(run: Run) -> None:
    whole = load_whole(run)
    image = run.read(lambda tx: tx.images.get(run.args["image_id"]))
    _, pool = whole.root
    _change(run, run.storage(pool, whole.instance.host_id).base_source(base_image(image)))


def _eject(run: Run) -> None:
    """Take the CD out, of the running guest and of its definition."""
    _change(run, None)


def _change(run: Run, disc: DiskSource | None) -> None:
    """The running guest first: one that holds its tray closed refuses, and nothing has changed then."""
    instance, drive = parts.load_instance(run), Drive(run.args.get("drive", Drive.DRIVERS))
    live = running(run, instance)
    disk = find_drive(live, drive) if live else None
    if disk is not None and disc_of(disk) != (disc.path if disc else ""):
        set_disc(disk, disc)
        run.link(instance.host_id).hypervisor.update_device(instance.id, disk.to_xml(), Layer.LIVE)
    parts.redefine(run, lambda xml: patch_disc(xml, drive, disc, settle(instance.options)))


def _inserted(run: Run, tx: Tx) -> None:
    """What is in it was recorded when it was asked for; now it is known which of its runs has the drive."""
    instance = tx.instances.get(run.resource_id)
    tx.instances.update(instance.id, hardware={**instance.hardware, "drive_since": run.args["drive_since"]})


def _not_inserted(run: Run, tx: Tx, error: ZcloudError) -> None:
    del error
    tx.instances.update(run.resource_id, cd_image_id=None)


def _ejected(run: Run, tx: Tx) -> None:
    gone: dict[str, Any] = {Drive(run.args.get("drive", Drive.DRIVERS)).column: None}
    tx.instances.update(run.resource_id, **gone)


def _as_before(run: Run, tx: Tx, error: ZcloudError) -> None:
    """It is still on record, and can be taken out once more."""
    del run, tx, error


INSTANCE_INSERT = Workflow(
    name="instance_insert_v1",
    title="Put a CD in",
    steps=(
        Step("base", "Put the image into the pool", _bring),
        Step("insert", "Close the drive over it", _insert, _eject),
    ),
    succeed=_inserted,
    fail=_not_inserted,
)

INSTANCE_EJECT = Workflow(
    name="instance_eject_v1",
    title="Take the CD out",
    steps=(Step("eject", "Open the drive", _eject),),
    succeed=_ejected,
    fail=_as_before,
)
