"""Images: fetch, inspect in a confined child, keep under the digest; delete."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zcloud.domain.errors import HostUnreachable, ImageRefused, ZcloudError
from zcloud.domain.image import Image, ImageState
from zcloud.hosts.inspect import ImageLimits, inspect_image, packed_format, unpack_image
from zcloud.operations.model import Step, Workflow
from zcloud.store import ImageFilter, Tx
from zcloud.workflows.context import Run, base_image
from zcloud.workflows.fetching import download, note_source, sync_upload

_PARTS = (".part", ".origin", ".origin.new", ".unpacked", ".sums")


def _image(run: Run) -> Image:
    return run.read(lambda tx: tx.images.get(run.resource_id))


def _arrived(run: Run) -> Path:
    return run.config.upload_dir / run.resource_id


def fetch(run: Run) -> None:
    """Have all bytes on the disk under the image's id: those of a finished upload, or of a download."""
    target = _arrived(run)
    if target.exists():
        return
    part = target.with_suffix(".part")
    if _image(run).source["kind"] == "upload":
        sync_upload(run, part)
    else:
        download(run, part)
        target.with_suffix(".origin").unlink(missing_ok=True)
    part.rename(target)


def unpack(run: Run) -> None:
    """Unpack an image that came compressed, in a confined child with limits against bombs."""
    arrived = _arrived(run)
    if not arrived.exists() or packed_format(arrived) is None:
        return
    part = arrived.with_suffix(".unpacked")
    part.unlink(missing_ok=True)
    note_source(run, unpacked_sha256=unpack_image(arrived, part, _limits(run)))
    part.rename(arrived)


def inspect(run: Run) -> None:
    """Look at the image in a confined child, and write down what it is."""
    path = _arrived(run)
    if not path.exists():  # kept already, by a first run of this operation
        return
    source = _image(run).source
    known = str(source.get("unpacked_sha256") or source.get("sha256", ""))
    facts = inspect_image(path, _limits(run), claimed=str(run.args.get("format", "")), sha256=known)
    _check_upload(source, facts.sha256)
    with run.store.write() as tx:
        image = tx.images.get(run.resource_id)
        tx.images.update(
            image.id,
            digest=facts.sha256,
            format=facts.format,
            size=facts.file_size,
            virtual_size=facts.virtual_size,
            min_disk=max(image.min_disk, facts.virtual_size),
        )


def _check_upload(source: Mapping[str, Any], found: str) -> None:
    """Compare an upload with what its sender announced, where that could not be done when it was finished."""
    wanted = str(source.get("checksum", "")).partition(":")[2]
    compared = source.get("sha256") or source.get("unpacked_sha256") or source["kind"] != "upload"
    if wanted and not compared and wanted != found:
        raise ImageRefused(f"What arrived has sha256 {found}, not {wanted}.", hint="Send the file again.")


def keep(run: Run) -> None:
    """Move the file to its place, named by digest."""
    arrived, target = _arrived(run), run.image_file(_image(run))
    if not arrived.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    arrived.chmod(0o440)
    with arrived.open("rb") as file:
        os.fsync(file.fileno())
    arrived.rename(target)


def drop(run: Run) -> None:
    """Remove what arrived."""
    arrived = _arrived(run)
    for path in (arrived, *(arrived.with_suffix(suffix) for suffix in _PARTS)):
        path.unlink(missing_ok=True)


def drop_all(run: Run) -> None:
    """Remove what arrived and what was kept."""
    drop(run)
    drop_kept(run)


def drop_kept(run: Run) -> None:
    """Remove the file unless another image has the same bytes."""
    image = _image(run)
    if image.digest and not _shared(run, image):
        run.image_file(image).unlink(missing_ok=True)


def drop_bases(run: Run) -> None:
    """Remove the image's bases from the pools of hosts that answer; an unused base left behind harms nothing."""
    image = _image(run)
    if not image.digest or _shared(run, image):
        return
    for pool in run.read(lambda tx: tx.pools.all()):
        with contextlib.suppress(HostUnreachable):
            host_id = run.read(lambda tx, pool=pool: tx.pool_hosts.way_to(pool))  # type: ignore[misc]
            run.storage(pool, host_id).delete_base(base_image(image).digest)


def _limits(run: Run) -> ImageLimits:
    images = run.config.images
    return ImageLimits(max_virtual_size=images.max_virtual, max_file_size=images.max_file)


def _shared(run: Run, image: Image) -> bool:
    same = run.read(lambda tx: tx.images.page(ImageFilter(digest=image.digest), limit=1, count=True))
    return (same.total or 0) > 1


def _imported(run: Run, tx: Tx) -> None:
    tx.images.update(run.resource_id, state=ImageState.READY, error=None)


def _failed(run: Run, tx: Tx, error: ZcloudError) -> None:
    tx.images.update(run.resource_id, state=ImageState.ERROR, error=error.to_record())


def _deleted(run: Run, tx: Tx) -> None:
    tx.images.delete(run.resource_id)


IMAGE_IMPORT = Workflow(
    name="image_import_v1",
    title="Import an image",
    steps=(
        Step("fetch", "Fetch the image", fetch, drop),
        Step("unpack", "Unpack it", unpack),
        Step("inspect", "Look at the image in a confined child", inspect),
        Step("keep", "Keep it under its digest", keep, drop_kept),
    ),
    succeed=_imported,
    fail=_failed,
)

IMAGE_DELETE = Workflow(
    name="image_delete_v1",
    title="Delete an image",
    steps=(
        Step("bases", "Remove it from the pools", drop_bases),
        Step("file", "Remove the file", drop_all),
    ),
    succeed=_deleted,
    fail=_failed,
    cancellable=False,
)
