"""``zcloud image catalogue``: official cloud images, and whether they can be had now."""

from __future__ import annotations

from typing import Any

import click

from zcloud.cli.asking import completer
from zcloud.cli.base import EXIT_FAILED, command
from zcloud.cli.checksums import current_checksum, image_size
from zcloud.cli.output import Column, note, show_record, show_rows
from zcloud.cli.settings import App
from zcloud.cli.text import _, plain
from zcloud.cli.units import size
from zcloud.client import ApiError

COLUMNS = (
    Column("NAME", "name"),
    Column("TITLE", "title"),
    Column("USER", "default_user"),
    Column("LEAST MEMORY", lambda each: size(each["min_memory_mib"] << 20), right=True),
    Column("LEAST DISK", lambda each: size(each["min_disk"]), right=True),
    Column("MACHINE", "arch"),
    Column("MENDED UNTIL", "eol"),
    Column("BOOTS BY", lambda each: ", ".join(each["firmware"]), wide=True),
    Column("URL", "url", wide=True),
)
DETAILS = (
    *COLUMNS,
    Column("OS", "os_id"),
    Column("CHECKSUMS", "checksums_url"),
    Column("KIND", "algorithm"),
    Column("SIGNATURE", "signature_url"),
    Column("ONE BUILD", lambda each: _("yes") if each["pinned"] else _("no, the newest")),
)
CHECKED = (
    Column("NAME", "name"),
    Column("RESULT", "result"),
    Column("SIZE", lambda each: size(each["size"]), right=True),
    Column("CHECKSUM", lambda each: each["checksum"][:23]),
    Column("WHY", "why"),
)


@command
@click.argument("action", required=False, type=click.Choice(("list", "show", "check")))
@click.argument("names", nargs=-1, shell_complete=completer("catalogue"))
def catalogue(app: App, action: str | None, names: tuple[str, ...]) -> None:
    """List official images, show some, or check: look from here whether each can be had and has a checksum."""
    entries = [each for each in app.client.get("/v1/catalogue")["items"] if not names or each["name"] in names]
    if names and len(entries) < len(set(names)):
        missing = ", ".join(sorted(set(names) - {each["name"] for each in entries}))
        raise click.UsageError(_("The catalogue has no {names}.").format(names=missing))
    if action == "show":
        for entry in entries:
            show_record(app, entry, DETAILS)
        return
    if action != "check":
        show_rows(app, entries, COLUMNS)
        return
    results = []
    for entry in entries:
        note(app, _("Checking {name} ...").format(name=plain(entry["name"])))
        results.append(_check(entry))
    show_rows(app, results, CHECKED)
    if results and all(each["result"] != "ok" for each in results):
        note(app, _("Nothing could be reached from this machine, so this says nothing about the images themselves."))
    if any(each["result"] != "ok" for each in results):
        raise click.exceptions.Exit(EXIT_FAILED)


def _check(entry: dict[str, Any]) -> dict[str, Any]:
    try:
        found = {"result": "ok", "size": image_size(entry), "checksum": current_checksum(entry), "why": ""}
    except ApiError as error:
        found = {"result": "failed", "size": 0, "checksum": "", "why": str(error)}
    return {"name": entry["name"], **found}
