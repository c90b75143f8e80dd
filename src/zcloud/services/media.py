"""CDs: which ones an instance is born with, how one is put in, and how it is taken out."""

from __future__ import annotations

from zcloud.domain.attachment import Drive
from zcloud.domain.errors import InvalidInput, WrongState
from zcloud.domain.image import CD, Image, ImageState
from zcloud.domain.instance import Instance, InstanceSpec, InstanceStatus
from zcloud.domain.operation import Operation
from zcloud.domain.people import Actor
from zcloud.drivers.guest.answers import check_answers
from zcloud.services.context import Services, expect
from zcloud.services.owned import begin_verb, check_state, find
from zcloud.store import ImageFilter, Tx

DRIVERS = "virtio-win"
"""osinfo's id of the CD with virtio's drivers for Windows; the image's ``os_id`` says that it is one."""

NONE = "none"


class Media:
    """The service behind ``zcloud instance insert`` and ``zcloud instance eject``."""

    def __init__(self, services: Services) -> None:
        self._store = services.store

    def insert(
        self, actor: Actor, project: str, ref: str, image: str, revision: int | None = None
    ) -> tuple[Operation, tuple[str, ...]]:
        """Put a CD into an instance's drive; gives the operation, and what is to be told.

        Raises NotFound, InvalidInput (no CD, or not ready), WrongState (there is one in it), Busy, RevisionMismatch.
        """

        def work(tx: Tx) -> tuple[Operation, tuple[str, ...]]:
            instance = find(tx, actor, project, ref)
            expect(instance, revision)
            check_state(instance, "insert")
            return _admit_insert(tx, actor, instance, find_disc(tx, image, instance.project_id, "image"))

        return self._store.transact(work)

    def eject(self, actor: Actor, project: str, ref: str, drive: str = "", revision: int | None = None) -> Operation:
        """Take a CD out: that of its owner, or else that with drivers. Raises NotFound, WrongState, Busy."""

        def work(tx: Tx) -> Operation:
            instance = find(tx, actor, project, ref)
            expect(instance, revision)
            check_state(instance, "eject")
            return admit_eject(tx, actor, instance, drive)

        return self._store.transact(work)

    def again(self, actor: Actor, old: Operation) -> Operation:
        """Admit once more what failed; raises as the verbs do."""
        if old.verb == "insert":
            return self.insert(actor, "", old.resource_id, old.args["image_id"])[0]
        return self.eject(actor, "", old.resource_id, old.args.get("drive", ""))


def find_drivers(tx: Tx, asked: str, project_id: str, kind: str) -> Image | None:
    """Give the image of the CD that is asked for, or else for Windows the newest one of the library, if there is one.

    Raises NotFound, InvalidInput (it is no CD, or not ready).
    """
    if asked == NONE or (not asked and kind == "linux"):
        return None
    if not asked:
        which = ImageFilter(project_ids={project_id}, state=ImageState.READY, os_id=DRIVERS, format=CD)
        return next(iter(tx.images.page(which, sort="-created_at", limit=1).items), None)
    return find_disc(tx, asked, project_id, "driver_iso")


def find_disc(tx: Tx, asked: str, project_id: str, field: str) -> Image:
    """Give the image of a CD; raises NotFound, InvalidInput (it is no CD, or not ready)."""
    image = tx.images.resolve(asked, project_id)
    if image.state is not ImageState.READY or image.format != CD:
        state = "not a CD" if image.state is ImageState.READY else f"{image.state}, not ready"
        raise InvalidInput(
            f"The image {image.name} is {state}.",
            hint="See the library with `zcloud image list --media`, or bring one: `zcloud image import FILE.iso`.",
            field=field,
        )
    return image


def check_bootable(image: Image) -> None:
    """Raise InvalidInput for a CD: nothing boots from its copy as a disk."""
    if image.format == CD:
        raise InvalidInput(
            f"The image {image.name} is a CD, not a disk to boot from.",
            hint="Install from it (--install), put it into the drive (--cd, --driver-iso), or choose another --image.",
            field="image",
        )


def check_source(spec: InstanceSpec) -> None:
    """Raise InvalidInput where a launch says not, or not once, what its system comes from."""
    if bool(spec.image) is (spec.install is not None):
        raise InvalidInput("Give an image, or a medium to install from.", field="image")
    if spec.install is None:
        if spec.answers:
            raise InvalidInput("Answers are for an installer.", field="answers")
        return
    spec.install.check()
    check_answers(spec.answers)
    if spec.cd or not spec.start or spec.user_data or spec.commands or spec.password_hash or spec.password:
        raise InvalidInput(
            "An installation starts at once, with the medium in the drive, and takes neither user data, commands nor "
            "passwords: its answer file has them.",
            field="install",
        )


def _admit_insert(tx: Tx, actor: Actor, instance: Instance, image: Image) -> tuple[Operation, tuple[str, ...]]:
    if instance.cd_image_id is not None:
        known = tx.images.get(instance.cd_image_id).name
        raise WrongState(
            f"The CD {known} is in the drive of {instance.name}.",
            hint=f"Take it out first: `zcloud instance eject {instance.name}`.",
        )
    off = instance.status is InstanceStatus.STOPPED
    since = instance.drive_since or instance.incarnation + 1
    operation = begin_verb(tx, actor, instance, "insert", drive=Drive.CD.value, image_id=image.id, drive_since=since)
    tx.instances.update(instance.id, cd_image_id=image.id, bump=True)
    if off or since <= instance.incarnation:
        return operation, ()
    return operation, (
        f"The running machine of {instance.name} has no CD drive: it gets one, with the CD in it, at its next start "
        f"(`zcloud restart {instance.name}`).",
    )


def admit_eject(tx: Tx, actor: Actor, instance: Instance, drive: str = "") -> Operation:
    """Record that a CD is taken out; raises WrongState where there is none, Busy."""
    drives = [Drive(drive)] if drive else list(Drive)
    full = next((each for each in drives if getattr(instance, each.column) is not None), None)
    if full is None:
        raise WrongState(f"There is no CD in the drive of {instance.name}.")
    operation = begin_verb(tx, actor, instance, "eject", drive=full.value)
    tx.instances.update(instance.id, bump=True)
    return operation
