"""``zcloud os``: operating systems and what they need."""

from __future__ import annotations

import click

from zcloud.cli.asking import completer
from zcloud.cli.base import command
from zcloud.cli.output import Column, show_record, show_rows
from zcloud.cli.settings import App
from zcloud.cli.text import _
from zcloud.cli.units import size
from zcloud.client import route

COLUMNS = (
    Column("ID", "id"),
    Column("NAME", "name"),
    Column("LEAST CPU", lambda each: each["min_vcpus"] or "", right=True),
    Column(
        "LEAST MEMORY", lambda each: size(each["min_memory_mib"] << 20) if each["min_memory_mib"] else "", right=True
    ),
    Column("LEAST DISK", lambda each: size(each["min_disk"]) if each["min_disk"] else "", right=True),
    Column("VIRTIO", lambda each: ", ".join(each["virtio"])),
    Column("MENDED UNTIL", "eol"),
    Column("FROM", "source", wide=True),
)
DETAILS = (
    *COLUMNS,
    Column("family", "family"),
    Column("distribution", "distro"),
    Column("version", "version"),
    Column("good with", lambda each: size(each["recommended_memory_mib"] << 20) or _("not known")),
    Column("does not start with", lambda each: ", ".join(each["refuses"])),
    Column("hardware", lambda each: ", ".join(f"{name}={value}" for name, value in each["hardware"].items())),
)


@command
@click.option("--distro", default="", help="Only of this distribution, like debian.")
def list_systems(app: App, distro: str) -> None:
    """List the operating systems that are known."""
    rows = [each for each in app.client.get("/v1/os")["items"] if not distro or each["distro"] == distro]
    show_rows(app, rows, COLUMNS)


@command
@click.argument("id", shell_complete=completer("os", "id"))
def show(app: App, id: str) -> None:
    """Show what an operating system needs."""
    show_record(app, app.client.get(route("os", id)), DETAILS)
