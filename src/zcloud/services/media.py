"""CDs with drivers: which one an instance is born with, and how it is taken out."""

from __future__ import annotations

from zcloud.domain.errors import InvalidInput, WrongState
from zcloud.domain.image import CD, Image, ImageState
from zcloud.domain.instance import Instance
from zcloud.domain.operation import Operation
from zcloud.domain.people import Actor
from zcloud.services.owned import begin_verb
from zcloud.store import ImageFilter, Tx

DRIVERS = "virtio-win"
"""osinfo's id of the CD with virtio's drivers for Windows; the image's ``os_id`` says that it is one."""

NONE = "none"


def find_drivers(tx: Tx, asked: str, project_id: str, kind: str) -> Image | None:
    """Give the image of the CD that is asked for, or else for Windows the newest one of the library, if there is one.

    Raises NotFound, InvalidInput (it is no CD, or not ready).
    """
    if asked == NONE or (not asked and kind == "linux"):
        return None
    if not asked:
        which = ImageFilter(project_ids={project_id}, state=ImageState.READY, os_id=DRIVERS, format=CD)
        return next(iter(tx.images.page(which, sort="-created_at", limit=1).items), None)
    image = tx.images.resolve(asked, project_id)
    if image.state is not ImageState.READY or image.format != CD:
        state = "not a CD" if image.state is ImageState.READY else f"{image.state}, not ready"
        raise InvalidInput(
            f"The image {image.name} is {state}.",
            hint=f"Import one: `zcloud image import virtio-win.iso --os-id {DRIVERS}`.",
            field="driver_iso",
        )
    return image


def check_bootable(image: Image) -> None:
    """Raise InvalidInput for a CD: nothing boots from its copy as a disk."""
    if image.format == CD:
        raise InvalidInput(
            f"The image {image.name} is a CD, not a disk to boot from.",
            hint="Give it as --driver-iso, and the image of an installed system as --image.",
            field="image",
        )


def admit_eject(tx: Tx, actor: Actor, instance: Instance) -> Operation:
    """Record that the CD is taken out; raises WrongState where there is none, Busy."""
    if instance.driver_image_id is None:
        raise WrongState(f"There is no CD in the drive of {instance.name}.")
    operation = begin_verb(tx, actor, instance, "eject")
    tx.instances.update(instance.id, bump=True)
    return operation
