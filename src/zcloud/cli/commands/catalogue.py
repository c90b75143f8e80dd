"""``zcloud image catalogue``: official cloud images, and whether they can be had now."""

from __future__ import annotations

from typing import Any

import click

from zcloud.cli.base import EXIT_FAILED, command
from zcloud.cli.checksums import current_checksum, image_size
from zcloud.cli.output import Column, note, show_rows
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
    Column("BOOTS BY", "firmware", wide=True),
    Column("URL", "url", wide=True),
)
CHECKED = (
    Column("NAME", "name"),
    Column("RESULT", "result"),
    Column("SIZE", lambda each: size(each["size"]), right=True),
    Column("CHECKSUM", lambda each: each["checksum"][:23]),
    Column("WHY", "why"),
)


@command
@click.argument("action", required=False, type=click.Choice(("check",)))
@click.argument("names", nargs=-1)
def catalogue(app: App, action: str | None, names: tuple[str, ...]) -> None:
    """List official images; with check, look whether each can be had and has a checksum."""
    entries = [each for each in app.client.get("/v1/catalogue")["items"] if not names or each["name"] in names]
    if action is None:
        show_rows(app, entries, COLUMNS)
        return
    results = []
    for entry in entries:
        note(app, _("Checking {name} ...").format(name=plain(entry["name"])))
        results.append(_check(entry))
    show_rows(app, results, CHECKED)
    if any(each["result"] != "ok" for each in results):
        raise click.exceptions.Exit(EXIT_FAILED)


def _check(entry: dict[str, Any]) -> dict[str, Any]:
    try:
        found = {"result": "ok", "size": image_size(entry), "checksum": current_checksum(entry), "why": ""}
    except ApiError as error:
        found = {"result": "failed", "size": 0, "checksum": "", "why": str(error)}
    return {"name": entry["name"], **found}
