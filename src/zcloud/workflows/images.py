"""Images: fetch, inspect in a confined child, keep under the digest; delete."""

from __future__ import annotations

import os
from pathlib import Path

from zcloud.domain.errors import ZcloudError
from zcloud.domain.image import Image, ImageState
from zcloud.operations.model import Step, Workflow
from zcloud.store import Tx
from zcloud.workflows.context import Run, base_image


def _image(run: Run) -> Image:
    return run.read(lambda tx: tx.images.get(run.resource_id))


def _arrived(run: Run) -> Path:
    return run.config.upload_dir / run.resource_id


def fetch(run: Run) -> None:
    """Download the image where it comes from a URL; an upload is there already."""
    source = _image(run).source
    if source["kind"] == "upload":
        return
    run.download(source, _arrived(run))


def inspect(run: Run) -> None:
    """Look at the image in a confined child, and write down what it is."""
    path = _arrived(run)
    if not path.exists():  # kept already, by a first run of this operation
        return
    facts = run.inspect(path, str(run.args.get("format", "")))
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
    _arrived(run).unlink(missing_ok=True)


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
    with run.store.read() as tx:
        pools = [(pool, tx.hosts.get(pool.host_id)) for pool in tx.pools.all() if pool.host_id]
    for pool, host in pools:
        run.storage(pool, host.id).delete_base(base_image(image).digest)


def _shared(run: Run, image: Image) -> bool:
    return run.read(lambda tx: tx.images.count_of_digest(image.digest)) > 1


def _imported(run: Run, tx: Tx) -> None:
    tx.images.update(run.resource_id, state=ImageState.READY, error=None)
    tx.images.unlock(run.resource_id, run.operation.id)


def _failed(run: Run, tx: Tx, error: ZcloudError) -> None:
    tx.images.update(run.resource_id, state=ImageState.ERROR, error=error.to_record())
    tx.images.unlock(run.resource_id, run.operation.id)


def _deleted(run: Run, tx: Tx) -> None:
    tx.images.delete(run.resource_id)


IMAGE_IMPORT = Workflow(
    name="image_import_v1",
    title="Import an image",
    steps=(
        Step("fetch", "Fetch the image", fetch, drop),
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
        Step("file", "Remove the file", drop_kept),
    ),
    succeed=_deleted,
    fail=_failed,
    cancellable=False,
)
