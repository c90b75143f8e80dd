"""``zcloud image import``: from a file, a URL, or the catalogue of official images."""

from __future__ import annotations

import hashlib
import re
import stat
from pathlib import Path
from typing import Any

import click

from zcloud.cli.asking import completer, wait_option
from zcloud.cli.base import command
from zcloud.cli.checksums import current_checksum
from zcloud.cli.output import say
from zcloud.cli.params import MIB, SIZE
from zcloud.cli.progress import finish, transfer
from zcloud.cli.settings import App
from zcloud.cli.text import _, plain
from zcloud.client import Record, route

_NOT_IN_NAMES = re.compile(r"[^a-z0-9]+")
_CHUNK = 1 << 20


@command
@click.argument("source", metavar="FILE|URL|CATALOGUE-NAME", shell_complete=completer("catalogue"))
@click.option("--name", default="", help="What it is called [from the source].")
@click.option("--checksum", default="", metavar="sha256:…|sha512:…", help="What the file must be.")
@click.option("--public", is_flag=True, help="For everybody, not for a project only.")
@click.option("--format", "form", type=click.Choice(("qcow2", "raw")), default=None, help="The format [as found].")
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
    elif path.exists() or "/" in source or path.suffix in (".qcow2", ".img", ".raw"):
        upload(app, path, {**body, "name": body["name"] or name_from(source)}, checksum, wait=wait)
        return
    else:
        body = _from_catalogue(app, source, body, checksum)
    answer = app.client.post("/v1/images", _given(body))
    finish(app, answer, _("The image {name} is there.").format(name=plain(body["name"])), wait=wait)


def upload(app: App, path: Path, body: Record, checksum: str, *, wait: bool) -> None:
    """Register an image, send its file with its SHA-256, and follow the import."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise click.UsageError(_("{path}: {reason}.").format(path=path, reason=error.strerror)) from error
    with file:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) or not status.st_size:
            raise click.UsageError(_("{path} is not a file with contents.").format(path=path))
        digest = _digest(app, file, status.st_size, checksum)
        body["source"] = {"kind": "upload", "checksum": f"sha256:{digest}"}
        image = app.client.post("/v1/images", _given(body))
        file.seek(0)
        steps, moved = transfer(app, _("Sending {name}").format(name=path.name), status.st_size)
        with steps:
            answer, sent = app.client.upload(route("images", image["id"], "content"), file, moved)
    say(app, _("Sent {name}, sha256 {digest}.").format(name=plain(path.name), digest=sent))
    finish(app, answer, _("The image {name} is there.").format(name=plain(body["name"])), wait=wait)


def name_from(source: str) -> str:
    """Give a name for an image from its file's name: ``Foo_1.2.qcow2`` is ``foo-1-2``."""
    stem = re.sub(r"\.(qcow2|img|raw|disk)$", "", source.rstrip("/").rsplit("/", 1)[-1], flags=re.IGNORECASE)
    return _NOT_IN_NAMES.sub("-", stem.lower()).strip("-")[:63].strip("-") or "image"


def _from_catalogue(app: App, name: str, body: Record, checksum: str) -> Record:
    entries = {each["name"]: each for each in app.client.get("/v1/catalogue")["items"]}
    entry = entries.get(name.lower())
    if entry is None:
        known = ", ".join(plain(each) for each in entries)
        text = _("{name!r} is neither a file, nor a URL, nor in the catalogue, which has {known}.")
        raise click.UsageError(text.format(name=name, known=known))
    checksum = checksum or current_checksum(entry)
    body["source"] = {"kind": "url", "url": entry["url"], "checksum": checksum}
    body["name"] = body["name"] or name_from(entry["name"])
    for field in ("os_id", "default_user", "min_memory_mib", "min_disk"):
        body[field] = body[field] or entry[field]
    return body


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
