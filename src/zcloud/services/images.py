"""Images: import from a file, a URL or the catalogue; immutable from then on."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from zcloud.base.ids import new_id
from zcloud.domain.errors import Forbidden, InUse, InvalidInput, QuotaExceeded, WrongState
from zcloud.domain.image import FORMATS, Image, ImageState
from zcloud.domain.names import check_name
from zcloud.domain.operation import Operation, StepStatus
from zcloud.domain.people import Actor, Role
from zcloud.services.catalogue import Catalogue
from zcloud.services.context import Services, Subject, authorize, begin, expect, resolve_project, visible_projects
from zcloud.store import ImageFilter, InstanceFilter, Tx, VolumeFilter

MAX_OPEN = 64
"""Unfinished uploads that a project may have."""

_OF_CATALOGUE = ("os_id", "default_user", "min_memory_mib", "min_disk")
_DIGESTS = {"sha256": 64, "sha512": 128}


@dataclass(frozen=True, slots=True)
class ImageSpec:
    """An image that is to be imported.

    ``source``: kind ``upload`` with perhaps size and checksum, ``url`` with url and perhaps checksum, or ``catalogue``
    with a name.
    """

    name: str
    source: Mapping[str, Any]
    project: str = ""
    public: bool = False
    format: str = ""  # empty: as found
    os_id: str = ""
    default_user: str = ""
    min_memory_mib: int = 0
    min_disk: int = 0


class Images:
    """The service behind ``zcloud image``."""

    def __init__(self, services: Services, catalogue: Catalogue | None = None) -> None:
        self._store = services.store
        self._catalogue = catalogue or Catalogue()

    def all(self, actor: Actor, project: str = "", format: str = "") -> list[Image]:
        """List the images that the actor may use, perhaps only those of a format."""
        with self._store.read() as tx:
            visible = {resolve_project(tx, actor, project, Role.VIEWER).id} if project else visible_projects(actor)
            which = ImageFilter(project_ids=visible, format=format or None)
            return list(tx.images.page(which, limit=1000).items)

    def show(self, actor: Actor, ref: str, project: str = "") -> Image:
        """Give one image by name or id; raises NotFound."""
        with self._store.read() as tx:
            return find_image(tx, actor, ref, project, Role.VIEWER)

    def create(self, actor: Actor, spec: ImageSpec) -> tuple[Image, Operation | None]:
        """Record an image. From a URL the import begins; an upload waits for its bytes (``services/uploads.py``).

        Raises InvalidInput, Forbidden (public images are an operator's), QuotaExceeded (too many unfinished uploads).
        """
        check_name(spec.name)
        spec = self._from_catalogue(spec)
        source = _check_source(spec.source)
        if spec.format not in ("", *FORMATS):
            raise InvalidInput(
                f"{spec.format[:40]!r} is not a format.", hint=f"Use {', '.join(FORMATS)}.", field="format"
            )

        def work(tx: Tx) -> tuple[Image, Operation | None]:
            if spec.public:
                authorize(actor, None, Role.OPERATOR, "Making public images")
            owner = None if spec.public else resolve_project(tx, actor, spec.project, Role.MEMBER).id
            waiting = source["kind"] == "upload"
            if waiting:
                _check_open(tx, owner)
            image = tx.images.add(_record(tx, dataclasses.replace(spec, source=source), owner, waiting))
            return image, None if waiting else begin_import(tx, actor, image)

        return self._store.transact(work)

    def _from_catalogue(self, spec: ImageSpec) -> ImageSpec:
        """Give a spec by a catalogue's name as one by URL, with what the catalogue knows of it; raises NotFound."""
        if spec.source.get("kind") != "catalogue":
            return spec
        entry = self._catalogue.find(str(spec.source["name"]))
        return dataclasses.replace(
            spec,
            source={
                **dict(spec.source),
                "url": entry.url,
                "arch": entry.arch,
                "checksums_url": entry.checksums_url,
                "algorithm": entry.algorithm,
                "checksum_entry": entry.checksum_entry,
                "signature_url": entry.signature_url,
                "signed_by": entry.signed_by,
            },
            **{each: getattr(spec, each) or getattr(entry, each) for each in _OF_CATALOGUE},
        )

    def pause(self, actor: Actor, ref: str, project: str = "") -> Operation:
        """Let an image's download rest; what came is kept. Raises WrongState (nothing is being downloaded)."""

        def work(tx: Tx) -> Operation:
            image = find_image(tx, actor, ref, project, Role.MEMBER)
            operation = tx.operations.get(image.operation_id) if image.operation_id else None
            downloads = image.state is ImageState.IMPORTING and image.source["kind"] != "upload"
            if operation is None or not downloads or _has_arrived(operation):
                raise WrongState(f"The image {image.name} is {image.state}; nothing of it is being downloaded.")
            tx.images.update(image.id, state=ImageState.PAUSED)
            return tx.operations.wake_now(operation.id)

        return self._store.transact(work)

    def resume(self, actor: Actor, ref: str, project: str = "") -> Operation:
        """Let a paused download go on; raises WrongState."""

        def work(tx: Tx) -> Operation:
            image = find_image(tx, actor, ref, project, Role.MEMBER)
            if image.state is not ImageState.PAUSED or image.operation_id is None:
                raise WrongState(f"The image {image.name} is {image.state}, not paused.")
            tx.images.update(image.id, state=ImageState.IMPORTING)
            return tx.operations.wake_now(image.operation_id)

        return self._store.transact(work)

    def delete(self, actor: Actor, ref: str, project: str = "", revision: int | None = None) -> Operation:
        """Delete an image that no volume is based on; raises InUse, Busy."""

        def work(tx: Tx) -> Operation:
            image = find_image(tx, actor, ref, project, Role.MEMBER)
            expect(image, revision)
            volumes = tx.volumes.page(VolumeFilter(image_id=image.id), limit=1, count=True).total or 0
            instances = tx.instances.page(InstanceFilter(image_id=image.id), limit=1, count=True).total or 0
            drives = tx.instances.page(InstanceFilter(inserted_id=image.id), limit=5, count=True)
            if drives.total:
                names = ", ".join(each.name for each in drives.items)
                raise InUse(
                    f"The image {image.name} is in the CD drive of {drives.total} instances: {names}.",
                    hint="Take it out there: `zcloud instance eject NAME`.",
                )
            users = volumes + instances
            if users:
                raise InUse(f"The image {image.name} is the base of {users} instances or volumes.")
            operation = _begin(tx, actor, image, "delete")
            tx.images.update(image.id, state=ImageState.DELETING)
            return operation

        return self._store.transact(work)


def find_image(tx: Tx, actor: Actor, ref: str, project: str, needed: Role) -> Image:
    """Give an image by name or id where the actor's role includes ``needed``; raises NotFound, Forbidden."""
    image = tx.images.many([ref]).get(ref)
    if image is None:
        image = tx.images.resolve(ref, resolve_project(tx, actor, project, Role.VIEWER).id)
    if image.project_id is not None:
        authorize(actor, image.project_id, needed, f"The image {ref!r}")
    elif needed is not Role.VIEWER and not (actor.role and actor.role.includes(Role.OPERATOR)):
        raise Forbidden(f"The image {image.name} is for everybody; changing it takes the role {Role.OPERATOR}.")
    return image


def _record(tx: Tx, spec: ImageSpec, owner: str | None, waiting: bool) -> Image:
    return Image(
        id=new_id(),
        name=spec.name,
        project_id=owner,
        state=ImageState.WAITING if waiting else ImageState.IMPORTING,
        digest="",
        format=spec.format,
        size=0,
        virtual_size=0,
        os_id=spec.os_id,
        default_user=spec.default_user,
        min_memory_mib=spec.min_memory_mib,
        min_disk=spec.min_disk,
        source=spec.source,
        error=None,
        operation_id=None,
        created_at=tx.now,
        revision=1,
    )


def begin_import(tx: Tx, actor: Actor, image: Image) -> Operation:
    """Record the import of an image whose bytes are there, or can be fetched."""
    return _begin(tx, actor, image, "import", format=image.format)


def _has_arrived(operation: Operation) -> bool:
    return any(step.name == "fetch" and step.status is StepStatus.DONE for step in operation.steps)


def _check_open(tx: Tx, owner: str | None) -> None:
    which = ImageFilter(project_ids={owner} if owner else set(), state=ImageState.WAITING)
    if (tx.images.page(which, limit=1, count=True).total or 0) >= MAX_OPEN:
        raise QuotaExceeded(
            f"There are {MAX_OPEN} unfinished uploads already.", hint="Finish or delete some: `zcloud image uploads`."
        )


def _begin(tx: Tx, actor: Actor, image: Image, verb: str, **args: Any) -> Operation:
    subject = Subject("image", image.id, image.name, image.project_id)
    operation = begin(tx, actor, verb, f"image_{verb}_v1", subject, **args)
    tx.images.lock(image.id, operation.id)
    return operation


def _check_source(source: Mapping[str, Any]) -> dict[str, Any]:
    kind, checksum = source.get("kind"), str(source.get("checksum", ""))
    algorithm, _, digest = checksum.partition(":")
    if checksum and (_DIGESTS.get(algorithm) != len(digest) or not all(c in "0123456789abcdef" for c in digest)):
        raise InvalidInput("The checksum is not sha256:<64 hex digits> or sha512:<128>.", field="source.checksum")
    if kind == "upload":
        return {"kind": "upload", "checksum": checksum, "size": int(source.get("size", 0))}
    url = str(source.get("url", ""))
    parts = urlsplit(url)
    if (
        kind not in ("url", "catalogue")
        or parts.scheme not in ("http", "https")
        or not parts.hostname
        or len(url) > 2000
    ):
        raise InvalidInput("The source must be an upload, or an http(s) URL.", field="source.url")
    if parts.scheme == "http" and not checksum:
        raise InvalidInput("An http URL needs a checksum.", hint="Use https, or give --checksum.", field="source.url")
    if parts.username or parts.password:
        raise InvalidInput("The URL must not hold a user name or password.", field="source.url")
    return {**dict(source), "kind": kind, "url": url, "checksum": checksum}
