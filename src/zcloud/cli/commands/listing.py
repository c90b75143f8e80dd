"""``zcloud list``: kept small, because it is typed most."""

from __future__ import annotations

from typing import Any

import click

from zcloud.cli.asking import completer
from zcloud.cli.base import command
from zcloud.cli.output import Column, note, show_rows
from zcloud.cli.settings import App
from zcloud.cli.text import _, plain
from zcloud.cli.units import age, size
from zcloud.client import Record

STATUSES = ("building", "running", "stopped", "paused", "saved", "saving", "starting", "stopping",
            "restarting", "deleting", "error", "unknown", "missing", "trashed")  # fmt: skip
SLOW = "Instances marked tcg run without KVM, many times slower; `zcloud host show HOST` has the reason."


def readiness(instance: Record) -> str:
    """Give whether the guest is ready, in a word."""
    return {"none": "", "ready": "yes"}.get(instance["ready"], str(instance["ready"]))


def extent(instance: Record) -> str:
    """Give the size that the instance has now, marked where something waits for its next start."""
    waiting = instance.get("pending") or {}
    if waiting is True:  # of a brief one, whose size is the present one
        return f"{instance['vcpus']} cpu {size(instance['memory_mib'] << 20)}{_(' (pending)')}"
    has = {name: waiting[name]["now"] if name in waiting else instance[name] for name in ("vcpus", "memory_mib")}
    mark = _(" (pending)") if waiting else ""
    return f"{has['vcpus']} cpu {size(has['memory_mib'] << 20)}{mark}"


def accelerator(instance: Record) -> str:
    """Give what runs the guest's CPU."""
    return str(instance["accel"])


def state(instance: Record) -> str:
    """Give the status, marked where it is old news as the host does not answer; a template is never merely stopped."""
    known = "template" if instance.get("template") and instance["status"] == "stopped" else str(instance["status"])
    return known if instance["host_state"] == "up" else f"{known} (host {instance['host_state']})"


COLUMNS = (
    Column("NAME", "name"),
    Column("STATUS", state),
    Column("READY", readiness),
    Column("ADDRESS", "address"),
    Column("HOST", lambda each: each["host"] + (" (tcg)" if each["accel"] == "tcg" else "")),
    Column("SIZE", extent),
    Column("IMAGE", "image"),
    Column("AGE", lambda each: age(each["created_at"]), right=True),
    Column("PROJECT", "project", wide=True),
    Column("ACCEL", accelerator, wide=True),
    Column("TAGS", "tags", wide=True),
    Column("ID", "id", wide=True),
)


@command
@click.argument("search", required=False, default="")
@click.option("--status", multiple=True, type=click.Choice(STATUSES), help="Only of this status; repeatable.")
@click.option("--tag", multiple=True, help="Only with this tag; repeatable.")
@click.option("--host", default="", shell_complete=completer("hosts"), help="Only on this host.")
@click.option("--image", default="", shell_complete=completer("images"), help="Only of this image.")
@click.option("--template/--no-template", default=None, help="Only templates, or only what is none.")
@click.option("--sort", default="", metavar="FIELD", help="Sort by a field; -FIELD sorts backwards.")
@click.option("--limit", type=click.IntRange(1), default=None, help="At most so many.")
def list_instances(app: App, limit: int | None, **query: Any) -> None:
    """List instances; SEARCH is part of a name, or a whole address."""
    query["brief"] = app.output == "table"
    if limit is not None and limit <= 1000:
        rows = app.client.get("/v1/instances", limit=limit, project=app.project, **query)["items"]
    else:
        rows = list(app.client.pages("/v1/instances", project=app.project, **query))
    show_rows(app, rows, COLUMNS, empty=_("There are no instances here. Make one: zcloud launch NAME --image IMAGE"))
    if app.for_people and any(each["accel"] == "tcg" for each in rows):
        note(app, plain(_(SLOW)))
