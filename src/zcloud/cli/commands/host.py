"""``zcloud host``: list, show, refresh, orphans, set, remove."""

from __future__ import annotations

from typing import Any

import click

from zcloud.cli.asking import confirm, name_argument, wait_option, yes_option
from zcloud.cli.base import command
from zcloud.cli.output import Column, note, say, show_data, show_record, show_rows
from zcloud.cli.params import MIB
from zcloud.cli.progress import finish
from zcloud.cli.settings import App
from zcloud.cli.text import _, plain
from zcloud.cli.units import age, size
from zcloud.client import Record, route


def _memory(host: Record) -> str:
    return size(int(host["inventory"].get("memory", 0))) if host["inventory"].get("memory") else ""


def others(host: Record) -> str:
    """Give what running domains take that are nobody's instance."""
    if not host["others_domains"]:
        return ""
    told = _("{cpus} vCPUs, {memory} of memory, by {count} domains (zcloud host domains {name})")
    memory = size(host["others_memory_mib"] << 20)
    return told.format(cpus=host["others_vcpus"], memory=memory, count=host["others_domains"], name=host["name"])


COLUMNS = (
    Column("NAME", "name"),
    Column("STATE", "state"),
    Column("ACCEL", "accel"),
    Column("CPUS", lambda each: each["inventory"].get("cpus"), right=True),
    Column("MEMORY", _memory, right=True),
    Column("ADDRESS", lambda each: each["address"] or each["kind"]),
    Column("WHY", lambda each: each["state_reason"] if each["state"] != "up" else ""),
    Column("SEEN", lambda each: age(each["seen_at"]), right=True),
    Column("ID", "id", wide=True),
)
DETAILS = (
    Column("name", "name"),
    Column("state", lambda each: f"{each['state']} {age(each['state_since'])}"),
    Column("why", "state_reason"),
    Column("accelerator", "accel"),
    Column("why so", "accel_reason"),
    Column("address", lambda each: f"{each['user']}@{each['address']}:{each['port']}" if each["address"] else "local"),
    Column("host key", "host_key"),
    Column("offered key", lambda each: each["inventory"].get("offered_fingerprint")),
    Column("cpus", lambda each: each["inventory"].get("cpus")),
    Column("memory", _memory),
    Column(
        "for instances",
        lambda each: _("{cpus} vCPUs, {memory} of memory").format(
            cpus=each["capacity_vcpus"], memory=size(each["capacity_memory_mib"] << 20)
        ),
    ),
    Column("used by others", others),
    Column("CPU ratio", "cpu_ratio"),
    Column("memory ratio", "memory_ratio"),
    Column("reserved", lambda each: size(each["reserved_memory_mib"] << 20)),
    Column("firmware", lambda each: each["inventory"].get("firmwares")),
    Column("machine", lambda each: each["inventory"].get("machine")),
    Column("seen", lambda each: age(each["seen_at"])),
    Column("operation", "operation_id"),
    Column("id", "id"),
)


ORPHANS = (Column("KIND", "kind"), Column("NAME", "name"), Column("IN", "place"))


@command
def list_hosts(app: App) -> None:
    """List hosts."""
    rows = list(app.client.pages("/v1/hosts"))
    empty = _("There are no hosts. Add this machine: zcloud host add NAME --local")
    show_rows(app, rows, COLUMNS, empty=empty)
    for each in rows:
        if app.for_people and each["accel"] == "tcg":
            text = _("{name} has no KVM, so its instances are many times slower: {why}")
            note(app, text.format(name=plain(each["name"]), why=plain(each["accel_reason"])))


@command
@name_argument("hosts")
def show(app: App, name: str) -> None:
    """Show a host; -o json has its whole inventory."""
    show_record(app, app.client.get(route("hosts", name)), DETAILS)


@command
@name_argument("hosts")
@wait_option
def refresh(app: App, name: str, wait: bool) -> None:
    """Look at a host again: inventory and KVM."""
    answer = app.client.post(route("hosts", name, "refresh"))
    finish(app, answer, _("{name} was looked at.").format(name=plain(name)), wait=wait)


@command
@name_argument("hosts")
def orphans(app: App, name: str) -> None:
    """List what is on a host and looks like zcloud's, but no record knows; it is never removed by itself."""
    rows = app.client.pages(route("hosts", name, "orphans"))
    show_rows(app, rows, ORPHANS, empty=_("There are none, as of the observer's last look."))


@command
@name_argument("hosts")
@click.option("--cpu-ratio", type=float, help="How many vCPUs may be promised for each CPU.")
@click.option("--memory-ratio", type=float, help="How much memory may be promised for each byte.")
@click.option("--reserve", "reserved_memory_mib", type=MIB, help="Memory that stays the host's own, like 1G.")
def change(app: App, name: str, **settings: Any) -> None:
    """Change how much of a host is promised to instances."""
    body = {key: value for key, value in settings.items() if value is not None}
    if not body:
        raise click.UsageError(_("Give at least one setting."))
    host = app.client.get(route("hosts", name))
    changed = app.client.patch(route("hosts", host["id"]), body, revision=host["revision"])
    if app.for_people:
        say(app, _("{name} is changed.").format(name=plain(host["name"])))
    else:
        show_data(app, changed)


@command
@name_argument("hosts")
@yes_option
@wait_option
def remove(app: App, name: str, yes: bool, wait: bool) -> None:
    """Forget a host that has no instances; the host itself is not changed."""
    confirm(_("Remove the host {name}?").format(name=plain(name)), yes=yes)
    finish(app, app.client.delete(route("hosts", name)), _("{name} is removed.").format(name=plain(name)), wait=wait)
