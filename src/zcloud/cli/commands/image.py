"""``zcloud image``: list, show, delete; downloads that rest, and uploads that are not finished."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from zcloud.cli.asking import confirm, name_argument, wait_option, yes_option
from zcloud.cli.base import command
from zcloud.cli.output import Column, say, show_record, show_rows
from zcloud.cli.progress import finish
from zcloud.cli.settings import App
from zcloud.cli.text import _, plain
from zcloud.cli.units import age, size
from zcloud.client import Record, route


def error_text(record: Mapping[str, Any]) -> str:
    """Give a thing's recorded error in a line."""
    error = record["error"] or {}
    return " ".join(filter(None, (error.get("message"), error.get("hint"))))


def _verified(source: Record) -> str:
    if source.get("verified_by"):
        return _("a checksum that the key {key} signed").format(key=source["verified_by"])
    if source.get("kind") == "catalogue":
        return _("a checksum of its vendor's by https; no signature of it was checked")
    return _("the checksum that was given") if source.get("checksum") else _("nothing")


COLUMNS = (
    Column("NAME", "name"),
    Column("STATE", "state"),
    Column("ERROR", error_text, wide=True),
    Column("FORMAT", "format"),
    Column("FILE", lambda each: size(each["size"]), right=True),
    Column("DISK", lambda each: size(each["virtual_size"]), right=True),
    Column("OS", "os_id"),
    Column("USER", "default_user"),
    Column("FOR", lambda each: _("everybody") if each["project_id"] is None else _("project")),
    Column("AGE", lambda each: age(each["created_at"]), right=True),
    Column("DIGEST", "digest", wide=True),
    Column("ID", "id", wide=True),
)
DETAILS = (
    *COLUMNS[:2],
    Column("error", error_text),
    *COLUMNS[3:8],
    Column("least memory", lambda each: size(each["min_memory_mib"] << 20)),
    Column("least disk", lambda each: size(each["min_disk"])),
    Column("for", COLUMNS[8].value),
    Column("from", lambda each: each["source"].get("url") or each["source"].get("kind")),
    Column("verified by", lambda each: _verified(each["source"])),
    Column("digest", "digest"),
    Column("age", COLUMNS[9].value),
    Column("operation", "operation_id"),
    Column("id", "id"),
)


@command
@click.option("--media", is_flag=True, help="Only CDs: what instances are installed from, and have in their drives.")
def list_images(app: App, media: bool) -> None:
    """List the images that you may use."""
    rows = app.client.pages("/v1/images", project=app.project, format="iso" if media else None)
    show_rows(app, rows, COLUMNS, empty=_("There are no images. See what there is: zcloud image catalogue"))


@command
@name_argument("images")
def show(app: App, name: str) -> None:
    """Show an image."""
    show_record(app, app.client.get(route("images", name), project=app.project), DETAILS)


@command
@name_argument("images")
@yes_option
@wait_option
def delete(app: App, name: str, yes: bool, wait: bool) -> None:
    """Delete an image that nothing is based on."""
    confirm(_("Delete the image {name}?").format(name=plain(name)), yes=yes)
    answer = app.client.delete(route("images", name), project=app.project)
    finish(app, answer, _("{name} is deleted.").format(name=plain(name)), wait=wait)


@command
@name_argument("images")
def pause(app: App, name: str) -> None:
    """Let an image's download rest; what came of it is kept."""
    app.client.post(route("images", name, "pause"), project=app.project)
    say(app, _("The download of {name} rests. Go on: zcloud image resume {name}").format(name=plain(name)))


@command
@name_argument("images")
@wait_option
def resume(app: App, name: str, wait: bool) -> None:
    """Let an image's download go on where it was."""
    answer = app.client.post(route("images", name, "resume"), project=app.project)
    finish(app, answer, _("The image {name} is there.").format(name=plain(name)), wait=wait)


UPLOADS = (
    Column("NAME", "name"),
    Column("THERE", lambda each: size(each["offset"]), right=True),
    Column("SIZE", lambda each: size(each["size"]) or _("unknown"), right=True),
    Column("SHARE", lambda each: f"{100 * each['offset'] // each['size']} %" if each["size"] else "", right=True),
    Column("LAST CAME", lambda each: age(each["received_at"]), right=True),
    Column("KEPT UNTIL", lambda each: each["expires_at"] or ""),
    Column("ID", "id"),
)


@command
def uploads(app: App) -> None:
    """List unfinished uploads; go on with one: zcloud image import FILE."""
    rows = app.client.get("/v1/uploads", project=app.project)["items"]
    show_rows(app, rows, UPLOADS, empty=_("No upload is unfinished."))
