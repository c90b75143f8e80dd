"""Images: import from a file, a URL or the catalogue; immutable from then on."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from zcloud.base.ids import new_id
from zcloud.domain.errors import Forbidden, InUse, InvalidInput, WrongState
from zcloud.domain.image import Image, ImageState
from zcloud.domain.names import check_name
from zcloud.domain.operation import Operation
from zcloud.domain.people import Actor, Role
from zcloud.services.context import Services, Subject, authorize, begin, expect, resolve_project, visible_projects
from zcloud.store import ImageFilter, InstanceFilter, Tx, VolumeFilter

_DIGESTS = {"sha256": 64, "sha512": 128}


@dataclass(frozen=True, slots=True)
class ImageSpec:
    """An image that is to be imported. ``source``: kind ``upload``, or ``url`` with url and perhaps checksum."""

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

    def __init__(self, services: Services) -> None:
        self._store = services.store

    def all(self, actor: Actor, project: str = "") -> list[Image]:
        """List the images that the actor may use."""
        with self._store.read() as tx:
            visible = {resolve_project(tx, actor, project, Role.VIEWER).id} if project else visible_projects(actor)
            return list(tx.images.page(ImageFilter(project_ids=visible), limit=1000).items)

    def show(self, actor: Actor, ref: str, project: str = "") -> Image:
        """Give one image by name or id; raises NotFound."""
        with self._store.read() as tx:
            return _find(tx, actor, ref, project, Role.VIEWER)

    def create(self, actor: Actor, spec: ImageSpec) -> tuple[Image, Operation | None]:
        """Record an image. From a URL the import begins; an upload waits for its bytes (``finish_upload``).

        Raises InvalidInput, Forbidden (public images are an operator's).
        """
        check_name(spec.name)
        source = _check_source(spec.source)
        if spec.format not in ("", "qcow2", "raw"):
            raise InvalidInput(f"{spec.format[:40]!r} is not a format.", hint="Use qcow2 or raw.", field="format")

        def work(tx: Tx) -> tuple[Image, Operation | None]:
            if spec.public:
                authorize(actor, None, Role.OPERATOR, "Making public images")
            owner = None if spec.public else resolve_project(tx, actor, spec.project, Role.MEMBER).id
            waiting = source["kind"] == "upload"
            image = tx.images.add(_record(tx, dataclasses.replace(spec, source=source), owner, waiting))
            return image, None if waiting else _begin(tx, actor, image, "import", format=spec.format)

        return self._store.transact(work)

    def may_upload(self, actor: Actor, image_id: str) -> Image:
        """Give the image that waits for its bytes; raises NotFound, WrongState."""
        with self._store.read() as tx:
            image = _find(tx, actor, image_id, "", Role.MEMBER)
        if image.state is not ImageState.WAITING:
            raise WrongState(f"The image {image.name} is {image.state}; it takes no upload.")
        return image

    def finish_upload(self, actor: Actor, image_id: str, sha256: str) -> Operation:
        """Begin the import of an upload whose bytes are all there; ``sha256`` is what arrived."""

        def work(tx: Tx) -> Operation:
            image = _find(tx, actor, image_id, "", Role.MEMBER)
            wanted = image.source.get("checksum", "")
            if wanted and wanted != f"sha256:{sha256}":
                raise InvalidInput(f"What arrived has sha256 {sha256}, not {wanted}.", field="checksum")
            if image.state is not ImageState.WAITING:
                raise WrongState(f"The image {image.name} is {image.state}; it takes no upload.")
            tx.images.update(image.id, state=ImageState.IMPORTING)
            return _begin(tx, actor, image, "import", format=image.format)

        return self._store.transact(work)

    def delete(self, actor: Actor, ref: str, project: str = "", revision: int | None = None) -> Operation:
        """Delete an image that no volume is based on; raises InUse, Busy."""

        def work(tx: Tx) -> Operation:
            image = _find(tx, actor, ref, project, Role.MEMBER)
            expect(image, revision)
            volumes = tx.volumes.page(VolumeFilter(image_id=image.id), limit=1, count=True).total or 0
            instances = tx.instances.page(InstanceFilter(image_id=image.id), limit=1, count=True).total or 0
            users = volumes + instances
            if users:
                raise InUse(f"The image {image.name} is the base of {users} instances or volumes.")
            operation = _begin(tx, actor, image, "delete")
            tx.images.update(image.id, state=ImageState.DELETING)
            return operation

        return self._store.transact(work)


def _find(tx: Tx, actor: Actor, ref: str, project: str, needed: Role) -> Image:
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
        return {"kind": "upload", "checksum": checksum}
    url = str(source.get("url", ""))
    parts = urlsplit(url)
    if kind != "url" or parts.scheme not in ("http", "https") or not parts.hostname or len(url) > 2000:
        raise InvalidInput("The source must be an upload, or an http(s) URL.", field="source.url")
    if parts.scheme == "http" and not checksum:
        raise InvalidInput("An http URL needs a checksum.", hint="Use https, or give --checksum.", field="source.url")
    if parts.username or parts.password:
        raise InvalidInput("The URL must not hold a user name or password.", field="source.url")
    return {"kind": "url", "url": url, "checksum": checksum}
