"""``zcloud image import``: from a file, a URL, or the catalogue of official images."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from pathlib import Path
from typing import Any, BinaryIO

import click

from zcloud.cli.asking import completer, wait_option
from zcloud.cli.base import command
from zcloud.cli.output import note, say
from zcloud.cli.params import MIB, SIZE
from zcloud.cli.progress import finish, transfer
from zcloud.cli.settings import App
from zcloud.cli.text import _, plain
from zcloud.cli.units import size
from zcloud.client import ApiError, Record
from zcloud.client.uploads import find_upload, send_file

_NOT_IN_NAMES = re.compile(r"[^a-z0-9]+")
_CHUNK = 1 << 20


@command
@click.argument("source", metavar="FILE|URL|CATALOGUE-NAME", shell_complete=completer("catalogue"))
@click.option("--name", default="", help="What it is called [from the source].")
@click.option("--checksum", default="", metavar="sha256:…|sha512:…", help="What the file must be.")
@click.option("--public", is_flag=True, help="For everybody, not for a project only.")
@click.option(
    "--format", "form", type=click.Choice(("qcow2", "raw", "iso")), default=None, help="The format [as found]."
)
@click.option("--os-id", default="", help="osinfo's short id, like debian12.")
@click.option("--user", "default_user", default="", help="The user that its cloud-init makes.")
@click.option("--min-memory", "min_memory_mib", type=MIB, default=0, help="The least memory it runs with.")
@click.option("--min-disk", type=SIZE, default=0, help="The least root disk it runs on.")
@wait_option
def import_image(app: App, source: str, form: str | None, wait: bool, **options: Any) -> None:
    """Import an image from a file, a URL, or by its name in the catalogue."""
    body = {**options, "format": form or "", "project": "" if options["public"] else app.project}
    checksum = body.pop("checksum")
    path = Path(source)
    if "://" in source:
        body["source"] = {"kind": "url", "url": source, "checksum": checksum}
        body["name"] = body["name"] or name_from(source.partition("?")[0])
    elif path.exists() or "/" in source or path.suffix in (".qcow2", ".img", ".raw", ".iso"):
        upload(app, path, {**body, "name": body["name"] or name_from(source)}, checksum, wait=wait)
        return
    else:
        body["source"] = {"kind": "catalogue", "name": source.lower(), "checksum": checksum}
        body["name"] = body["name"] or name_from(source)
    answer = app.client.post("/v1/images", _given(body))
    finish(app, answer, _("The image {name} is there.").format(name=plain(body["name"])), wait=wait)


def upload(app: App, path: Path, body: Record, checksum: str, *, wait: bool) -> None:
    """Register an image, send its file and follow the import; an upload that broke off is gone on with."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise click.UsageError(_("{path}: {reason}.").format(path=path, reason=error.strerror)) from error
    with file:
        status = os.stat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or not status.st_size:
            raise click.UsageError(_("{path} is not a file with contents.").format(path=path))
        body["source"] = {"kind": "upload", "size": status.st_size, "checksum": ""}
        if checksum:
            body["source"]["checksum"] = f"sha256:{_digest(app, file, status.st_size, checksum)}"
        upload = find_upload(app.client, body["name"], file, project=body["project"])
        if upload is not None:
            note(app, _("Going on after {size}.").format(size=size(upload["offset"])))
        image_id = (upload or app.client.post("/v1/images", _given(body)))["id"]
        answer = _send(app, image_id, path, file)
    say(app, _("Sent {name}.").format(name=plain(path.name)))
    finish(app, answer, _("The image {name} is there.").format(name=plain(body["name"])), wait=wait)


def _send(app: App, image_id: str, path: Path, file: BinaryIO) -> Record:
    steps, moved = transfer(app, _("Sending {name}").format(name=path.name), path.stat().st_size)
    try:
        with steps:
            return send_file(app.client, image_id, file, moved)
    except (ApiError, KeyboardInterrupt) as error:
        if not isinstance(error, ApiError) or error.code != "file_changed":
            text = _("What was sent is kept. Go on: the same command. Give it up: zcloud image delete {id}")
            note(app, text.format(id=plain(image_id)))
        raise


def name_from(source: str) -> str:
    """Give a name for an image from its file's name: ``Foo_1.2.qcow2`` is ``foo-1-2``."""
    stem = re.sub(r"\.(qcow2|img|raw|disk)$", "", source.rstrip("/").rsplit("/", 1)[-1], flags=re.IGNORECASE)
    return _NOT_IN_NAMES.sub("-", stem.lower()).strip("-")[:63].strip("-") or "image"


def _digest(app: App, file: Any, total: int, wanted: str) -> str:
    """Give the file's SHA-256; raises click.UsageError where it, or the SHA-512 asked for, is another one."""
    algorithm, _colon, expected = wanted.partition(":")
    sums = {"sha256": hashlib.sha256()}
    if algorithm == "sha512":
        sums["sha512"] = hashlib.sha512()
    steps, moved = transfer(app, _("Reading"), total)
    with steps:
        while chunk := file.read(_CHUNK):
            for each in sums.values():
                each.update(chunk)
            moved(file.tell())
    if wanted and (algorithm not in sums or sums[algorithm].hexdigest() != expected.lower()):
        found = sums.get(algorithm, sums["sha256"]).hexdigest()
        raise click.UsageError(_("The file's checksum is {found}, not {wanted}.").format(found=found, wanted=wanted))
    return sums["sha256"].hexdigest()


def _given(body: Record) -> Record:
    return {name: value for name, value in body.items() if value}
