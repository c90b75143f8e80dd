"""Uploads: images that wait for their bytes, which come in pieces, over as many connections as it takes."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from zcloud.domain.errors import InvalidInput, NotFound, Throttled, UploadOffset, WrongState, ZcloudError
from zcloud.domain.image import Image, ImageState
from zcloud.domain.operation import Operation
from zcloud.domain.people import Actor, Role
from zcloud.services.arrivals import Arrivals, Arrived, Arriving
from zcloud.services.context import Services, resolve_project, visible_projects
from zcloud.services.images import Images, begin_import, find_image
from zcloud.store import ImageFilter, Tx

AT_ONCE, AT_ONCE_EACH = 16, 4
"""Pieces that one process takes at the same time: of everybody, and of one person."""

_log = logging.getLogger(__name__)
_SWEEPER = Actor(user_id="", user_name="zcloud", role=Role.ADMIN)
_TOLD_EVERY_S = 2.0  # events about one upload
_STRAY_S = 3600.0  # a file that no record knows may belong to a transaction that is about to end


@dataclass(frozen=True, slots=True)
class Upload:
    """An unfinished upload: its image, and how much of it is there. ``tail`` is told where one is asked for."""

    image: Image
    offset: int
    received_at: datetime | None
    expires_at: datetime | None
    tail_sha256: str = ""

    @property
    def size(self) -> int:
        """Give how many bytes were announced, 0 where that was not said."""
        return int(self.image.source.get("size", 0))


class Uploads:
    """The service behind ``zcloud image import FILE`` and ``zcloud image uploads``."""

    def __init__(self, services: Services, arrivals: Arrivals, keep_h: int = 0) -> None:
        self._store, self._clock = services.store, services.clock
        self._images = Images(services)
        self.arrivals = arrivals
        self._keep = timedelta(hours=keep_h)
        self._busy: Counter[str] = Counter()
        self._told: dict[str, float] = {}
        self._lock = threading.Lock()

    def all(self, actor: Actor, project: str = "") -> list[Upload]:
        """List the uploads that are not finished."""
        with self._store.read() as tx:
            visible = {resolve_project(tx, actor, project, Role.VIEWER).id} if project else visible_projects(actor)
            which = ImageFilter(project_ids=visible, state=ImageState.WAITING)
            return [self._view(image) for image in tx.images.page(which, sort="created_at", limit=1000).items]

    def show(self, actor: Actor, image_id: str, *, tail: bool = True) -> Upload:
        """Give one upload, with its tail's digest; raises NotFound, also where its bytes are there already."""
        try:
            upload = self._view(self._waiting(actor, image_id))
        except WrongState as error:
            raise NotFound("The image has no unfinished upload.", hint=error.message) from error
        if not tail:
            return upload
        return dataclasses.replace(upload, tail_sha256=self.arrivals.tail_sha256(upload.image.id, upload.offset))

    @contextlib.contextmanager
    def turn(self, actor: Actor) -> Iterator[None]:
        """Take one of the places for pieces that come at the same time; raises Throttled."""
        with self._lock:
            if self._busy.total() >= AT_ONCE or self._busy[actor.user_id] >= AT_ONCE_EACH:
                raise Throttled("Too many pieces of uploads come at once.", retry_after_s=1)
            self._busy[actor.user_id] += 1
        try:
            yield
        finally:
            with self._lock:
                self._busy[actor.user_id] -= 1

    @contextlib.contextmanager
    def open(self, actor: Actor, image_id: str, offset: int) -> Iterator[tuple[Image, Arriving]]:
        """Give an upload's image and its file, to go on at ``offset``.

        Raises NotFound, WrongState, Busy, UploadOffset (``details.offset`` is where to go on).
        """
        image = self._waiting(actor, image_id)
        with self.arrivals.open(image.id) as arriving:
            self._waiting(actor, image.id)  # again under the file's lock: it may have been finished in between
            if arriving.offset != offset:
                raise _elsewhere(arriving.offset, offset)
            yield image, arriving

    def tell(self, image: Image, offset: int) -> None:
        """Write an event about an upload's progress, but not often."""
        size, now = int(image.source.get("size", 0)), self._clock.monotonic()
        with self._lock:
            if offset != size and now - self._told.get(image.id, 0.0) < _TOLD_EVERY_S:
                return
            self._told = {key: at for key, at in self._told.items() if now - at < _TOLD_EVERY_S} | {image.id: now}

        def work(tx: Tx) -> None:
            tx.events.add(
                "image.upload",
                resource_kind="image",
                resource_id=image.id,
                resource_name=image.name,
                actor="",
                project_id=image.project_id,
                message=f"{offset} of {size or 'so far unknown'} bytes are there.",
                data={"offset": offset, "size": size},
            )

        self._store.transact(work)

    def finish(self, actor: Actor, image_id: str, sha256: str = "") -> Operation:
        """Begin the import of an upload whose bytes are all there; ``sha256`` is what its sender sent.

        Raises NotFound, WrongState, Busy, UploadOffset (there are more or less bytes than announced), InvalidInput
        (other bytes).
        """
        with self.arrivals.open(self._waiting(actor, image_id).id) as arriving:

            def work(tx: Tx) -> Operation:
                image = find_image(tx, actor, image_id, "", Role.MEMBER)
                _check_waiting(image)
                size = int(image.source.get("size", 0)) or arriving.offset
                if arriving.offset != size or not size:
                    raise _elsewhere(arriving.offset, size)
                wanted = str(image.source.get("checksum", "")).partition(":")[2]
                _check_sum({each for each in (wanted, sha256) if each}, arriving.sha256)
                source = {**image.source, "size": size, "sha256": arriving.sha256, "checksum": _named(wanted or sha256)}
                tx.images.update(image.id, state=ImageState.IMPORTING, source=source)
                return begin_import(tx, actor, image)

            return self._store.transact(work)

    def sweep(self) -> None:
        """Remove uploads that nobody went on with for long, and files that no record knows."""
        now = self._clock.now()
        with self._store.read() as tx:
            waiting = tx.images.page(ImageFilter(state=ImageState.WAITING), sort="created_at", limit=1000).items
        for image in waiting:
            upload = self._view(image)
            if upload.expires_at is not None and upload.expires_at <= now:
                self._expire(image)
        strays = {each for each, at in self.arrivals.ids().items() if now.timestamp() - at > _STRAY_S}
        with self._store.read() as tx:
            known = tx.images.many(list(strays))
        for stray in strays - known.keys():
            self.arrivals.remove_all(stray)

    def _expire(self, image: Image) -> None:
        try:
            self._images.delete(_SWEEPER, image.id)
        except ZcloudError as error:
            _log.info("the upload of %s is kept: %s", image.name, error.message)

    def _waiting(self, actor: Actor, image_id: str) -> Image:
        with self._store.read() as tx:
            image = find_image(tx, actor, image_id, "", Role.MEMBER)
        if image.id != image_id:
            raise NotFound("There is no image of that id.")
        _check_waiting(image)
        return image

    def _view(self, image: Image) -> Upload:
        arrived = self.arrivals.arrived(image.id)
        return Upload(image, arrived.offset, _when(arrived), self._expires(image, arrived))

    def _expires(self, image: Image, arrived: Arrived) -> datetime | None:
        return max(image.created_at, _when(arrived) or image.created_at) + self._keep if self._keep else None


def _check_waiting(image: Image) -> None:
    if image.state is not ImageState.WAITING:
        raise WrongState(f"The image {image.name} is {image.state}; it takes no upload.")


def _check_sum(wanted: set[str], found: str) -> None:
    if len(wanted) > 1 or (found and wanted and wanted != {found}):
        raise InvalidInput(
            f"What arrived has sha256 {found or 'another sum'}, not {' and '.join(sorted(wanted))}.",
            hint="Delete the image and send the file again.",
            field="checksum",
        )


def _named(sha256: str) -> str:
    return f"sha256:{sha256}" if sha256 else ""


def _when(arrived: Arrived) -> datetime | None:
    return datetime.fromtimestamp(arrived.touched_at, UTC) if arrived.touched_at else None


def _elsewhere(offset: int, asked: int) -> UploadOffset:
    return UploadOffset(
        f"{offset} bytes of the upload are there, not {asked}.", hint=f"Go on at {offset}.", offset=offset
    )
